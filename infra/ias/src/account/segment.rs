//! The secret segment before the webhook's path, if the stack has one. It is read from a variable and never printed.

use sandbox_machine::sandbox::WEBHOOK_PATH;
use shared::config::Env;
use url::Url;

const SEGMENT: &str = "WEBHOOK_SEGMENT";

/// The text between an API's base URL and its webhook's path: a slash and the segment, or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment(String);

impl Segment {
    /// Reads a webhook URL of the API at `base`; `None` for any other URL.
    pub(super) fn between(base: &str, webhook: &str) -> Option<Self> {
        let between = webhook.strip_prefix(base)?.strip_suffix(WEBHOOK_PATH)?;
        let is_segment = between
            .strip_prefix('/')
            .is_some_and(|name| !name.is_empty() && !name.contains('/'));
        (between.is_empty() || is_segment).then(|| Self(between.to_owned()))
    }

    pub(super) fn is_secret(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn before(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// A webhook URL with its segment hidden.
pub(super) fn shown(url: &str) -> String {
    let origin = Url::parse(url).map(|url| url.origin().ascii_serialization());
    match origin
        .ok()
        .and_then(|origin| Some((Segment::between(&origin, url)?, origin)))
    {
        Some((segment, origin)) if segment.is_secret() => format!("{origin}/…{WEBHOOK_PATH}"),
        _ => url.to_owned(),
    }
}

/// Inserts the segment of the variable `WEBHOOK_SEGMENT`, if it is set, before the webhook's path. The URL must then
/// end with that path.
pub(super) fn with_segment(url: &str) -> Result<String, String> {
    joined(url, Env::of_process().optional(SEGMENT))
}

fn joined(url: &str, segment: Option<&str>) -> Result<String, String> {
    let Some(segment) = segment else {
        return Ok(url.to_owned());
    };
    let base = url
        .strip_suffix(WEBHOOK_PATH)
        .ok_or_else(|| format!("--url must end with {WEBHOOK_PATH} if {SEGMENT} is set"))?;
    Ok(format!("{base}/{}{WEBHOOK_PATH}", segment.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_precedes_the_path_and_is_hidden() {
        let url = "https://health.example.org/v1/webhooks/metriport";
        let secret = joined(url, Some("8f14e45f\n")).unwrap();
        assert_eq!(secret, "https://health.example.org/8f14e45f/v1/webhooks/metriport");
        assert_eq!(joined(url, None).unwrap(), url);
        assert!(joined("https://health.example.org/hook", Some("8f14e45f")).is_err());
        assert_eq!(shown(&secret), "https://health.example.org/…/v1/webhooks/metriport");
        for plain in [
            url,
            "https://health.example.org/hook",
            "http://127.0.0.1:1/a/b/v1/webhooks/metriport",
        ] {
            assert_eq!(shown(plain), plain);
        }
        let segment = |url: &str| Segment::between("https://health.example.org", url);
        assert!(segment(&secret).unwrap().is_secret() && !segment(url).unwrap().is_secret());
        assert_eq!(segment("https://health.example.org/a/b/v1/webhooks/metriport"), None);
        assert_eq!(
            segment("https://health.example.org.evil.test/v1/webhooks/metriport"),
            None
        );
    }
}
