//! A withdrawal of consent, which ends all open work of a person.
//!
//! One transaction ends the work by the versions that were read. Its size is limited, so a withdrawal of much work
//! consists of several transactions. Work that no transaction ends makes no further call, because its grant has ended.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::domain::challenge::ChallengeSlot;
use crate::domain::identity::Identity;
use crate::domain::person_root::PersonRoot;
use crate::domain::pull::{Change, Pull, PullEvent, PullState};
use crate::domain::record::{OpenRecords, Record, RecordChange, RecordEvent, RecordReason};
use crate::domain::{PatientId, RecordId, Time, Timing};

/// Maximum number of pulls that one transaction ends. A pull takes up to four items: itself, its timeline, its lock,
/// and the access log.
pub const WITHDRAWN_PULLS_MAX: usize = 15;
/// Maximum number of records that one transaction ends. A record takes up to two items: itself and its lock.
pub const WITHDRAWN_RECORDS_MAX: usize = 16;

/// A person's items that a withdrawal may change, as they were read.
#[derive(Debug, Clone, Default)]
pub struct OpenWork {
    /// The root.
    pub root: PersonRoot,
    /// The challenge.
    pub challenge: ChallengeSlot,
    /// The identity.
    pub identity: Identity,
    /// The list of the records that the person asked for.
    pub open_records: OpenRecords,
    /// The newest pulls, in any state, newest first.
    pub pulls: Vec<Pull>,
    /// All records, in any state, newest first.
    pub records: Vec<Record>,
}

/// The changes of one transaction of a withdrawal.
#[derive(Debug, Clone)]
pub struct Withdrawal {
    /// The root without the consent; `None` if an earlier transaction of the same withdrawal wrote it.
    pub root: Option<PersonRoot>,
    /// The challenge slot, with neither a pending challenge nor a held session.
    pub challenge: ChallengeSlot,
    /// The identity without hosted sessions. `None` if it has none.
    pub identity: Option<Identity>,
    /// The withdrawn pulls. At most one of a patient releases the patient's lock.
    pub pulls: Vec<Change>,
    /// The failed records. At most one of a patient releases the patient's lock or shortens it.
    pub records: Vec<RecordChange>,
}

/// The number of pulls and records that the last withdrawal ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndedWork {
    /// The pulls.
    pub pulls: usize,
    /// The records.
    pub records: usize,
}

/// Withdraws the consent and ends open work. `None` if the consent was withdrawn before and no work is open.
///
/// If the app keeps the consents, a withdrawal ends the work that was accepted since the last withdrawal.
#[must_use]
pub fn withdraw(open: &OpenWork, now: Time, timing: Timing) -> Option<Withdrawal> {
    // This withdrawal was written, and the person has consented again since then. Work of the new grant goes on.
    if open.root.withdrawn_at == Some(now) && open.root.consent.is_some() {
        return None;
    }
    let identity = open.identity.drop_sessions();
    let pulls = withdrawn_pulls(&open.pulls, now, timing);
    let records = failed_records(&open.records, now, timing);
    let root = open.root.withdraw(now);
    let is_over = open.challenge.is_clear() && identity.is_none() && pulls.is_empty() && records.is_empty();
    if root.is_none() && is_over {
        return None;
    }
    // If the stored withdrawal has the time `now`, it is this one, which needs further transactions. Otherwise the open
    // work was accepted after it.
    let again = (open.root.withdrawn_at != Some(now)).then(|| PersonRoot {
        // Work of an app that keeps the consents began under this grant.
        grant: open.root.grant + 1,
        withdrawn_at: Some(now),
        version: open.root.version + 1,
        ..open.root.clone()
    });
    Some(Withdrawal {
        root: root.or(again),
        challenge: open.challenge.clone().clear(),
        identity,
        pulls,
        records,
    })
}

impl OpenWork {
    /// The pulls and records that the last withdrawal ended, among those that were read.
    #[must_use]
    pub fn ended(&self) -> EndedWork {
        let at = self.root.withdrawn_at;
        let pulls = self.pulls.iter().filter(|pull| pull.state == PullState::Withdrawn);
        let withdrawn = Some(RecordReason::ConsentWithdrawn);
        let records = self.records.iter().filter(|record| record.reason == withdrawn);
        EndedWork {
            pulls: pulls.filter(|pull| pull.ended_at == at).count(),
            records: records.filter(|record| record.ended_at == at).count(),
        }
    }
}

/// Ends `expired` pulls last: they only wait for a report that probably never comes.
fn withdrawn_pulls(pulls: &[Pull], now: Time, timing: Timing) -> Vec<Change> {
    let (waiting, others): (Vec<_>, Vec<_>) = pulls.iter().partition(|pull| pull.state.waits());
    let event = PullEvent::ConsentWithdrawn;
    let ended = waiting.into_iter().chain(others);
    let ended = ended.filter_map(|pull| pull.apply(&event, now, timing, RecordId::UNUSED));
    let mut changes: Vec<_> = ended.take(WITHDRAWN_PULLS_MAX).collect();
    // If several pulls wait, the newest holds the lock. The others expired and released it before they waited again.
    let mut unlocked = BTreeSet::new();
    for change in &mut changes {
        change.unlocks &= unlocked.insert(change.pull.patient.clone());
    }
    changes
}

fn failed_records(records: &[Record], now: Time, timing: Timing) -> Vec<RecordChange> {
    let event = RecordEvent::ConsentWithdrawn;
    let ended = records.iter().filter_map(|record| record.apply(&event, now, timing));
    let mut changes: Vec<_> = ended.take(WITHDRAWN_RECORDS_MAX).collect();
    // The record that claimed the lock last holds it. Another record in such a state lost the lock at its deadline.
    changes.sort_by_key(|change| std::cmp::Reverse(change.record.attempt_until));
    let mut touched: BTreeSet<PatientId> = BTreeSet::new();
    for change in &mut changes {
        let touches = change.unlocks || change.shortens.is_some();
        if touches && !touched.insert(change.record.patient.clone()) {
            (change.unlocks, change.shortens) = (false, None);
        }
    }
    changes
}
