//! The hosted pages: plain HTML with one form by POST, without scripts or external style sheets.

use crate::authenticator::Authenticator;
use crate::demographics::Demographics;

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem;\
                     color:#111;background:#fff}dt{font-weight:600}dd{margin:0 0 .5rem}code{overflow-wrap:anywhere}\
                     input,button{font:inherit;padding:.5rem .75rem;margin:.25rem .5rem .25rem 0}\
                     [role=alert]{border-left:.3rem solid #a00;padding-left:.75rem}";

/// The identity page: the person to proof, the authenticator to enrol, and the form.
pub(crate) fn identity(person: &Demographics, authenticator: &Authenticator, alert: Option<&str>) -> String {
    let name = format!("{} {}", person.first_name, person.last_name);
    let address = person
        .address
        .first()
        .map(crate::address::Address::one_line)
        .unwrap_or_default();
    let uri = authenticator.uri().unwrap_or_default();
    let main = format!(
        "<p>This page stands in for Metriport's identity proofing. No identity is checked here.</p>\
         <h2>Person to be proofed</h2>\
         <dl><dt>Name</dt><dd>{}</dd><dt>Date of birth</dt><dd>{}</dd><dt>Address</dt><dd>{}</dd></dl>\
         <h2>Add this key to your authenticator app</h2>\
         <dl><dt>Key</dt><dd><code>{}</code></dd><dt>Address for apps</dt><dd><code>{}</code></dd></dl>{}",
        escape(&name),
        escape(&person.dob),
        escape(&address),
        escape(&authenticator.base32()),
        escape(&uri),
        form("This is me"),
    );
    page("Confirm who you are", alert, &main)
}

/// The AAL2 page, which asks for a code.
pub(crate) fn challenge(alert: Option<&str>) -> String {
    let main = format!(
        "<p>Your authenticator app shows a six-digit code.</p>{}",
        form("Continue")
    );
    page("Enter your code", alert, &main)
}

/// The page for a URL that is used, expired or unknown.
pub(crate) fn gone() -> String {
    page(
        "This link can no longer be used",
        None,
        "<p>Go back to the app and start again.</p>",
    )
}

pub(crate) fn wrong_code(tries_left: u8) -> String {
    let tries = if tries_left == 1 { "try" } else { "tries" };
    format!("The code is wrong. {tries_left} {tries} left.")
}

fn form(confirm: &str) -> String {
    format!(
        "<form method=\"post\"><p><label for=\"code\">Six-digit code</label><br>\
         <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" maxlength=\"7\"></p>\
         <p><button name=\"action\" value=\"confirm\">{confirm}</button>\
         <button name=\"action\" value=\"cancel\">Cancel</button></p></form>"
    )
}

fn page(title: &str, alert: Option<&str>, main: &str) -> String {
    let alert = alert
        .map(|words| format!("<p role=\"alert\">{}</p>", escape(words)))
        .unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1>{alert}{main}</main></body></html>"
    )
}

/// Escapes text for HTML content and quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            plain => safe.push(plain),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(escape("<b>O'Hara & \"Co\""), "&lt;b&gt;O&#39;Hara &amp; &quot;Co&quot;");
    }

    #[test]
    fn pages_are_free_of_scripts_and_label_their_field() {
        let html = challenge(Some("No <good>"));
        assert!(!html.contains("<script"));
        assert!(html.contains("<label for=\"code\">") && html.contains("role=\"alert\">No &lt;good&gt;"));
    }
}
