//! Links the caller to a Metriport patient, and keeps the patient's demographics as the person says they are.
//!
//! The intent is written before anything is sent, and stands until the outcome is certain: meanwhile nobody counts as
//! verified, and the next attempt sends the demographics again, whatever they are. Creating a patient upstream may
//! return an existing one whose demographics are alike, so nothing but the `externalId` that comes back says whose it
//! is: anything else than ours is refused, and every conflict has one and the same answer. A create whose outcome is
//! unknown is safe to repeat: the next attempt finds the patient by our `externalId`.
//!
//! Two persons may come with one `externalId` at the same moment. So a patient that was found is claimed in the table
//! before anything is sent to it, and who comes second is refused before they could write over the first one's
//! demographics. A claim ends like the intent, by the clock: the same person goes on under it, a process that died or
//! an update that was refused keeps nobody out for longer, and a change that is done turns it into ownership.

use std::collections::BTreeMap;

use shared::Error;
use shared::domain::budget::{Allowance, Budget, Share, midnight_after};
use shared::domain::claims::ClaimRules;
use shared::domain::patient::{Beginning, PatientLink, PatientSlot};
use shared::domain::{Demographics, DemographicsHash, ExternalId, FacilityId, OwnerId, PatientId};
use shared::edge::budget::{CountCall, HeedLimits, TakeTurn, busy, heeded};
use shared::edge::http::{Code, Problem};
use shared::metriport::{
    CreatePatient, Effect, FindPatient, NewPatient, Operation, Patient, PatientUpdate, UnverifiedPatient,
    UpdatePatient, UpstreamError,
};
use shared::owner::OwnerKey;
use shared::ports::Clock;
use shared::store::{Condition, ReadPatient, StoreError, WritePatient};

use crate::open::is_gone;

shared::ports! {
    /// Sends demographics to the one patient that may have them, within the rate budget.
    pub trait SendDemographics = WritePatient + FindPatient + CreatePatient + UpdatePatient
        + CountCall + TakeTurn + HeedLimits + Clock;
}

/// Who asks.
pub struct Person<'a> {
    /// The partition.
    pub owner: &'a OwnerId,
    /// What Metriport knows the person by.
    pub external_id: ExternalId,
    /// The facility that the patient belongs to.
    pub facility: &'a FacilityId,
}

/// Demographics that agree with the caller's token, and their hash under the owner key. [`link`] takes no others.
#[derive(Debug, Clone)]
pub struct CheckedDemographics {
    demographics: Demographics,
    hash: DemographicsHash,
}

impl CheckedDemographics {
    /// Checks each field that is tied to a claim.
    ///
    /// # Errors
    /// Refuses demographics that differ from a claim they are tied to.
    pub fn check(
        demographics: Demographics,
        rules: &ClaimRules,
        claims: &BTreeMap<String, String>,
        key: &OwnerKey,
    ) -> Result<Self, Error> {
        if !rules.hold(&demographics, claims) {
            return Err(Problem::new(Code::DemographicsMismatch).into());
        }
        let hash = key.demographics(&demographics)?;
        Ok(Self { demographics, hash })
    }
}

/// Links the person, or updates the patient; equal demographics change nothing.
///
/// How the rate budget stands comes back with it, if upstream was written to.
///
/// # Errors
/// Refuses a change while another one or a pull is under way, every conflict of links, and a write that the rate budget
/// has no place for.
pub async fn link(
    io: &(impl ReadPatient + SendDemographics),
    person: &Person<'_>,
    checked: CheckedDemographics,
) -> Result<(PatientSlot, Option<Allowance>), Error> {
    let CheckedDemographics { demographics, hash } = checked;
    let now = io.now();
    let slot = io.patient(person.owner).await?;
    let begun = match slot.begin(&person.external_id, &hash, now, io.timing()) {
        Beginning::Unchanged => return Ok((slot, None)),
        Beginning::Busy(until) => {
            let wait = now.until(until).as_secs() + 1;
            return Err(Problem::new(Code::PatientChanging).retry_after(wait).into());
        }
        Beginning::OtherExternalId => return Err(refused("the external id changed")),
        Beginning::Begun(begun) => begun,
    };
    io.begin_change(person.owner, &begun, now).await.map_err(not_begun)?;
    match send(io, person, &begun, demographics).await {
        Ok((patient, allowance)) => {
            let external_id = person.external_id.clone();
            let link = PatientLink {
                patient,
                external_id,
                demographics: hash,
            };
            Ok((finish(io, person, begun, link).await?, Some(allowance)))
        }
        Err(error) => {
            leave(io, person, begun, &error).await;
            Err(error)
        }
    }
}

fn not_begun(error: StoreError) -> Error {
    if error.lacks(Condition::PatientAsRead) {
        Problem::new(Code::PatientChanging).retry_after(1).into()
    } else if error.lacks(Condition::NoOpenRun) {
        Problem::new(Code::PatientLocked).retry_after(60).into()
    } else {
        error.into()
    }
}

/// Sends the demographics to the patient we know, or to the one there is or will be.
async fn send(
    io: &impl SendDemographics,
    person: &Person<'_>,
    begun: &PatientSlot,
    demographics: Demographics,
) -> Result<(PatientId, Allowance), Error> {
    let Some(link) = &begun.link else {
        return adopt_or_create(io, person, begun, demographics).await;
    };
    let allowance = io.place(Budget::PatientWrites, io.now()).await?;
    match update(io, person, &link.patient, demographics.clone()).await {
        Err(Error::Upstream(error)) if is_gone(&error) => adopt_or_create(io, person, begun, demographics).await,
        updated => Ok((updated?, allowance)),
    }
}

async fn finish(
    io: &(impl WritePatient + Clock),
    person: &Person<'_>,
    begun: PatientSlot,
    link: PatientLink,
) -> Result<PatientSlot, Error> {
    let done = begun.clone().finish(link);
    match io.end_change(person.owner, &done, io.now()).await {
        Ok(()) => Ok(done),
        Err(error) if error.lacks(Condition::PatientUnowned) => {
            let error = refused("the patient belongs to another person");
            leave(io, person, begun, &error).await;
            Err(error)
        }
        Err(error) => Err(error.into()),
    }
}

/// What upstream certainly did not do is as if it had not been asked; all else stays open until it is sent again. If
/// even that cannot be written, the intent stands until its lease ends, which is as safe.
async fn leave(io: &(impl WritePatient + Clock), person: &Person<'_>, begun: PatientSlot, error: &Error) {
    let now = io.now();
    let left = match error {
        // A search writes nothing, and it comes before what does.
        Error::Upstream(error) if error.effect() != Effect::Unknown || error.operation() == Operation::FindPatient => {
            begun.cancel(now)
        }
        Error::Upstream(error) if is_over(error) => begun.leave_open(now.plus(io.timing().retry_pause())),
        // The request may still be at work upstream: nothing else is sent before it must have ended.
        Error::Upstream(_) => begun.leave_open(now.plus(io.timing().patient_lease())),
        // The rate budget had no place: what would have been sent was not.
        Error::Refused(problem) if problem.code == Code::UpstreamBusy => begun.cancel(now),
        _ if begun.link.is_none() => begun.cancel(now),
        _ => begun.leave_open(now.plus(io.timing().retry_pause())),
    };
    if let Err(error) = io.end_change(person.owner, &left, now).await {
        tracing::warn!(context = %error, "an unfinished change of a patient was left as it was begun");
    }
}

/// Whether upstream has answered, be it with a failure: what it did, it has done. A gateway's time-out is no answer.
fn is_over(error: &UpstreamError) -> bool {
    error.status().is_some_and(|status| status != 504)
}

/// Updates the patient that carries our external id, or creates one. Either way there is a write, so whoever gets no
/// place for one does not look for the patient either.
async fn adopt_or_create(
    io: &impl SendDemographics,
    person: &Person<'_>,
    begun: &PatientSlot,
    demographics: Demographics,
) -> Result<(PatientId, Allowance), Error> {
    let allowance = io.place(Budget::PatientWrites, io.now()).await?;
    let now = io.now();
    if !io.count_call(Share::Person, now).await? {
        return Err(busy(midnight_after(now), now).into());
    }
    if let Some(found) = io.find_patient(&person.external_id).await? {
        claim(io, person, begun, &found.id).await?;
        return Ok((update(io, person, &found.id, demographics).await?, allowance));
    }
    let (facility, external_id) = (person.facility.clone(), person.external_id.clone());
    let new = NewPatient {
        facility,
        external_id,
        demographics,
    };
    let answer = io.create_patient(&new).await;
    let created = heeded(io, Budget::PatientWrites, answer, io.now()).await?;
    Ok((ours(created, person)?.id, allowance))
}

/// Makes sure that nobody else writes to the patient until our update must have ended.
async fn claim(
    io: &(impl WritePatient + Clock),
    person: &Person<'_>,
    begun: &PatientSlot,
    patient: &PatientId,
) -> Result<(), Error> {
    let now = io.now();
    let until = now.plus(io.timing().patient_lease());
    match io.claim_patient(person.owner, begun, patient, now, until).await {
        Err(error) if error.lacks(Condition::PatientUnowned) => Err(refused("the patient belongs to another person")),
        claimed => claimed.map_err(not_begun),
    }
}

async fn update(
    io: &(impl UpdatePatient + HeedLimits + Clock),
    person: &Person<'_>,
    patient: &PatientId,
    demographics: Demographics,
) -> Result<PatientId, Error> {
    let update = PatientUpdate {
        patient: patient.clone(),
        facility: person.facility.clone(),
        external_id: person.external_id.clone(),
        demographics,
    };
    let answer = io.update_patient(&update).await;
    let updated = heeded(io, Budget::PatientWrites, answer, io.now()).await?;
    Ok(ours(updated, person)?.id)
}

fn ours(patient: UnverifiedPatient, person: &Person<'_>) -> Result<Patient, Error> {
    patient
        .verify(&person.external_id)
        .map_err(|_foreign| refused("upstream returned another patient"))
}

/// The operator sees which conflict it was; the caller does not, since it may say something about another person.
fn refused(why: &'static str) -> Error {
    tracing::warn!(why, "patient link refused");
    Problem::new(Code::PatientLinkRefused).into()
}
