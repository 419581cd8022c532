//! The template's throttles, as token buckets (docs.aws.amazon.com, "Throttle requests to your HTTP APIs").

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::template::{HttpApi, Throttle};

/// The buckets of one API: one for each route with its own settings, and one for all other routes together. AWS does
/// not document whether the default settings count per route. One bucket for these routes is the stricter reading.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    default: Option<Bucket>,
    routes: BTreeMap<String, Bucket>,
}

impl Buckets {
    pub(super) fn new(api: &HttpApi, now_ms: u64) -> Self {
        let full = |throttle: &Throttle| Bucket::full(*throttle, now_ms);
        Self {
            default: api.default_throttle.as_ref().map(full),
            routes: api
                .throttles
                .iter()
                .map(|(key, throttle)| (key.clone(), full(throttle)))
                .collect(),
        }
    }

    /// Whether the route admits a request now. An admitted request takes a token.
    pub(super) fn admit(&self, route_key: &str, now_ms: u64) -> bool {
        let bucket = self.routes.get(route_key).or(self.default.as_ref());
        bucket.is_none_or(|bucket| bucket.take(now_ms))
    }
}

#[derive(Debug)]
struct Bucket {
    throttle: Throttle,
    level: Mutex<Level>,
}

/// The content of a bucket. It counts thousandths of a token, so that tokens per second equal thousandths per
/// millisecond.
#[derive(Debug, Clone, Copy)]
struct Level {
    milli_tokens: u64,
    at_ms: u64,
}

const TOKEN: u64 = 1000;

impl Bucket {
    fn full(throttle: Throttle, now_ms: u64) -> Self {
        let milli_tokens = throttle.burst.saturating_mul(TOKEN);
        let level = Mutex::new(Level {
            milli_tokens,
            at_ms: now_ms,
        });
        Self { throttle, level }
    }

    fn take(&self, now_ms: u64) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now_ms
            .saturating_sub(level.at_ms)
            .saturating_mul(self.throttle.rate_per_sec);
        let filled = level.milli_tokens.saturating_add(gained);
        let milli_tokens = filled.min(self.throttle.burst.saturating_mul(TOKEN));
        let admitted = milli_tokens >= TOKEN;
        // If the clock was set back, the bucket gains nothing until the clock passes `at_ms` again.
        *level = Level {
            milli_tokens: milli_tokens - if admitted { TOKEN } else { 0 },
            at_ms: level.at_ms.max(now_ms),
        };
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets() -> Buckets {
        let throttle = |rate_per_sec, burst| Throttle { rate_per_sec, burst };
        let api = HttpApi {
            default_throttle: Some(throttle(2, 3)),
            throttles: [("POST /hook".to_owned(), throttle(10, 1))].into(),
            ..HttpApi::default()
        };
        Buckets::new(&api, 0)
    }

    fn admitted(buckets: &Buckets, route: &str, tries: usize, now_ms: u64) -> usize {
        (0..tries).filter(|_| buckets.admit(route, now_ms)).count()
    }

    #[test]
    fn burst_is_admitted_and_then_the_rate() {
        let buckets = buckets();
        assert_eq!(admitted(&buckets, "GET /a", 5, 0), 3);
        assert_eq!(
            admitted(&buckets, "GET /b", 5, 499),
            0,
            "routes without settings share a bucket"
        );
        assert_eq!(admitted(&buckets, "GET /a", 5, 500), 1);
        assert_eq!(
            admitted(&buckets, "GET /a", 9, 3_600_000),
            3,
            "a bucket holds no more than its burst"
        );
    }

    #[test]
    fn scaled_time_raises_the_rate_and_keeps_the_burst() {
        let throttle = Throttle {
            rate_per_sec: 2,
            burst: 3,
        };
        let api = HttpApi {
            default_throttle: Some(throttle),
            throttles: [("POST /hook".to_owned(), throttle)].into(),
            ..HttpApi::default()
        };
        let buckets = Buckets::new(&api.in_scaled_time(4), 0);
        for route in ["GET /a", "POST /hook"] {
            assert_eq!(admitted(&buckets, route, 5, 0), 3);
            assert_eq!(admitted(&buckets, route, 5, 250), 2);
            assert_eq!(admitted(&buckets, route, 5, 3_600_000), 3);
        }
    }

    #[test]
    fn route_with_its_own_settings_has_its_own_bucket() {
        let buckets = buckets();
        assert_eq!(admitted(&buckets, "GET /a", 5, 0), 3);
        assert_eq!(admitted(&buckets, "POST /hook", 5, 0), 1);
        assert_eq!(admitted(&buckets, "POST /hook", 5, 100), 1);
    }

    #[test]
    fn clock_that_is_set_back_adds_zero_tokens() {
        let buckets = buckets();
        assert_eq!(admitted(&buckets, "GET /a", 5, 1000), 3);
        assert_eq!(admitted(&buckets, "GET /a", 5, 0), 0);
        assert_eq!(admitted(&buckets, "GET /a", 5, 1000), 0);
    }

    #[test]
    fn api_without_settings_is_never_throttled() {
        let buckets = Buckets::new(&HttpApi::default(), 0);
        assert_eq!(admitted(&buckets, "GET /a", 1000, 0), 1000);
    }
}
