//! Sends demographics to the linked patient, to one found by external id, or to a new one.

use shared::Error;
use shared::domain::budget::{Allowance, Budget, PersonAsk, Share, midnight_after};
use shared::domain::patient::{LinkConflict, PatientDetails, PatientSlot};
use shared::domain::person_root::Grant;
use shared::domain::{PatientId, Time};
use shared::edge::budget::{CountCall, PauseCalls, apply_limits, busy, uncount_unsent};
use shared::edge::init::INTERACTIVE;
use shared::metriport::{Effect, FindPatient, NewPatient, Patient, PatientUpdate, UnverifiedPatient, UpdatePatient};
use shared::ports::{Clock, Pause};
use shared::store::{Condition, WritePatient};

use super::{Person, ReportConflict, SendDemographics, not_begun, refused};
use crate::open::is_gone;

/// The patient to which demographics were sent.
pub(super) struct SentPatient {
    /// The patient.
    pub(super) patient: Patient,
    /// Whether this stack created it.
    pub(super) created: bool,
    /// The state of the person's share.
    pub(super) allowance: Allowance,
}

/// Updates the linked patient. If no patient is linked, or Metriport has deleted the patient, finds or creates one.
/// `begun` becomes the slot as it is stored.
pub(super) async fn send(
    io: &impl SendDemographics,
    person: &Person<'_>,
    (begun, grant): (&mut PatientSlot, Grant),
    details: PatientDetails,
) -> Result<SentPatient, Error> {
    let Some(link) = begun.link.clone() else {
        return adopt_or_create(io, person, (begun, grant), details).await;
    };
    let allowance = io.place(person.owner, PersonAsk::PatientWrite, io.now()).await?;
    match update(io, person, &link.patient, details.clone()).await {
        Err(Error::Upstream(error)) if is_gone(&error) => adopt_or_create(io, person, (begun, grant), details).await,
        updated => Ok(SentPatient {
            patient: updated?,
            created: link.created,
            allowance,
        }),
    }
}

/// Updates the patient that carries our external id, or creates one. In both cases a write follows the search, and its
/// place is taken before the search.
async fn adopt_or_create(
    io: &impl SendDemographics,
    person: &Person<'_>,
    (begun, grant): (&mut PatientSlot, Grant),
    details: PatientDetails,
) -> Result<SentPatient, Error> {
    let allowance = io.place(person.owner, PersonAsk::PatientWrite, io.now()).await?;
    let found = match find_and_claim(io, person, begun).await {
        Ok(found) => found,
        Err(error) => {
            // The place has counted the write as a call of the day, but the write is not made.
            io.uncount_call(io.now()).await;
            return Err(error);
        }
    };
    if let Some(patient) = found {
        // The update replaces the whole patient, so it repeats an opt-out that only Metriport knows.
        let hie_opt_out = details.hie_opt_out.or(patient.hie_opt_out);
        let details = PatientDetails { hie_opt_out, ..details };
        return Ok(SentPatient {
            patient: update(io, person, &patient.id, details).await?,
            created: begun.creating,
            allowance,
        });
    }
    let before = begun.creating;
    let creating = begun.begin_creation();
    if let Err(error) = io.begin_creation(person.owner, &creating, grant).await {
        io.uncount_call(io.now()).await;
        return Err(not_begun(error));
    }
    *begun = creating;
    let new = NewPatient {
        facility: person.facility.clone(),
        external_id: person.external_id.clone(),
        demographics: details.demographics,
        hie_opt_out: details.hie_opt_out,
    };
    let answer = io.create_patient(&new).await;
    let answer = apply_limits(io, Budget::PatientWrites, answer, io.now()).await;
    let created = answer.inspect_err(|error| begun.creating = before || error.effect() == Effect::Unknown)?;
    // An existing patient with another external id was not created.
    let patient = ours(io, created, person).inspect_err(|_foreign| begun.creating = before)?;
    Ok(SentPatient {
        patient,
        created: true,
        allowance,
    })
}

/// Finds the patient with our external id and claims it, so that no other request writes to it.
async fn find_and_claim(
    io: &(impl WritePatient + FindPatient + CountCall + ReportConflict + Clock + Pause),
    person: &Person<'_>,
    begun: &PatientSlot,
) -> Result<Option<Patient>, Error> {
    let now = io.now();
    if !io.count_call(Share::Person, now).await? {
        return Err(busy(midnight_after(now), now).into());
    }
    let answer = io.find_patient(&person.external_id).await;
    let Some(found) = uncount_unsent(io, answer, io.now()).await? else {
        return Ok(None);
    };
    claim(io, person, begun, &found.id, now).await?;
    Ok(Some(found))
}

/// Claims the patient, so that no other person writes to it until our update must have ended.
///
/// A refusal is delayed by the time that the search has taken since `searched_at`. It thus takes about as long as an
/// update, and does not reveal that the patient belongs to another person.
async fn claim(
    io: &(impl WritePatient + ReportConflict + Clock + Pause),
    person: &Person<'_>,
    begun: &PatientSlot,
    patient: &PatientId,
    searched_at: Time,
) -> Result<(), Error> {
    let now = io.now();
    let until = now.plus(io.timing().patient_lease());
    match io.claim_patient(person.owner, begun, patient, now, until).await {
        Err(error) if error.lacks(Condition::PatientUnowned) => {
            io.pause(searched_at.until(now).min(INTERACTIVE)).await;
            Err(refused(io, LinkConflict::PatientOwned).into())
        }
        claimed => claimed.map_err(not_begun),
    }
}

async fn update(
    io: &(impl UpdatePatient + PauseCalls + ReportConflict + Clock),
    person: &Person<'_>,
    patient: &PatientId,
    details: PatientDetails,
) -> Result<Patient, Error> {
    let update = PatientUpdate {
        patient: patient.clone(),
        facility: person.facility.clone(),
        external_id: person.external_id.clone(),
        demographics: details.demographics,
        hie_opt_out: details.hie_opt_out,
    };
    let answer = io.update_patient(&update).await;
    let updated = apply_limits(io, Budget::PatientWrites, answer, io.now()).await?;
    ours(io, updated, person)
}

fn ours(io: &impl ReportConflict, patient: UnverifiedPatient, person: &Person<'_>) -> Result<Patient, Error> {
    let verified = patient.verify(&person.external_id);
    verified.map_err(|_foreign| refused(io, LinkConflict::PatientForeign).into())
}
