//! The erasure of a person: everything stored about them is deleted, and a signed receipt proves it.
//!
//! The request marks the person's root item and ends their grant. From then on, gated requests are refused. An insert
//! that no version protects requires the grant, so it fails if its request began before. A job then works in stages:
//!
//! | stage | what happens |
//! |---|---|
//! | `ending` | an unfinished change of the patient ends; open pulls and records end, so no transfer begins |
//! | `first` | the first sweep |
//! | `between` | the wait until steps and transfers that began during `ending` have ended |
//! | `second` | the sweep of what was stored meanwhile |
//! | `upstream` | Metriport has not deleted the patient yet; then another sweep follows |
//! | `signing` | the receipt is signed |
//! | `finished` | only the receipt is left |
//!
//! Metriport's patient is deleted at the same time, if this stack created it. The sweeps do not wait for Metriport, but
//! the receipt does. Until Metriport's answer, the person keeps the row by which they own the patient. Otherwise
//! another person with the same external id could be linked to the patient, and then lose it.
//!
//! Every deletion is counted before it is made, in the job's item. A worker that dies in between thus neither forgets a
//! deletion nor counts it twice.

mod receipt;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use receipt::{
    PatientOutcome, ReceiptContext, ReceiptFault, ReceiptStatement, Remaining, SignedReceipt, verify_receipt,
};

use super::log::LogHash;
use super::patient::PatientSlot;
use super::{OwnerId, PatientId, ReceiptId, RecordFolder, Time, Timing};

/// An erasure counts as late after this time. The networks' rules and the law leave days; everything here takes minutes
/// unless Metriport refuses.
const LATE_AFTER: Duration = Duration::from_secs(6 * 3600);

/// An erasure that was requested before this time, and is not finished, is late.
#[must_use]
pub fn late_before(now: Time, timing: Timing) -> Time {
    now.minus(timing.of(LATE_AFTER))
}

/// The name of an erasure: a hash of its receipt id, which is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErasureId(LogHash);

impl ErasureId {
    /// The erasure with this receipt id.
    #[must_use]
    pub fn of(receipt: ReceiptId) -> Self {
        Self::of_text(&receipt.to_string())
    }

    /// The erasure that a caller names. Every text is hashed and looked up, so that a malformed id takes as long as an
    /// unknown one.
    #[must_use]
    pub fn of_text(receipt: &str) -> Self {
        Self(LogHash::of(&[b"ias-receipt-id-v1\n", receipt.as_bytes()]))
    }

    /// Reads the form that keys and messages have, 64 hex digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        LogHash::try_from(hex.to_owned()).ok().map(Self)
    }
}

impl std::fmt::Display for ErasureId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The mark in a person's root item during an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestedErasure {
    /// The receipt id, which a repeated request gets again.
    pub receipt: ReceiptId,
    /// When the person asked.
    pub requested_at: Time,
}

/// The stage of an erasure; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureStage {
    /// Open work ends.
    Ending,
    /// The first sweep.
    First,
    /// The wait for the last transfer or step.
    Between,
    /// The second sweep, and each sweep after it.
    Second,
    /// The wait for Metriport.
    Upstream,
    /// The receipt is being signed.
    Signing,
    /// The receipt is there.
    Finished,
}

/// The deletion of the person's Metriport patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PatientErasure {
    /// No patient was linked.
    #[default]
    NotLinked,
    /// The patient existed at Metriport before this stack linked the person to it, so it stays.
    NotCreatedHere,
    /// The patient is to be deleted.
    Due {
        /// The patient.
        patient: PatientId,
        /// The number of refused calls.
        attempts: u32,
        /// Time of the next call.
        retry_at: Time,
    },
    /// Metriport deleted the patient.
    Deleted {
        /// When.
        at: Time,
    },
    /// Metriport had no such patient any more.
    Absent {
        /// When Metriport answered.
        at: Time,
    },
}

/// An object or an unfinished upload in the bucket of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketEntry {
    /// The key.
    pub key: String,
    /// The id of the upload; `None` for an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// The object's size.
    #[serde(default)]
    pub bytes: u64,
}

/// Counts of deletions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// Items of the table, by kind ([`super::retention::ItemKind::keys`]).
    pub items: BTreeMap<String, u64>,
    /// Objects in the bucket.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// Unfinished uploads.
    pub uploads: u64,
}

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// Its name.
    pub id: ErasureId,
    /// The person; `None` once everything is deleted. Not stored as `owner`, because the index `owner` lists the rows
    /// with that attribute.
    #[serde(default, rename = "person", skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerId>,
    /// When the person asked. The due index shows this number as `dueSeq`, so that `reconcile` finds late erasures.
    #[serde(rename = "dueSeq")]
    pub requested_at: Time,
    /// The stage.
    pub stage: ErasureStage,
    /// While a change of the patient is unfinished: when it must have ended. Afterwards the earliest time of the second
    /// sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_until: Option<Time>,
    /// The Metriport patient.
    #[serde(default)]
    pub patient: PatientErasure,
    /// Whether the outcome of a creation is unknown. The receipt then has `uncertain`, even if a linked patient was
    /// deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
    /// The person's folder in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<RecordFolder>,
    /// Beginnings of keys outside the folder: of exports, and of possible objects that earlier versions stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loose_keys: Vec<String>,
    /// Entries of the bucket that are counted and perhaps not deleted yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<BucketEntry>,
    /// The counts.
    #[serde(default)]
    pub deleted: Deleted,
    /// When the job must go on. While a worker is at work, this is the end of its lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// The receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<SignedReceipt>,
    /// Counts every write.
    pub version: u64,
}

/// Facts about the person's records that the sweeps need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepInput {
    /// Beginnings of keys outside the person's folder.
    pub loose_keys: Vec<String>,
    /// Whether an object may still arrive: of a record ([`super::record::Record::may_arrive`]), or of an
    /// export ([`super::export::Export::may_arrive`]).
    pub may_arrive: bool,
}

/// The next step of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureStep {
    /// End open work, then [`Erasure::begin_sweep`]. If a change of the patient is unfinished,
    /// [`Erasure::wait_for_change`] instead.
    EndWork,
    /// Delete this patient at Metriport.
    DeletePatient(PatientId),
    /// Delete what is stored, then [`Erasure::end_sweep`].
    Sweep,
    /// [`Erasure::sweep_again`].
    SweepAgain,
    /// Wait until this time.
    Wait(Time),
    /// Sign the receipt and finish.
    Sign,
    /// The erasure is finished.
    Nothing,
}

impl Erasure {
    /// A requested erasure.
    #[must_use]
    pub fn request(receipt: ReceiptId, owner: OwnerId, now: Time, timing: Timing) -> Self {
        Self {
            id: ErasureId::of(receipt),
            owner: Some(owner),
            requested_at: now,
            stage: ErasureStage::Ending,
            wait_until: None,
            patient: PatientErasure::NotLinked,
            uncertain: false,
            folder: None,
            loose_keys: Vec::new(),
            planned: Vec::new(),
            deleted: Deleted::default(),
            due_at: Some(now.plus(timing.erasure_lease())),
            receipt: None,
            version: 1,
        }
    }

    /// The next step.
    #[must_use]
    pub fn next_step(&self, now: Time) -> ErasureStep {
        if let (PatientErasure::Due { patient, retry_at, .. }, true) =
            (&self.patient, self.stage.allows_patient_deletion())
            && *retry_at <= now
        {
            return ErasureStep::DeletePatient(patient.clone());
        }
        let waits = |until: Option<Time>| until.filter(|until| now < *until).map(ErasureStep::Wait);
        match self.stage {
            ErasureStage::Ending => waits(self.wait_until).unwrap_or(ErasureStep::EndWork),
            ErasureStage::First | ErasureStage::Second => ErasureStep::Sweep,
            ErasureStage::Between => waits(self.wait_until).unwrap_or(ErasureStep::SweepAgain),
            ErasureStage::Upstream => waits(self.retry_at()).unwrap_or(ErasureStep::SweepAgain),
            ErasureStage::Signing => ErasureStep::Sign,
            ErasureStage::Finished => ErasureStep::Nothing,
        }
    }

    /// When the patient's deletion is to be tried again.
    const fn retry_at(&self) -> Option<Time> {
        match &self.patient {
            PatientErasure::Due { retry_at, .. } => Some(*retry_at),
            _ => None,
        }
    }

    /// The patient whose row of ownership stays until Metriport has deleted the patient.
    #[must_use]
    pub const fn owned_patient(&self) -> Option<&PatientId> {
        match &self.patient {
            PatientErasure::Due { patient, .. } => Some(patient),
            _ => None,
        }
    }

    /// The erasure that waits for the end of a change of the patient, which may still link a patient. The wait ends
    /// with the change's own deadline.
    #[must_use]
    pub fn wait_for_change(&self, until: Time, now: Time, timing: Timing) -> Self {
        Self {
            wait_until: Some(until),
            ..self.clone()
        }
        .with_next_version(now, timing)
    }

    /// The stage after all open work has ended. The second sweep waits for the longest step, or for the longest
    /// transfer if one may still run.
    #[must_use]
    pub fn begin_sweep(&self, slot: &PatientSlot, left: SweepInput, now: Time, timing: Timing) -> Self {
        let longest = if left.may_arrive {
            timing.transfer()
        } else {
            timing.last_step()
        };
        let patient = match &slot.link {
            Some(link) if link.created => PatientErasure::Due {
                patient: link.patient.clone(),
                attempts: 0,
                retry_at: now,
            },
            Some(_) => PatientErasure::NotCreatedHere,
            None => PatientErasure::NotLinked,
        };
        let next = Self {
            stage: ErasureStage::First,
            wait_until: Some(now.plus(longest)),
            patient,
            uncertain: slot.creating,
            folder: slot.folder,
            loose_keys: left.loose_keys,
            ..self.clone()
        };
        next.with_next_version(now, timing)
    }

    /// The erasure after Metriport has answered the deletion of the patient: `deleted`, or it had none.
    #[must_use]
    pub fn apply_patient_answer(&self, deleted: bool, now: Time, timing: Timing) -> Self {
        let patient = match deleted {
            true => PatientErasure::Deleted { at: now },
            false => PatientErasure::Absent { at: now },
        };
        Self {
            patient,
            ..self.clone()
        }
        .with_next_version(now, timing)
    }

    /// The erasure after Metriport has refused the deletion or could not be asked.
    #[must_use]
    pub fn retry_patient(&self, now: Time, timing: Timing) -> Self {
        let mut next = self.clone();
        if let PatientErasure::Due { attempts, retry_at, .. } = &mut next.patient {
            *retry_at = now.plus(timing.erasure_retry(*attempts));
            *attempts = attempts.saturating_add(1);
        }
        next.with_next_version(now, timing)
    }

    /// The erasure whose deletion of the patient waits for the rate budget.
    #[must_use]
    pub fn postpone_patient(&self, until: Time, now: Time, timing: Timing) -> Self {
        let mut next = self.clone();
        if let PatientErasure::Due { retry_at, .. } = &mut next.patient {
            *retry_at = until;
        }
        next.with_next_version(now, timing)
    }

    /// The erasure that has counted these entries of the bucket and will now delete them. The entries planned before
    /// must be deleted.
    #[must_use]
    pub fn plan(&self, entries: Vec<BucketEntry>, now: Time, timing: Timing) -> Self {
        let mut next = self.clone();
        let (uploads, objects): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.upload.is_some());
        next.deleted.uploads += uploads.len() as u64;
        next.deleted.objects += objects.len() as u64;
        next.deleted.bytes += objects.iter().map(|object| object.bytes).sum::<u64>();
        next.planned = entries;
        next.with_next_version(now, timing)
    }

    /// The erasure that has deleted items of these kinds, and before them all planned entries.
    #[must_use]
    pub fn count<'k>(&self, kinds: impl IntoIterator<Item = &'k str>, now: Time, timing: Timing) -> Self {
        self.with_counted(kinds).with_next_version(now, timing)
    }

    /// The stage after a sweep. The items of these kinds were the last that it found.
    #[must_use]
    pub fn end_sweep<'k>(&self, kinds: impl IntoIterator<Item = &'k str>, now: Time, timing: Timing) -> Self {
        let stage = match (self.stage, &self.patient) {
            (ErasureStage::First, _) => ErasureStage::Between,
            (ErasureStage::Second, PatientErasure::Due { .. }) => ErasureStage::Upstream,
            (ErasureStage::Second, _) => ErasureStage::Signing,
            (other, _) => other,
        };
        Self {
            stage,
            ..self.with_counted(kinds)
        }
        .with_next_version(now, timing)
    }

    fn with_counted<'k>(&self, kinds: impl IntoIterator<Item = &'k str>) -> Self {
        let mut next = self.clone();
        for kind in kinds {
            *next.deleted.items.entry(kind.to_owned()).or_default() += 1;
        }
        next.planned = Vec::new();
        next
    }

    /// The second sweep, or the one after Metriport's answer.
    #[must_use]
    pub fn sweep_again(&self, now: Time, timing: Timing) -> Self {
        Self {
            stage: ErasureStage::Second,
            ..self.clone()
        }
        .with_next_version(now, timing)
    }

    /// The finished erasure. It names neither the person nor anything of theirs; the receipt has the patient's outcome.
    #[must_use]
    pub fn finish(&self, receipt: SignedReceipt) -> Self {
        Self {
            owner: None,
            stage: ErasureStage::Finished,
            wait_until: None,
            patient: PatientErasure::NotLinked,
            folder: None,
            loose_keys: Vec::new(),
            planned: Vec::new(),
            due_at: None,
            receipt: Some(receipt),
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// Whether the erasure takes longer than it should.
    #[must_use]
    pub fn is_late(&self, now: Time, timing: Timing) -> bool {
        self.stage != ErasureStage::Finished && self.requested_at < late_before(now, timing)
    }

    /// The changed erasure, as it is written: with the next version, and with the time at which another worker takes
    /// over.
    fn with_next_version(mut self, now: Time, timing: Timing) -> Self {
        self.version += 1;
        self.due_at = Some(match self.next_step(now) {
            ErasureStep::Wait(until) => until,
            _ => now.plus(timing.erasure_lease()),
        });
        self
    }
}

impl ErasureStage {
    /// Whether the patient may be deleted in this stage.
    const fn allows_patient_deletion(self) -> bool {
        matches!(self, Self::First | Self::Between | Self::Second | Self::Upstream)
    }
}
