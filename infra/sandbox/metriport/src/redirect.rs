//! Checks the URL that a hosted page sends the browser back to.
//!
//! Metriport requires HTTPS and an entry in the account's allowlist (docs.metriport.com, pages
//! `ias/create-identity-session` and `ias/create-aal2-challenge`), but does not document how it compares. The stand-in
//! compares exactly. It also accepts plain HTTP to `localhost` or `127.0.0.1`, because an app on a laptop usually has
//! no HTTPS.

use url::Url;

use crate::envelope::Refusal;

/// Refuses with 400 unless `redirect` is on the list and has a permitted host.
pub(crate) fn check(allowlist: &[String], redirect: &str) -> Result<(), Refusal> {
    let parsed = Url::parse(redirect).ok().filter(is_permitted);
    if parsed.is_none() {
        return Err(Refusal::bad_request("redirectUrl must be an HTTPS URL"));
    }
    if !allowlist.iter().any(|allowed| allowed == redirect) {
        return Err(Refusal::bad_request("redirectUrl is not on the account's allowlist"));
    }
    Ok(())
}

fn is_permitted(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => matches!(url.host_str(), Some("localhost" | "127.0.0.1")),
        _ => false,
    }
}

/// Appends query pairs to `redirect`. The values are ids or words of the stand-in, and need no escaping.
pub(crate) fn append(redirect: &str, pairs: &str) -> String {
    let joint = if redirect.contains('?') { '&' } else { '?' };
    format!("{redirect}{joint}{pairs}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(redirect: &str) -> bool {
        let list = [
            "https://app.example.test/return",
            "http://127.0.0.1:3000/return",
            "http://app.example.test/return",
        ];
        check(&list.map(str::to_owned), redirect).is_ok()
    }

    #[test]
    fn only_listed_https_or_local_http_urls_are_accepted() {
        assert!(allowed("https://app.example.test/return"));
        assert!(allowed("http://127.0.0.1:3000/return"));
        assert!(!allowed("http://app.example.test/return"));
        assert!(!allowed("https://app.example.test/return/"));
        assert!(!allowed("https://app.example.test/return?next=1"));
        assert!(!allowed("javascript:alert(1)"));
        assert!(check(&[], "https://app.example.test/return").is_err());
    }

    #[test]
    fn pairs_are_appended() {
        assert_eq!(
            append("https://a.test/r", "status=verified"),
            "https://a.test/r?status=verified"
        );
        assert_eq!(
            append("https://a.test/r?x=1", "status=verified"),
            "https://a.test/r?x=1&status=verified"
        );
    }
}
