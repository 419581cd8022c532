//! The calls of a day. Metriport's gateway counts all calls of a key alike, whatever they ask for.

use crate::domain::Time;

const DAY_MS: i64 = 86_400_000;

/// How far into the day's quota a call may go: what can wait stops first, what a person waits for stops last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// Reads of a status: webhooks bring the same.
    Status,
    /// Starts of queries that were accepted or are about to be.
    Start,
    /// Calls that a person waits for.
    Person,
}

impl Share {
    /// How many calls may have been made that day when this one is made, at most: 80 %, 90 % or all of the quota, and
    /// always one.
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

/// How much of the quota is used, in whole percent, if `calls` is the count with which that is first so: each percent
/// is told once, and so is the first call of a day.
#[must_use]
pub fn new_percent(calls: u32, quota: u32) -> Option<u32> {
    let percent = |calls: u32| u64::from(calls) * 100 / u64::from(quota.max(1));
    let is_news = calls == 1 || percent(calls) != percent(calls.saturating_sub(1));
    u32::try_from(percent(calls)).ok().filter(|_| is_news)
}

/// The beginning of the next day, in UTC. When the gateway's own day begins is not documented; AWS usage plans count by
/// days in UTC.
#[must_use]
pub const fn midnight_after(now: Time) -> Time {
    Time::from_millis((now.millis().div_euclid(DAY_MS) + 1) * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_wait_stops_first() {
        assert_eq!(
            [Share::Status, Share::Start, Share::Person].map(|share| share.of(500)),
            [400, 450, 500]
        );
        assert_eq!(Share::Status.of(1), 1);
        assert_eq!(Share::Person.of(u32::MAX), u32::MAX);
    }

    #[test]
    fn each_percent_is_told_once() {
        let told = |quota: u32| {
            (1..=quota)
                .filter_map(|calls| new_percent(calls, quota))
                .collect::<Vec<_>>()
        };
        for quota in [500, 10_000, 999] {
            assert_eq!(told(quota), (0..=100).collect::<Vec<_>>(), "quota {quota}");
        }
        assert_eq!(told(4), [25, 50, 75, 100]);
        assert_eq!(
            (new_percent(1, 0), new_percent(u32::MAX, u32::MAX)),
            (Some(100), Some(100))
        );
    }

    #[test]
    fn a_day_ends_at_midnight() {
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
