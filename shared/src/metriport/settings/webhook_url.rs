//! URLs that Metriport accepts for webhooks.
//!
//! Metriport searches for certain texts in the whole URL: host, port, path and query. It answers 400 `Invalid URL`
//! without naming the text (public code, `packages/api/src/routes/settings.ts`). A host name that contains a stage or
//! an id can therefore be refused by chance.

use url::Url;

/// Longest accepted URL, in characters.
const CHARS_MAX: usize = 2048;

const THIS_MACHINE: &str = "it is an address of the machine itself";
const REBINDING: &str = "it is part of a domain that resolves to private addresses";

/// Texts that no URL may contain, in lower case, and why. A text that contains another text of the list is left out.
const REFUSED: [(&str, &str); 27] = [
    (
        "amazonaws.com",
        "it is AWS's own domain; put a domain of your own in front",
    ),
    ("/internal", "it is refused anywhere in the path"),
    ("0000", "four zeros are refused anywhere: in a name, a port or a path"),
    ("169.254.169.254", "it is the address of instance metadata"),
    ("localhost", THIS_MACHINE),
    ("%6c%6f%63%61%6c%68%6f%73%74", THIS_MACHINE),
    ("127.0.0.", THIS_MACHINE),
    ("127.1", THIS_MACHINE),
    ("127.000.000.1", THIS_MACHINE),
    ("2130706433", THIS_MACHINE),
    ("0x7f.0x0.0x0.0x1", THIS_MACHINE),
    ("0177.0.0.0", THIS_MACHINE),
    ("[::]", THIS_MACHINE),
    ("[::1]", THIS_MACHINE),
    ("127-0-0-1.org.uk", REBINDING),
    ("42foo.com", REBINDING),
    ("beweb.com", REBINDING),
    ("feacebook.com", REBINDING),
    ("fuf.me", REBINDING),
    ("localtest.me", REBINDING),
    ("lvh.me", REBINDING),
    ("ortkut.com", REBINDING),
    ("ratchetlocal.com", REBINDING),
    ("smackaho.st", REBINDING),
    ("ulh.us", REBINDING),
    ("vcap.me", REBINDING),
    ("yoogle.com", REBINDING),
];

/// The texts that no webhook URL may contain, in lower case.
pub fn refused_webhook_texts() -> impl Iterator<Item = &'static str> {
    REFUSED.into_iter().map(|(text, _)| text)
}

/// Why a URL cannot be registered for webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlProblem {
    /// Not a URL, or a URL without a host.
    #[error("it is not a URL with a host")]
    NotAUrl,
    /// Longer than Metriport accepts.
    #[error("it is longer than 2048 characters")]
    TooLong,
    /// Not HTTPS: webhooks are about people's health.
    #[error("it is not https")]
    NotHttps,
    /// Credentials or a fragment, which get lost or logged on the way.
    #[error("it has credentials or a fragment")]
    Decorated,
    /// Metriport refuses URLs that contain this text.
    #[error("it contains `{text}`, which Metriport refuses: {why}")]
    Refused {
        /// The text.
        text: &'static str,
        /// The reason.
        why: &'static str,
    },
}

/// Why a URL cannot be registered for webhooks; `None` if it can.
#[must_use]
pub fn webhook_url_problem(text: &str) -> Option<WebhookUrlProblem> {
    let Some(url) = Url::parse(text).ok().filter(Url::has_host) else {
        return Some(WebhookUrlProblem::NotAUrl);
    };
    if text.chars().count() > CHARS_MAX {
        return Some(WebhookUrlProblem::TooLong);
    }
    if url.scheme() != "https" {
        return Some(WebhookUrlProblem::NotHttps);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Some(WebhookUrlProblem::Decorated);
    }
    refused(text)
}

/// Searches the URL both as it is written and as it is sent, because a host may be spelled in more than one way.
fn refused(text: &str) -> Option<WebhookUrlProblem> {
    let spelled = text.to_lowercase();
    let sent = Url::parse(text).map(String::from).unwrap_or_default().to_lowercase();
    let held = |part: &str| spelled.contains(part) || sent.contains(part);
    let (text, why) = REFUSED.into_iter().find(|(part, _)| held(part))?;
    Some(WebhookUrlProblem::Refused { text, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_on_an_ordinary_domain_is_accepted() {
        for good in [
            "https://health.example.org/v1/webhooks/metriport",
            "https://health.example.org:8443/v1/webhooks/metriport",
            "https://xn--bcher-kva.example/v1/webhooks/metriport?stage=prod",
        ] {
            assert_eq!(webhook_url_problem(good), None, "{good}");
        }
    }

    #[test]
    fn url_that_metriport_refuses_is_refused_with_the_reason() {
        for (bad, part) in [
            ("https://abc.execute-api.us-west-1.amazonaws.com/v1", "amazonaws.com"),
            ("https://abc.execute-api.us-west-1.AmazonAWS.com/v1", "amazonaws.com"),
            ("https://health.example.org/internal/hook", "/internal"),
            ("https://stage0000.example.org/", "0000"),
            ("https://health.example.org:10000/", "0000"),
            ("https://localhost/v1", "localhost"),
            ("https://api.localhost/v1", "localhost"),
            ("https://127.0.0.1/v1", "127.0.0."),
            ("https://2130706433/v1", "127.0.0."),
            ("https://0x7f.1/v1", "127.0.0."),
            ("https://[::1]/v1", "[::1]"),
            ("https://[::]/v1", "[::]"),
            ("https://169.254.169.254/latest", "169.254.169.254"),
            ("https://app.lvh.me/v1", "lvh.me"),
            ("https://127.1.example.org/v1", "127.1"),
        ] {
            match webhook_url_problem(bad) {
                Some(WebhookUrlProblem::Refused { text, .. }) => assert_eq!(text, part, "{bad}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
        let long = format!("https://health.example.org/{}", "a".repeat(CHARS_MAX));
        for (bad, problem) in [
            ("", WebhookUrlProblem::NotAUrl),
            ("health.example.org/v1", WebhookUrlProblem::NotAUrl),
            ("mailto:a@example.org", WebhookUrlProblem::NotAUrl),
            (&long, WebhookUrlProblem::TooLong),
            ("http://health.example.org/v1", WebhookUrlProblem::NotHttps),
            ("wss://health.example.org/v1", WebhookUrlProblem::NotHttps),
            ("https://user:word@health.example.org/v1", WebhookUrlProblem::Decorated),
            ("https://health.example.org/v1#top", WebhookUrlProblem::Decorated),
        ] {
            assert_eq!(webhook_url_problem(bad), Some(problem), "{bad}");
        }
        let problem = webhook_url_problem("https://a.amazonaws.com/").map(|problem| problem.to_string());
        assert!(problem.is_some_and(|text| text.contains("put a domain of your own in front")));
    }

    #[test]
    fn refused_texts_do_not_contain_each_other() {
        for (index, (part, _)) in REFUSED.iter().enumerate() {
            assert_eq!(*part, part.to_lowercase());
            let others = REFUSED.iter().enumerate().filter(|(other, _)| *other != index);
            assert!(
                !others.into_iter().any(|(_, (other, _))| part.contains(other)),
                "{part}"
            );
        }
    }
}
