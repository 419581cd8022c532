//! A person's link to a Metriport patient, and the patient's unfinished change of demographics.
//!
//! Metriport may apply a change of demographics although its answer is lost. The intent is therefore written before the
//! call. While the intent exists, the person does not count as verified, no pull is accepted, and the next attempt
//! sends the demographics again. A difference between Metriport's data and ours thus never stays unnoticed.

mod conflict;

use serde::{Deserialize, Serialize};

pub use conflict::{LinkConflict, LinkRefusals, REFUSALS_MAX};

use super::log::Access;
use super::{DemographicsHash, ExternalId, PatientId, Time, Timing};

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
    /// Metriport already has these demographics.
    Unchanged,
    /// Another change is in progress, and may last until this time.
    Busy(Time),
    /// The external id in the token differs from that of the link.
    OtherExternalId,
    /// Too many links of this person were refused. Every further link is refused until this time.
    RefusedUntil(Time),
    /// The change may begin. Store this [`PatientSlot`] before any call to Metriport.
    Begun(PatientSlot),
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

    /// Begins a change to these demographics.
    #[must_use]
    pub fn begin(
        &self,
        external_id: &ExternalId,
        demographics: &DemographicsHash,
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
                .is_some_and(|link| link.demographics == *demographics) =>
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
        Beginning::Begun(Self {
            intent: Some(intent),
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// The access that ends a successful change: a first link or a link to another patient, or other demographics of
    /// the linked patient.
    #[must_use]
    pub fn access(&self, link: &PatientLink) -> Access {
        match &self.link {
            Some(before) if before.patient == link.patient => Access::DemographicsChanged,
            Some(_) | None => Access::Linked,
        }
    }

    /// Ends a successful change.
    #[must_use]
    pub fn finish(self, link: PatientLink) -> Self {
        Self {
            link: Some(link),
            intent: None,
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
mod tests {
    use super::*;

    fn hash(n: u8) -> DemographicsHash {
        DemographicsHash::parse(format!("hash-{n}")).unwrap()
    }
    fn external(n: u8) -> ExternalId {
        ExternalId::parse(format!("user-{n}")).unwrap()
    }
    fn link(n: u8) -> PatientLink {
        PatientLink {
            patient: PatientId::parse("p").unwrap(),
            external_id: external(1),
            demographics: hash(n),
        }
    }
    fn begun(slot: &PatientSlot, n: u8, now: i64) -> PatientSlot {
        match slot.begin(&external(1), &hash(n), Time::from_millis(now), Timing::default()) {
            Beginning::Begun(slot) => slot,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn successful_change_is_a_link_or_a_change_of_demographics() {
        let first = begun(&PatientSlot::default(), 1, 0);
        assert_eq!(first.access(&link(1)), Access::Linked);
        let linked = begun(&first.finish(link(1)), 2, 0);
        assert_eq!(linked.access(&link(2)), Access::DemographicsChanged);
        // Metriport had deleted the patient, so a new one was created.
        let anew = PatientLink {
            patient: PatientId::parse("other").unwrap(),
            ..link(2)
        };
        assert_eq!(linked.access(&anew), Access::Linked);
    }

    #[test]
    fn equal_demographics_of_a_settled_link_change_nothing() {
        let slot = begun(&PatientSlot::default(), 1, 0).finish(link(1));
        assert_eq!(
            slot.begin(&external(1), &hash(1), Time::default(), Timing::default()),
            Beginning::Unchanged
        );
        assert_eq!(
            slot.begin(&external(2), &hash(1), Time::default(), Timing::default()),
            Beginning::OtherExternalId
        );
        assert_eq!(slot.settled(), Ok(&link(1)));
    }

    #[test]
    fn unfinished_change_stays_unsettled_until_it_is_sent_again() {
        let slot = begun(&PatientSlot::default(), 1, 0).finish(link(1));
        let changing = begun(&slot, 2, 0);
        assert_eq!(changing.settled(), Err(Unsettled::Changing));
        assert_eq!(
            changing.begin(&external(1), &hash(1), Time::from_millis(59_999), Timing::default()),
            Beginning::Busy(Time::from_millis(60_000))
        );
        // Even the old demographics are sent again, because Metriport's data is uncertain.
        assert_eq!(begun(&changing, 1, 60_000).settled(), Err(Unsettled::Changing));
        assert_eq!(changing.clone().cancel(Time::default()).settled(), Ok(&link(1)));
        let open = changing.leave_open(Time::from_millis(5));
        assert_eq!(open.settled(), Err(Unsettled::Changing));
        assert!(begun(&open, 2, 5).version > open.version);
        // A refusal does not prove that the attempt before it had no effect.
        let refused = begun(&open, 1, 5).cancel(Time::from_millis(6));
        assert_eq!(refused.settled(), Err(Unsettled::Changing));
        assert_eq!(begun(&refused, 1, 6).finish(link(1)).settled(), Ok(&link(1)));
    }

    #[test]
    fn refusals_outlive_a_link_and_refuse_the_next_change() {
        let (now, timing) = (Time::from_millis(7), Timing::default());
        let mut slot = PatientSlot::default();
        for _ in 0..REFUSALS_MAX {
            slot = begun(&slot, 1, 7).cancel(now).refuse(now, timing);
        }
        let until = Time::from_millis(3_600_007);
        let begin = |slot: &PatientSlot, n, now| slot.begin(&external(1), &hash(n), now, timing);
        assert_eq!(begin(&slot, 1, now), Beginning::RefusedUntil(until));
        // A request that changes nothing is not refused.
        let linked = slot.clone().finish(link(1));
        assert_eq!(begin(&linked, 1, now), Beginning::Unchanged);
        assert_eq!(begin(&linked, 2, now), Beginning::RefusedUntil(until));
        assert_eq!(begin(&linked.unlink(), 1, now), Beginning::RefusedUntil(until));
        assert!(matches!(begin(&slot, 1, until), Beginning::Begun(_)));
    }

    #[test]
    fn released_patient_is_unlinked_and_another_stays() {
        let slot = begun(&PatientSlot::default(), 1, 0).finish(link(1));
        let release = |id| slot.clone().release(&PatientId::parse(id).unwrap());
        assert_eq!(release("p").settled(), Err(Unsettled::NotLinked));
        assert_eq!(release("q").settled(), Ok(&link(1)));
        assert!(["p", "q"].iter().all(|id| release(id).version == slot.version + 1));
        // A release raises the version, so the write that ends an unfinished change fails. The release therefore
        // removes this change, even if the person has no link.
        let first = begun(&PatientSlot::default(), 1, 0);
        assert_eq!(first.release(&PatientId::parse("p").unwrap()).intent, None);
    }

    #[test]
    fn unfinished_first_link_leaves_the_person_unlinked() {
        let slot = begun(&PatientSlot::default(), 1, 0);
        assert_eq!(slot.settled(), Err(Unsettled::NotLinked));
        assert_eq!(slot.unlink().link, None);
    }
}
