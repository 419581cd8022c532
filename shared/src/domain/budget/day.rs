//! The calls of a day. Metriport's gateway counts all calls with an API key together, whatever their kind.

use crate::domain::Time;

const DAY_MS: i64 = 86_400_000;

/// The part of the day's quota that a kind of call may use. Calls that can wait stop first, and calls that a person
/// waits for stop last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// Status reads, checks for failed webhook deliveries, and requests for replays. Webhooks usually report the same
    /// as a status read.
    Status,
    /// Starts of queries for pulls and records that are accepted, or will be accepted if the quota allows it.
    Start,
    /// Calls that a person waits for.
    Person,
}

impl Share {
    /// The highest count of the day that a call may reach: 80 %, 90 % or all of the quota, and at least 1.
    #[must_use]
    pub fn of(self, quota: u32) -> u32 {
        let percent = match self {
            Self::Status => 80,
            Self::Start => 90,
            Self::Person => 100,
        };
        u32::try_from(u64::from(quota) * percent / 100).unwrap_or(quota).max(1)
    }
}

/// The used part of the quota in whole percent, if `calls` is the first count that reaches this percentage. Each
/// percent is reported once, and so is the first call of a day.
#[must_use]
pub fn new_percent(calls: u32, quota: u32) -> Option<u32> {
    let percent = |calls: u32| u64::from(calls) * 100 / u64::from(quota.max(1));
    let is_news = calls == 1 || percent(calls) != percent(calls.saturating_sub(1));
    u32::try_from(percent(calls)).ok().filter(|_| is_news)
}

/// The beginning of the next day in UTC. The gateway's own day is not documented; AWS usage plans count by days in UTC.
#[must_use]
pub const fn midnight_after(now: Time) -> Time {
    Time::from_millis((now.millis().div_euclid(DAY_MS) + 1) * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_reads_stop_before_starts_and_personal_calls() {
        assert_eq!(
            [Share::Status, Share::Start, Share::Person].map(|share| share.of(500)),
            [400, 450, 500]
        );
        assert_eq!(Share::Status.of(1), 1);
        assert_eq!(Share::Person.of(u32::MAX), u32::MAX);
    }

    #[test]
    fn each_percent_of_the_quota_is_reported_once() {
        let percents = |quota: u32| {
            (1..=quota)
                .filter_map(|calls| new_percent(calls, quota))
                .collect::<Vec<_>>()
        };
        for quota in [500, 10_000, 999] {
            assert_eq!(percents(quota), (0..=100).collect::<Vec<_>>(), "quota {quota}");
        }
        assert_eq!(percents(4), [25, 50, 75, 100]);
        assert_eq!(
            (new_percent(1, 0), new_percent(u32::MAX, u32::MAX)),
            (Some(100), Some(100))
        );
    }

    #[test]
    fn day_ends_at_midnight_in_utc() {
        let time = |text: &str| Time::parse(text).unwrap();
        assert_eq!(
            midnight_after(time("2026-11-22T23:59:59.999Z")),
            time("2026-11-23T00:00:00Z")
        );
        assert_eq!(
            midnight_after(time("2026-11-22T00:00:00Z")),
            time("2026-11-23T00:00:00Z")
        );
    }
}
