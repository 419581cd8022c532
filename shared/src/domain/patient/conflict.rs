//! Link conflicts: why a person is not linked to a patient, and how often this happened to them.
//!
//! A refused link shows that Metriport has a similar patient who is another person. A caller who tries other persons'
//! demographics could thus learn who is a patient of this account. After a few refusals, every link of the caller is
//! therefore refused without a check.

use serde::{Deserialize, Serialize};

use crate::domain::{Time, Timing};

/// Number of refusals within [`Timing::refusal_window`] after which every link is refused without a check.
pub const REFUSALS_MAX: usize = 5;

/// Why a person is not linked. The operator sees the reason. The caller does not see it, because it may reveal
/// something about another person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkConflict {
    /// The token has another external id than the person's link.
    ExternalIdChanged,
    /// The patient is linked to another person, or another person has claimed it.
    PatientOwned,
    /// Metriport returned a patient that carries another external id.
    PatientForeign,
    /// [`REFUSALS_MAX`] links were refused within the window, so nothing was checked.
    RefusedTooOften,
}

impl LinkConflict {
    /// The code for the log and the metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExternalIdChanged => "external_id_changed",
            Self::PatientOwned => "patient_owned",
            Self::PatientForeign => "patient_foreign",
            Self::RefusedTooOften => "refused_too_often",
        }
    }
}

/// The times at which a person's last links were refused, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkRefusals(Vec<Time>);

impl LinkRefusals {
    /// Whether no refusal is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time until which every link is refused without a check; `None` if the next link is checked.
    #[must_use]
    pub fn until(&self, now: Time, timing: Timing) -> Option<Time> {
        let mut recent = self.recent(now, timing);
        let oldest = recent.next()?;
        (recent.count() + 1 >= REFUSALS_MAX).then(|| oldest.plus(timing.refusal_window()))
    }

    /// Adds a refusal at `now`, and drops the refusals that no longer count.
    #[must_use]
    pub fn with(&self, now: Time, timing: Timing) -> Self {
        let recent: Vec<Time> = self.recent(now, timing).chain([now]).collect();
        let spare = recent.len().saturating_sub(REFUSALS_MAX);
        Self(recent.into_iter().skip(spare).collect())
    }

    fn recent(&self, now: Time, timing: Timing) -> impl Iterator<Item = Time> {
        let window = timing.refusal_window();
        self.0.iter().copied().filter(move |at| now < at.plus(window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn refused_at(times: &[i64]) -> LinkRefusals {
        let add = |refusals: LinkRefusals, at: &i64| refusals.with(Time::from_millis(*at), Timing::default());
        times.iter().fold(LinkRefusals::default(), add)
    }

    #[test]
    fn fifth_refusal_in_an_hour_blocks_until_the_first_expires() {
        for (times, now, until) in [
            (&[][..], 0, None),
            (&[0, 1, 2, 3], 3, None),
            (&[0, 1, 2, 3, 4], 4, Some(HOUR_MS)),
            (&[0, 1, 2, 3, 4], HOUR_MS - 1, Some(HOUR_MS)),
            (&[0, 1, 2, 3, 4], HOUR_MS, None),
            // The refusals expire one by one.
            (&[0, 1, 2, 3, 4, HOUR_MS], HOUR_MS, Some(HOUR_MS + 1)),
            (&[0, 1, 2, 3, HOUR_MS], HOUR_MS, None),
            // Several refusals at the same time, and more than `REFUSALS_MAX`.
            (&[5, 5, 5, 5, 5, 5, 6], 6, Some(5 + HOUR_MS)),
        ] {
            let refusals = refused_at(times);
            let found = refusals.until(Time::from_millis(now), Timing::default());
            assert_eq!(found, until.map(Time::from_millis), "{times:?} at {now}");
            assert!(refusals.0.len() <= REFUSALS_MAX, "{refusals:?}");
        }
    }

    #[test]
    fn refusals_are_stored_only_as_times() {
        let stored = serde_json::to_value(refused_at(&[1_000])).unwrap();
        assert_eq!(stored, serde_json::json!([1_000]));
    }

    #[test]
    fn codes_of_conflicts_are_distinct() {
        let all = [
            LinkConflict::ExternalIdChanged,
            LinkConflict::PatientOwned,
            LinkConflict::PatientForeign,
            LinkConflict::RefusedTooOften,
        ];
        let codes: std::collections::BTreeSet<_> = all.map(LinkConflict::as_str).into();
        assert_eq!(codes.len(), all.len());
    }
}
