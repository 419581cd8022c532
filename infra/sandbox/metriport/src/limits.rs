//! Per-minute limits (docs.metriport.com, page `more-info/limits`) and the gateway's daily quota.
//!
//! A window is fixed and lasts one minute, divided by the time scale. Its start depends on the seed, to expose a caller
//! that assumes that its own first call opens the window. Refused calls count too, as in express-rate-limit.

use std::collections::BTreeMap;

use sandbox_fhir::Source;

use crate::ids::Ids;
use crate::moment::Moment;

const WINDOW_MS: i64 = 60_000;

/// Calls per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMinute {
    /// Patient create and update.
    pub patient: u32,
    /// Identity sessions and AAL2 challenges. Metriport does not document this limit; 15 is a careful guess.
    pub identity: u32,
    /// Network query starts, in total and for each source.
    pub query: u32,
    /// Consolidated query starts.
    pub consolidated: u32,
}

impl Default for PerMinute {
    fn default() -> Self {
        Self {
            patient: 15,
            identity: 15,
            query: 20,
            consolidated: 120,
        }
    }
}

/// Calls that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Budget {
    PatientWrites,
    /// Identity sessions and AAL2 challenges.
    Identity,
    /// Network query starts, in total.
    QueryStarts,
    ConsolidatedStarts,
    /// Network query starts of one source.
    PerSource(Source),
}

impl Budget {
    const ALL: [Self; 7] = [
        Self::PatientWrites,
        Self::Identity,
        Self::QueryStarts,
        Self::ConsolidatedStarts,
        Self::PerSource(Source::Hie),
        Self::PerSource(Source::Pharmacy),
        Self::PerSource(Source::Lab),
    ];

    const fn of(self, limits: PerMinute) -> u32 {
        match self {
            Self::PatientWrites => limits.patient,
            Self::Identity => limits.identity,
            Self::QueryStarts | Self::PerSource(_) => limits.query,
            Self::ConsolidatedStarts => limits.consolidated,
        }
    }
}

/// The state of the window after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) allowed: bool,
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds until the next window, rounded up.
    pub(crate) reset_secs: i64,
}

pub(crate) struct Limits {
    offsets_ms: BTreeMap<Budget, i64>,
    windows: BTreeMap<Budget, (i64, u32)>,
    day: (jiff::civil::Date, u32),
    per_minute: PerMinute,
    window_ms: i64,
}

impl Limits {
    pub(crate) fn new(ids: &mut Ids, per_minute: PerMinute, time_scale: u32) -> Self {
        let mut offset = |budget| (budget, i64::try_from(ids.below(60_000)).unwrap_or(0));
        Self {
            per_minute,
            window_ms: (WINDOW_MS / i64::from(time_scale.max(1))).max(1),
            offsets_ms: Budget::ALL.into_iter().map(&mut offset).collect(),
            windows: BTreeMap::new(),
            day: (jiff::civil::Date::default(), 0),
        }
    }

    pub(crate) fn spend(&mut self, budget: Budget, now: Moment) -> Spent {
        let since = now.millis() - self.offsets_ms.get(&budget).copied().unwrap_or(0);
        let (window, into_window) = (since.div_euclid(self.window_ms), since.rem_euclid(self.window_ms));
        let counter = self.windows.entry(budget).or_insert((window, 0));
        if counter.0 != window {
            *counter = (window, 0);
        }
        counter.1 += 1;
        let limit = budget.of(self.per_minute);
        Spent {
            allowed: counter.1 <= limit,
            limit,
            remaining: limit.saturating_sub(counter.1),
            reset_secs: (self.window_ms - into_window + 999) / 1000,
        }
    }

    /// Counts one call against the day; `false` if the day's quota is used up.
    pub(crate) fn spend_day(&mut self, quota: Option<u32>, now: Moment) -> bool {
        let today = now.date();
        if self.day.0 != today {
            self.day = (today, 0);
        }
        self.day.1 = self.day.1.saturating_add(1);
        quota.is_none_or(|quota| self.day.1 <= quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Moment = Moment::from_millis(1_795_345_402_005);

    #[test]
    fn window_is_fixed_and_reopens_at_its_reset() {
        let mut limits = Limits::new(&mut Ids::new(3), PerMinute::default(), 1);
        let mut last = limits.spend(Budget::PatientWrites, START);
        for _ in 1..15 {
            last = limits.spend(Budget::PatientWrites, START);
        }
        assert!(last.allowed && last.remaining == 0);
        let refused = limits.spend(Budget::PatientWrites, START);
        assert!(!refused.allowed);
        let reset = Duration::from_secs(u64::try_from(refused.reset_secs).unwrap());
        assert!(limits.spend(Budget::PatientWrites, START.plus(reset)).allowed);
    }

    #[test]
    fn windows_start_at_different_moments() {
        let mut limits = Limits::new(&mut Ids::new(3), PerMinute::default(), 1);
        let resets: std::collections::BTreeSet<_> = Budget::ALL
            .into_iter()
            .map(|budget| limits.spend(budget, START).reset_secs)
            .collect();
        assert!(resets.len() > 3, "{resets:?}");
    }

    #[test]
    fn daily_quota_is_used_up_and_renewed_the_next_day() {
        let mut limits = Limits::new(&mut Ids::new(3), PerMinute::default(), 1);
        assert!(limits.spend_day(Some(1), START));
        assert!(!limits.spend_day(Some(1), START));
        assert!(limits.spend_day(Some(1), START.plus(Duration::from_secs(86_400))));
    }

    #[test]
    fn time_scale_shrinks_windows_and_limits_are_options() {
        let per_minute = PerMinute {
            query: 2,
            ..PerMinute::default()
        };
        let mut limits = Limits::new(&mut Ids::new(3), per_minute, 60);
        let second = limits.spend(Budget::QueryStarts, START).reset_secs;
        assert_eq!(second, 1);
        assert!(limits.spend(Budget::QueryStarts, START).limit == 2);
        assert!(
            limits
                .spend(Budget::QueryStarts, START.plus(Duration::from_secs(1)))
                .allowed
        );
    }
}
