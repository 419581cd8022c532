//! A retention check: which of a person's records have ended, and when the next check is due.
//!
//! A record that a check finds kept or unfinished cannot end within the retention days after the check. So the next
//! check is due after these days, or earlier at the end of another record.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::Time;
use crate::domain::consent::ConsentRule;
use crate::domain::person_root::PersonRoot;
use crate::domain::record::Record;

const DAY: Duration = Duration::from_secs(86_400);
/// How long after its claim a check that broke off is repeated. This is longer than its function can run.
const REPEAT_AFTER: Duration = Duration::from_secs(3600);

/// When a person's records are checked next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionCheck {
    /// The time.
    pub due_at: Time,
    /// Counts the writes since the patient last changed.
    pub version: u64,
}

impl RetentionCheck {
    /// The check a day after a change of a linked patient.
    #[must_use]
    pub fn first(now: Time) -> Self {
        Self {
            due_at: now.plus(DAY),
            version: 1,
        }
    }

    /// Claims the check, so that a duplicate of its message is stale. `None` if it is not due.
    #[must_use]
    pub fn claim(&self, now: Time) -> Option<Self> {
        (self.due_at <= now).then(|| self.finish(now.plus(REPEAT_AFTER)))
    }

    /// Sets the time of the next check.
    #[must_use]
    pub const fn finish(&self, next: Time) -> Self {
        Self {
            due_at: next,
            version: self.version + 1,
        }
    }
}

/// The rule by which a deployment keeps records.
#[derive(Debug, Clone, Copy)]
pub struct RetentionRule<'a> {
    /// The rule by which it asks for consent.
    pub consent: &'a ConsentRule,
    /// Days for which a record stays without consent to `keep`.
    pub days: u32,
}

impl RetentionRule<'_> {
    /// Whether the record is to be deleted. A quarantined record stays, because the operator needs it as evidence.
    #[must_use]
    pub fn ends(self, record: &Record, root: &PersonRoot, now: Time) -> bool {
        let end = root.kept_until(record, self.consent, self.days);
        !root.bars_deletion() && !root.hides(record) && end.is_some_and(|end| end <= now)
    }

    /// When the next check is due, after one that left these records.
    #[must_use]
    pub fn next_check(self, left: &[Record], root: &PersonRoot, now: Time) -> Time {
        let tomorrow = now.plus(DAY);
        if root.bars_deletion() {
            return tomorrow;
        }
        let ends = left
            .iter()
            .filter_map(|record| root.kept_until(record, self.consent, self.days));
        // Only a quarantined record is left after its end.
        let checks = ends.map(|end| if end <= now { tomorrow } else { end });
        checks.fold(now.plus(DAY * self.days), Time::min)
    }
}

impl PersonRoot {
    /// Whether a check deletes nothing: the data are on legal hold, or an erasure deletes them.
    #[must_use]
    pub const fn bars_deletion(&self) -> bool {
        self.held_since.is_some() || self.erasure.is_some()
    }
}
