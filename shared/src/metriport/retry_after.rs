//! The wait that a 429 asks for.
//!
//! Metriport's limiter sends `Retry-After` in seconds, and `RateLimit-Reset` on every answer; gateways in between may
//! send `Retry-After` as a date. The date is compared with the answer's own `Date`, so that our clock plays no part.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The requested wait, at most a day; `None` if the answer does not name one.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let requested = text(RETRY_AFTER.as_str());
    requested
        .and_then(seconds)
        .or_else(|| until(text(DATE.as_str())?, requested?))
        .or_else(|| seconds(text("ratelimit-reset")?))
        .map(|wait| wait.min(WAIT_MAX))
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

fn until(now: &str, then: &str) -> Option<Duration> {
    let wait = instant(then)?.duration_since(instant(now)?);
    Some(Duration::try_from(wait).unwrap_or_default())
}

fn instant(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn wait(pairs: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        retry_after(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn wait_is_read_from_seconds_dates_and_ratelimit_reset() {
        let date = ("date", "Sun, 22 Nov 2026 10:00:00 GMT");
        assert_eq!(wait(&[("retry-after", "37")]), Some(37));
        assert_eq!(wait(&[("retry-after", "37"), ("ratelimit-reset", "12")]), Some(37));
        assert_eq!(wait(&[("ratelimit-reset", "12")]), Some(12));
        assert_eq!(
            wait(&[date, ("retry-after", "Sun, 22 Nov 2026 10:00:45 GMT")]),
            Some(45)
        );
        assert_eq!(wait(&[date, ("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT")]), Some(0));
    }

    #[test]
    fn unreadable_wait_is_ignored_and_long_wait_is_cut_to_a_day() {
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "-5")]), None);
        assert_eq!(wait(&[("retry-after", "Sun, 22 Nov 2026 10:00:45 GMT")]), None);
        assert_eq!(wait(&[("retry-after", "99999999")]), Some(86_400));
    }
}
