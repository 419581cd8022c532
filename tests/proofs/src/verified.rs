//! Persons who may pull: linked, proofed on the hosted page and confirmed, with their app and browser.

use std::sync::Arc;
use std::time::Duration;

use ias::report::Progress;
use sandbox_machine::app::{App, QueryAsk};
use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_machine::{Sandbox, SandboxError};
use serde_json::{Value, json};
use shared::domain::record::RESOURCE_TYPES;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::asking::expect;

/// Persons who are prepared at the same time.
const AT_ONCE: usize = 8;
/// How often a person's app asks whether the identity is verified, and how often it asks in all.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASKS_MAX: u32 = 300;

/// A person whose identity is verified.
pub(crate) struct VerifiedPerson {
    pub(crate) app: App,
    pub(crate) browser: Browser,
}

impl VerifiedPerson {
    /// Gives the consent of the person of an app, links them, passes the identity page, and waits until the identity is
    /// verified.
    pub(crate) async fn verify(app: App, demographics: &Value) -> Result<Self, String> {
        let browser = Browser::new().map_err(|error| error.to_string())?;
        expect(200, || app.give_consent()).await?;
        expect(200, || app.put_patient(demographics)).await?;
        let session = expect(201, || app.open_identity_session(IDENTITY_RETURN)).await?;
        let page = session.text("/sessionUrl");
        browser.pass(&page).await.map_err(|error| error.to_string())?;
        until_verified(&app).await?;
        Ok(Self { app, browser })
    }

    /// Passes a challenge; returns a query of the exchanges (`hie`) alone.
    pub(crate) async fn pass_challenge(&self) -> Result<QueryAsk, String> {
        let challenge = expect(201, || self.app.open_challenge(AAL2_RETURN)).await?;
        self.pass_page(&challenge.text("/challengeId"), &challenge.text("/challengeUrl"))
            .await
    }

    /// Passes the page of an open challenge, and returns the query that it allows.
    pub(crate) async fn pass_page(&self, challenge: &str, page: &str) -> Result<QueryAsk, String> {
        let back = self.browser.pass(page).await.map_err(|error| error.to_string())?;
        let session = back.session.ok_or("the challenge page returned no AAL2 session")?;
        let mut ask = QueryAsk::everything(challenge, &session);
        if let Some(sources) = ask.body.get_mut("sources") {
            *sources = json!({ "hie": { "enabled": true } });
        }
        Ok(ask)
    }
}

async fn until_verified(app: &App) -> Result<(), String> {
    let mut ticks = tokio::time::interval(ASK_EVERY);
    for _ in 0..ASKS_MAX {
        ticks.tick().await;
        if expect(200, || app.identity()).await?.text("/status") == "verified" {
            return Ok(());
        }
    }
    Err("an identity was not verified in time".to_owned())
}

/// Prepares this many persons by `prepare`, at most `AT_ONCE` of them at the same time.
pub(crate) async fn gather<P, F, R>(
    sandbox: &Sandbox,
    people: usize,
    progress: &Progress,
    prepare: F,
) -> Result<Vec<P>, String>
where
    P: Send + 'static,
    F: Fn(App, usize) -> R + Copy + Send + 'static,
    R: Future<Output = Result<P, String>> + Send + 'static,
{
    let (permits, mut joining) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for index in 0..people {
        let app = sandbox
            .app(&format!("person-{index}"))
            .map_err(|error: SandboxError| error.to_string())?;
        let permits = Arc::clone(&permits);
        joining.spawn(async move {
            let _permit = permits.acquire().await.map_err(|error| error.to_string())?;
            prepare(app, index).await
        });
    }
    let mut ready = Vec::new();
    while let Some(joined) = joining.join_next().await {
        ready.push(joined.map_err(|error| error.to_string())??);
        progress.show(&format!("  {} of {people} persons are ready", ready.len()));
    }
    Ok(ready)
}

/// Demographics that Metriport never matches with another person's.
pub(crate) fn demographics(index: usize) -> Value {
    let suffix: String = [index / 676, index / 26, index]
        .into_iter()
        .filter_map(|part| char::from_digit(u32::try_from(part % 26).ok()? + 10, 36))
        .collect();
    json!({
        "firstName": "Jane",
        "lastName": format!("Quill{suffix}"),
        "dob": format!("{}-{:02}-{:02}", 1930 + index % 60, 1 + (index / 60) % 12, 1 + (index / 720) % 28),
        "genderAtBirth": "F",
        "address": [{ "addressLine1": format!("{} Birch Ln", 10 + index), "city": "Dayton", "state": "OH", "zip": "45402" }],
        "contact": [{ "email": format!("quill-{index}@example.test") }],
    })
}

/// A body of `POST /v1/records`. The bodies of ten thousand consecutive numbers ask for different records.
pub(crate) fn record_body(number: usize) -> Value {
    let kind = RESOURCE_TYPES.get(number % RESOURCE_TYPES.len());
    let (year, month, day) = (1990 + (number / 336) % 35, 1 + (number / 28) % 12, 1 + number % 28);
    json!({ "conversionType": "json", "resources": [kind], "dateFrom": format!("{year}-{month:02}-{day:02}") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn record_requests_are_all_different() {
        let bodies: BTreeSet<String> = (0..10_000).map(|number| record_body(number).to_string()).collect();
        assert_eq!(bodies.len(), 10_000);
    }
}
