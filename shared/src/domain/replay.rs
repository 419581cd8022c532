//! When to ask Metriport about failed deliveries, and when to request a replay.
//!
//! Metriport delivers each webhook once and keeps failed ones. It sends all failed ones again if we request a replay
//! (docs.metriport.com, page `getting-started/webhooks`). A check costs a call of the day's quota, and a replay does
//! not help if its deliveries fail again. While the count of failed deliveries does not fall, replays become rarer,
//! down to one an hour. After five replays in a row that did not help, an alarm informs the operator.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Time, Timing};

/// Part of the day's quota that the checks may use: one call in five.
const QUOTA_SHARE: u32 = 5;
const DAY: Duration = Duration::from_secs(86_400);
/// Shortest gap between two checks, however large the quota is.
const CHECK_GAP_MIN: Duration = Duration::from_secs(120);
const GAP_MAX: Duration = Duration::from_secs(3600);

/// The state between two checks. The table has one such row for the whole deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replays {
    /// When to check again.
    #[serde(default)]
    pub check_at: Time,
    /// Failed deliveries at the last check.
    #[serde(default)]
    pub failed: u64,
    /// Replays in a row that did not help.
    #[serde(default)]
    pub futile: u32,
    /// Counts every write.
    #[serde(default)]
    pub version: u64,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayVerdict {
    /// No delivery has failed.
    Healthy,
    /// Request a replay.
    Replay,
    /// Request a replay and raise the alarm, because at least five replays in a row did not help.
    ReplayAndAlarm,
}

impl Replays {
    /// The row that claims a check; `None` if no check is due. The caller writes the row before the check, so that only
    /// one of several processes checks.
    #[must_use]
    pub fn claim(&self, now: Time, timing: Timing, daily_quota: u32) -> Option<Self> {
        if now < self.check_at {
            return None;
        }
        let check_at = now.plus(self.gap(timing, daily_quota));
        Some(Self {
            check_at,
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// Applies the number of failed deliveries that a check found.
    #[must_use]
    pub fn apply_failed_count(&self, failed: u64) -> (Self, ReplayVerdict) {
        let version = self.version + 1;
        if failed == 0 {
            return (
                Self {
                    failed,
                    futile: 0,
                    version,
                    ..self.clone()
                },
                ReplayVerdict::Healthy,
            );
        }
        let helped = self.failed == 0 || failed < self.failed;
        let futile = if helped { 0 } else { self.futile.saturating_add(1) };
        let next = Self {
            failed,
            futile,
            version,
            ..self.clone()
        };
        let exhausted = next.raw_gap(CHECK_GAP_MIN) >= GAP_MAX;
        (
            next,
            if exhausted {
                ReplayVerdict::ReplayAndAlarm
            } else {
                ReplayVerdict::Replay
            },
        )
    }

    fn gap(&self, timing: Timing, daily_quota: u32) -> Duration {
        let by_quota = DAY * QUOTA_SHARE / daily_quota.max(1);
        timing.of(self.raw_gap(by_quota.clamp(CHECK_GAP_MIN, GAP_MAX)))
    }

    /// Doubles the gap for every replay in a row that did not help.
    fn raw_gap(&self, base: Duration) -> Duration {
        base.saturating_mul(1 << self.futile.min(10)).min(GAP_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Time = Time::from_millis(1_000_000);

    #[test]
    fn checks_stay_within_their_part_of_the_quota() {
        for (quota, expected) in [(500, 864), (10_000, 120), (1, 3600), (0, 3600)] {
            let claimed = Replays::default().claim(T0, Timing::default(), quota).unwrap();
            assert_eq!(
                T0.until(claimed.check_at),
                Duration::from_secs(expected),
                "quota {quota}"
            );
            assert_eq!(claimed.claim(T0, Timing::default(), quota), None);
        }
    }

    #[test]
    fn futile_replays_become_rare_and_raise_the_alarm() {
        let (mut row, verdict) = Replays::default().apply_failed_count(3);
        assert_eq!(verdict, ReplayVerdict::Replay);
        let mut gaps = Vec::new();
        let mut verdicts = Vec::new();
        for _ in 0..7 {
            let (next, verdict) = row.apply_failed_count(3);
            row = next;
            verdicts.push(verdict);
            gaps.push(row.gap(Timing::default(), 10_000).as_secs());
        }
        assert_eq!(gaps, [240, 480, 960, 1920, 3600, 3600, 3600]);
        assert_eq!(
            verdicts
                .iter()
                .filter(|verdict| **verdict == ReplayVerdict::ReplayAndAlarm)
                .count(),
            3
        );
        let (helped, verdict) = row.apply_failed_count(2);
        assert_eq!((helped.futile, verdict), (0, ReplayVerdict::Replay));
        assert_eq!(helped.apply_failed_count(0).1, ReplayVerdict::Healthy);
    }
}
