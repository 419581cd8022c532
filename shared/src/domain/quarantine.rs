//! A quarantine: records of a person that may be another person's. From one pull on, no record is shown in any form,
//! until an operator releases or deletes the records. The quarantine lies in the person's root item, which every gate
//! reads.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::input::{Faults, Input};
use super::patient::{DifferentField, PatientComparison};
use super::person_root::PersonRoot;
use super::pull::Pull;
use super::record::{Record, RecordState};
use super::{PullId, RecordId, SourceStatus, Time, Timing};

/// Declares a closed list of codes.
macro_rules! list_codes {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $kind:ident = $code:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $code)] $kind,)+
        }

        impl $name {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The code, as stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)+
                }
            }

            /// Reads a code.
            #[must_use]
            pub fn parse(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == code)
            }
        }
    };
}

list_codes! {
    /// Why records are quarantined. A code names a field or a statement of the person, never a value.
    QuarantineReason {
        /// A Patient's id differs.
        DifferentPatientId = "different_patient_id",
        /// A Patient's names differ.
        DifferentName = "different_name",
        /// A Patient's birth date differs.
        DifferentBirthDate = "different_birth_date",
        /// The person reports that the record is another person's.
        OtherPerson = "other_person",
        /// The person reports that the record mixes their data with another person's.
        MixedPersons = "mixed_persons",
        /// The person reports care that they never received.
        UnknownCare = "unknown_care",
        /// The person reports the record for another reason.
        OtherReport = "other",
    }
}

list_codes! {
    /// Why an operator releases quarantined records.
    ReleaseReason {
        /// The person, whose identity the operator checked, confirmed that the records are theirs.
        PersonConfirmed = "person_confirmed",
        /// The different field shows a former or differently written name, or a clerical error.
        SamePerson = "same_person",
        /// Metriport or the responder confirmed that the records are the person's.
        ResponderConfirmed = "responder_confirmed",
        /// The person reported the record by mistake.
        ReportedByMistake = "reported_by_mistake",
    }
}

list_codes! {
    /// The state of a quarantine.
    QuarantineState {
        /// The records are hidden.
        Active = "quarantined",
        /// An operator released the records. They are shown again.
        Released = "released",
        /// An operator deleted the records.
        Purged = "purged",
    }
}

impl From<DifferentField> for QuarantineReason {
    fn from(field: DifferentField) -> Self {
        match field {
            DifferentField::PatientId => Self::DifferentPatientId,
            DifferentField::Name => Self::DifferentName,
            DifferentField::BirthDate => Self::DifferentBirthDate,
        }
    }
}

/// The body of a person's report: the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotMeReport(pub QuarantineReason);

impl NotMeReport {
    /// The reasons that a person may give.
    pub const REASONS: [QuarantineReason; 4] = [
        QuarantineReason::OtherPerson,
        QuarantineReason::MixedPersons,
        QuarantineReason::UnknownCare,
        QuarantineReason::OtherReport,
    ];

    /// Reads the body of `POST /v1/records/{id}/not-me`.
    pub fn read(input: &Input<'_>, faults: &mut Faults) -> Option<Self> {
        const EXPECTED: &str = "other_person, mixed_persons, unknown_care or other";
        let fields = input.fields(&["reason"], faults)?;
        let reason = fields.required("reason", EXPECTED, faults, |input| {
            QuarantineReason::parse(&input.text()?).filter(|reason| Self::REASONS.contains(reason))
        });
        reason.map(Self)
    }
}

/// The pull from which a record's data come. A quarantine covers records from this pull on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordOrigin {
    /// The pull, unless it is unknown.
    pub pull: Option<PullId>,
    /// When the pull was accepted. If the pull is unknown, the earliest time, so that every record is included.
    pub since: Time,
}

impl RecordOrigin {
    /// The origin of a record that this pull made.
    #[must_use]
    pub const fn of_pull(pull: &Pull) -> Self {
        Self {
            pull: Some(pull.id),
            since: pull.created_at,
        }
    }

    /// The origin of a record that the person requested. `pulls` are the person's pulls, newest first. Metriport made
    /// the record from the data of the newest ended pull that a source answered. An open pull may have added data, so
    /// records of such a pull are included, too.
    #[must_use]
    pub fn of_requested(record: &Record, pulls: &[Pull]) -> Self {
        let had_ended = |pull: &&Pull| pull.ended_at.is_some_and(|ended| ended <= record.created_at);
        let answered = |pull: &&Pull| pull.sources.count(SourceStatus::Completed) > 0;
        let found = pulls.iter().filter(had_ended).find(answered);
        found.map(Self::of_pull).unwrap_or_default()
    }
}

/// The cause of a quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineCause {
    /// The different or reported record.
    pub record: RecordId,
    /// Its origin.
    pub origin: RecordOrigin,
    /// The reasons.
    pub reasons: BTreeSet<QuarantineReason>,
}

impl QuarantineCause {
    /// A record whose Patients differ from the person.
    #[must_use]
    pub fn of_comparison(record: RecordId, origin: RecordOrigin, comparison: &PatientComparison) -> Self {
        Self {
            record,
            origin,
            reasons: comparison.different().map(QuarantineReason::from).collect(),
        }
    }

    /// The reasons as one code for the access log.
    #[must_use]
    pub fn code(&self) -> String {
        let codes: Vec<&str> = self.reasons.iter().map(|reason| reason.as_str()).collect();
        codes.join(",")
    }
}

/// The last quarantine of a person's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// Its state.
    pub state: QuarantineState,
    /// The first pull whose records it covers; `None` if it covers all records.
    #[serde(rename = "run", default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullId>,
    /// When that pull was accepted.
    pub since: Time,
    /// The first record that caused the quarantine.
    pub record: RecordId,
    /// All reasons.
    pub reasons: BTreeSet<QuarantineReason>,
    /// When it began.
    pub at: Time,
    /// The time by which an operator must have ended it.
    pub purge_by: Time,
    /// When an operator ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}

impl Quarantine {
    fn begin(cause: &QuarantineCause, now: Time, timing: Timing) -> Self {
        Self {
            state: QuarantineState::Active,
            pull: cause.origin.pull,
            since: cause.origin.since,
            record: cause.record,
            reasons: cause.reasons.clone(),
            at: now,
            purge_by: now.plus(timing.quarantine_max()),
            ended_at: None,
        }
    }

    /// The quarantine with a further cause. It keeps its deadline. If one of the pulls is unknown, it covers all
    /// records and names no pull.
    fn extend(&self, cause: &QuarantineCause) -> Self {
        let pulls = self.pull.zip(cause.origin.pull);
        Self {
            pull: pulls.map(|(first, further)| first.min(further)),
            since: self.since.min(cause.origin.since),
            reasons: self.reasons.union(&cause.reasons).copied().collect(),
            ..self.clone()
        }
    }

    /// Whether the records are hidden.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == QuarantineState::Active
    }

    /// Whether the first pull or a later one made the record, or the record had not ended when that pull was accepted.
    #[must_use]
    pub fn covers(&self, record: &Record) -> bool {
        let is_of_pull = self.pull.is_some_and(|first| record.pull >= Some(first));
        is_of_pull || record.ended_at.is_none_or(|ended| ended >= self.since)
    }

    /// Whether the records of a pull belong to the quarantine. A pull that was accepted after its end is a new one.
    #[must_use]
    pub fn covers_pull(&self, pull: &Pull) -> bool {
        let is_later = self.pull.is_some_and(|first| pull.id >= first);
        let is_new = self.ended_at.is_some_and(|ended| pull.created_at > ended);
        !is_new && (is_later || pull.ended_at.is_none_or(|ended| ended >= self.since))
    }
}

impl PersonRoot {
    /// The quarantine, if it hides records now.
    #[must_use]
    pub fn active_quarantine(&self) -> Option<&Quarantine> {
        self.quarantine.as_ref().filter(|quarantine| quarantine.is_active())
    }

    /// Whether a record is in the bucket but hidden.
    #[must_use]
    pub fn hides(&self, record: &Record) -> bool {
        record.state == RecordState::Available
            && self
                .active_quarantine()
                .is_some_and(|quarantine| quarantine.covers(record))
    }

    /// Begins a quarantine, or extends the active one. `None` if that would change nothing.
    #[must_use]
    pub fn quarantine_for(&self, cause: &QuarantineCause, now: Time, timing: Timing) -> Option<Self> {
        let active = self.active_quarantine();
        let next = match active {
            Some(quarantine) => quarantine.extend(cause),
            None => Quarantine::begin(cause, now, timing),
        };
        (active != Some(&next)).then(|| self.with_quarantine(next))
    }

    /// Whether this record caused the active quarantine. Only the first cause is stored by its id.
    #[must_use]
    pub fn knows_cause(&self, record: RecordId) -> bool {
        self.active_quarantine()
            .is_some_and(|quarantine| quarantine.record == record)
    }

    /// Ends the active quarantine with this state. `None` if none is active.
    #[must_use]
    pub fn end_quarantine(&self, state: QuarantineState, now: Time) -> Option<Self> {
        let active = self.active_quarantine()?;
        let ended = Quarantine {
            state,
            ended_at: Some(now),
            ..active.clone()
        };
        Some(self.with_quarantine(ended))
    }

    fn with_quarantine(&self, quarantine: Quarantine) -> Self {
        Self {
            quarantine: Some(quarantine),
            version: self.version + 1,
            ..self.clone()
        }
    }
}
