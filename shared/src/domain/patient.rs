//! A person's link to a Metriport patient, and the patient's unfinished change of demographics.
//!
//! Metriport may apply a change of demographics although its answer is lost. The intent is therefore written before the
//! call. While the intent exists, the person does not count as verified, no pull is accepted, and the next attempt
//! sends the demographics again. A difference between Metriport's data and ours thus never stays unnoticed.

mod comparison;
mod conflict;
mod details;
mod fingerprint;

use serde::{Deserialize, Serialize};

pub use comparison::{DifferentField, ExpectedPatient, PatientComparison};
pub use conflict::{LinkConflict, LinkRefusals, REFUSALS_MAX};
pub use details::PatientDetails;
pub use fingerprint::{FingerprintKey, PatientFingerprint};

use super::log::Access;
use super::{DemographicsHash, ExternalId, PatientId, RecordFolder, Time, Timing};

/// A person's stored patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientSlot {
    /// The link, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<PatientLink>,
    /// The change that is in progress or did not finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The times at which links of this person were recently refused. A later link does not clear them, and neither
    /// does its removal.
    #[serde(default, skip_serializing_if = "LinkRefusals::is_empty")]
    pub refusals: LinkRefusals,
    /// The folder of the person's records in the bucket. Items of earlier versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<RecordFolder>,
    /// Whether a creation of a patient was sent whose outcome is unknown. A patient that is found later with the
    /// person's external id was then created here, because the search before the creation found none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creating: bool,
    /// Counts every write.
    #[serde(default)]
    pub version: u64,
}

/// A person's link to a Metriport patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientLink {
    /// The patient.
    pub patient: PatientId,
    /// The person's id at Metriport.
    pub external_id: ExternalId,
    /// Hash of the demographics that Metriport holds.
    pub demographics: DemographicsHash,
    /// Whether the person opted out of health information exchanges, as Metriport holds it. Absent if neither the
    /// person nor Metriport has stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hie_opt_out: Option<bool>,
    /// The fingerprint of these demographics. Links of earlier versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<PatientFingerprint>,
    /// Whether this stack created the patient. An erasure deletes no other patient at Metriport. Links of earlier
    /// versions lack it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
}

/// A change of demographics that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The new demographics.
    pub demographics: DemographicsHash,
    /// The time from which another change may begin.
    pub until: Time,
    /// Whether an earlier change of a linked patient did not finish. Metriport's data then stays uncertain until a
    /// change succeeds.
    #[serde(default)]
    pub after_unfinished: bool,
}

/// Why the caller has no usable patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// No patient was linked yet.
    #[error("no patient is linked")]
    NotLinked,
    /// A change is in progress or did not finish.
    #[error("a change of the patient has not finished")]
    Changing,
}

/// Whether a change may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// Metriport already has these demographics and this opt-out.
    Unchanged,
    /// Another change is in progress, and may last until this time.
    Busy(Time),
    /// The external id in the token differs from that of the link.
    OtherExternalId,
    /// Too many links of this person were refused. Every further link is refused until this time.
    RefusedUntil(Time),
    /// The change may begin. Store this [`PatientSlot`] before any call to Metriport.
    Begun(Box<PatientSlot>),
}

impl PatientSlot {
    /// The link, if Metriport's data of the patient is certain.
    ///
    /// # Errors
    /// Fails if no patient is linked, or if a change has not finished.
    pub fn settled(&self) -> Result<&PatientLink, Unsettled> {
        match (&self.link, &self.intent) {
            (None, _) => Err(Unsettled::NotLinked),
            (Some(_), Some(_)) => Err(Unsettled::Changing),
            (Some(link), None) => Ok(link),
        }
    }

    /// The opt-out of the link.
    #[must_use]
    pub fn hie_opt_out(&self) -> Option<bool> {
        self.link.as_ref()?.hie_opt_out
    }

    /// Begins a change to these demographics and this opt-out.
    #[must_use]
    pub fn begin(
        &self,
        external_id: &ExternalId,
        (demographics, hie_opt_out): (&DemographicsHash, Option<bool>),
        now: Time,
        timing: Timing,
    ) -> Beginning {
        if self.link.as_ref().is_some_and(|link| link.external_id != *external_id) {
            return Beginning::OtherExternalId;
        }
        match &self.intent {
            Some(intent) if now < intent.until => return Beginning::Busy(intent.until),
            None if self
                .link
                .as_ref()
                .is_some_and(|link| link.demographics == *demographics && link.hie_opt_out == hie_opt_out) =>
            {
                return Beginning::Unchanged;
            }
            Some(_) | None => {}
        }
        if let Some(until) = self.refusals.until(now, timing) {
            return Beginning::RefusedUntil(until);
        }
        let intent = Intent {
            demographics: demographics.clone(),
            until: now.plus(timing.patient_lease()),
            after_unfinished: self.link.is_some() && self.intent.is_some(),
        };
        Beginning::Begun(Box::new(Self {
            intent: Some(intent),
            version: self.version + 1,
            ..self.clone()
        }))
    }

    /// Adds what a link of an earlier version lacks: the fingerprint of its demographics, and the folder. `None` if it
    /// lacks neither.
    #[must_use]
    pub fn complete(&self, fingerprint: PatientFingerprint, folder: RecordFolder) -> Option<Self> {
        let mut next = self.clone().in_folder(folder);
        next.link.as_mut()?.fingerprint.get_or_insert(fingerprint);
        (next != *self).then(|| Self {
            version: self.version + 1,
            ..next
        })
    }

    /// Takes this folder, unless the person has one. The version stays the same, because the folder is stored in one
    /// write with the change.
    #[must_use]
    pub fn in_folder(self, folder: RecordFolder) -> Self {
        Self {
            folder: self.folder.or(Some(folder)),
            ..self
        }
    }

    /// The person whom each Patient of a record must show. The record was requested for `patient` at `requested_at`.
    #[must_use]
    pub fn expected_patient(&self, patient: &PatientId, requested_at: Time) -> ExpectedPatient {
        let link = self.settled().ok().filter(|link| link.patient == *patient);
        let fingerprint = link.and_then(|link| link.fingerprint.clone());
        ExpectedPatient {
            id: patient.clone(),
            fingerprint: fingerprint.filter(|fingerprint| fingerprint.covers(requested_at)),
        }
    }

    /// The access of a successful change: [`Access::Linked`] for a first link or another patient, otherwise
    /// [`Access::DemographicsChanged`].
    #[must_use]
    pub fn access(&self, link: &PatientLink) -> Access {
        match &self.link {
            Some(before) if before.patient == link.patient => Access::DemographicsChanged,
            Some(_) | None => Access::Linked,
        }
    }

    /// The slot that is stored before a patient is created.
    #[must_use]
    pub fn begin_creation(&self) -> Self {
        Self {
            creating: true,
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// Ends a successful change.
    #[must_use]
    pub fn finish(self, link: PatientLink) -> Self {
        Self {
            link: Some(link),
            intent: None,
            creating: false,
            version: self.version + 1,
            ..self
        }
    }

    /// Ends a change that certainly had no effect. Another change may begin at once. If an earlier change did not
    /// finish, Metriport's data stays uncertain.
    #[must_use]
    pub fn cancel(self, now: Time) -> Self {
        let intent = self.intent.filter(|intent| intent.after_unfinished);
        Self {
            intent: intent.map(|intent| Intent { until: now, ..intent }),
            version: self.version + 1,
            ..self
        }
    }

    /// Ends a change whose outcome is unknown. The change stays unfinished, and another change may begin from `until`
    /// on.
    #[must_use]
    pub fn leave_open(self, until: Time) -> Self {
        let intent = self.intent.map(|intent| Intent { until, ..intent });
        Self {
            intent,
            version: self.version + 1,
            ..self
        }
    }

    /// Adds a refused link. The version stays the same, because the refusal is stored in one write with the end of the
    /// change.
    #[must_use]
    pub fn refuse(self, now: Time, timing: Timing) -> Self {
        Self {
            refusals: self.refusals.with(now, timing),
            ..self
        }
    }

    /// Removes the link and an unfinished change.
    #[must_use]
    pub fn unlink(self) -> Self {
        Self {
            link: None,
            intent: None,
            version: self.version + 1,
            ..self
        }
    }

    /// Unlinks this patient from the person at the operator's request. A link to another patient stays.
    #[must_use]
    pub fn release(self, patient: &PatientId) -> Self {
        match &self.link {
            Some(link) if link.patient != *patient => Self {
                version: self.version + 1,
                ..self
            },
            Some(_) | None => self.unlink(),
        }
    }
}

#[cfg(test)]
mod tests;
