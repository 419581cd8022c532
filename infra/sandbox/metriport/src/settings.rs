//! The account's settings: one webhook URL and its key (docs.metriport.com, pages `api-reference/settings`).
//!
//! Metriport's public code refuses URLs into a private network, including `localhost`. The stand-in accepts plain HTTP
//! to this machine, because the sandbox's API has no other URL; all other refusals are the same.

use serde_json::{Value, json};
use url::Url;

use crate::envelope::Refusal;
use crate::moment::Moment;
use crate::webhooks::Outgoing;
use crate::world::World;

const URL_CHARS_MAX: usize = 2048;

/// Parts that a webhook URL must not contain.
const REFUSED_PARTS: [&str; 9] = [
    "localhost",
    "127.0.0.1",
    "169.254.169.254",
    "[::]",
    "[::1]",
    "0000",
    "/internal",
    "amazonaws.com",
    "nip.io",
];

impl World {
    /// `GET /settings`.
    pub(crate) fn settings(&self) -> Value {
        let key = self.webhooks.url.as_ref().map(|_| &self.webhooks.key);
        json!({ "id": self.account_id, "webhookUrl": self.webhooks.url, "webhookKey": key })
    }

    /// `POST /settings`. A new URL is pinged, and the key stays. With `clearing_makes_key`, an empty URL clears the URL
    /// and the key, as documented. Otherwise it has no effect, as in some of the public code.
    pub(crate) fn set_settings(&mut self, now: Moment, body: &Value) -> Result<Value, Refusal> {
        let fields = body
            .as_object()
            .ok_or_else(|| Refusal::invalid("Expected object, on [body]"))?;
        if let Some(unknown) = fields.keys().find(|name| *name != "webhookUrl") {
            return Err(Refusal::invalid(format!("Unrecognized key, on [{unknown}]")));
        }
        match fields.get("webhookUrl") {
            None | Some(Value::Null) => {}
            Some(Value::String(url)) if url.is_empty() => self.clear_webhook_url(),
            Some(Value::String(url)) => self.set_webhook_url(now, url)?,
            Some(_) => return Err(Refusal::invalid("Expected string, on [webhookUrl]")),
        }
        Ok(self.settings())
    }

    fn set_webhook_url(&mut self, now: Moment, url: &str) -> Result<(), Refusal> {
        if !is_permitted(url) {
            return Err(Refusal::invalid("Invalid URL, on [webhookUrl]"));
        }
        self.webhooks.url = Some(url.to_owned());
        // The ids are drawn now and not when the ping is sent. A replay of the journal thus draws the same ids in the
        // same order.
        let (value, message_id) = (self.ids.webhook_key(), self.ids.uuid(now));
        self.webhooks.send(Outgoing::Ping { value, message_id });
        Ok(())
    }

    fn clear_webhook_url(&mut self) {
        if self.options.clearing_makes_key {
            self.webhooks.url = None;
            self.make_webhook_key();
        }
    }

    /// Replaces the webhook key. The new key signs at once.
    pub(crate) fn make_webhook_key(&mut self) {
        self.webhooks.key = self.ids.webhook_key();
    }

    /// `GET /settings/webhook`.
    pub(crate) fn webhook_status(&self) -> Value {
        let mut view = json!({
            "webhookEnabled": self.webhooks.enabled,
            "webhookRequestsProcessing": self.webhooks.processing_count(),
            "webhookRequestsFailed": self.webhooks.failed_count(),
        });
        if let (Some(detail), Some(fields)) = (&self.webhooks.status_detail, view.as_object_mut()) {
            fields.insert("webhookStatusDetail".to_owned(), json!(detail));
        }
        view
    }

    /// `POST /settings/webhook/sample-payload`: any object with a `meta.type`, signed and sent to the account's own
    /// URL.
    pub(crate) fn send_sample(&mut self, body: &Value) -> Result<(), Refusal> {
        if body.pointer("/meta/type").and_then(Value::as_str).is_none() {
            return Err(Refusal::invalid("Required, on [meta.type]"));
        }
        if self.webhooks.url.is_none() {
            return Err(Refusal::bad_request("No webhook URL is set"));
        }
        self.webhooks.send(Outgoing::Sample(body.clone()));
        Ok(())
    }
}

fn is_permitted(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let on_this_machine = url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
    // For a URL on this machine only the path is checked, because a port such as 10000 contains a refused part
    // (`0000`).
    let looked_at = if on_this_machine { url.path() } else { text };
    let clean = !REFUSED_PARTS.iter().any(|part| looked_at.to_lowercase().contains(part));
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    web && clean && text.chars().count() <= URL_CHARS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_into_a_private_network_are_refused() {
        for good in [
            "https://hooks.example.test/m",
            "http://127.0.0.1:10000/m",
            "http://localhost:3000/m",
        ] {
            assert!(is_permitted(good), "{good}");
        }
        let bad = [
            "hooks.example.test",
            "ftp://hooks.example.test",
            "https://localhost/m",
            "https://abc.execute-api.us-west-1.amazonaws.com/m",
            "https://hooks.example.test/internal/m",
            "http://127.0.0.1:3000/internal",
            "https://hooks0000.example.test/",
            "https://[::1]/m",
        ];
        for bad in bad {
            assert!(!is_permitted(bad), "{bad}");
        }
    }
}
