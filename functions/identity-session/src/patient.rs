//! Links the caller to a Metriport patient and keeps the patient's demographics as the person states them.
//!
//! The intent to change the patient is stored before the first call to Metriport, and stays until the outcome is
//! certain. Until then the person does not count as verified, and the next attempt sends the demographics again, even
//! unchanged ones. Metriport may answer a create with an existing patient whose demographics are similar. Only the
//! returned `externalId` shows whose patient it is. Any `externalId` but ours is refused, and the caller gets the same
//! answer for every conflict. A create whose outcome is unknown is safe to repeat, since the next attempt finds the
//! patient by our `externalId`.
//!
//! Two persons may send the same `externalId` at the same moment. A found patient is therefore claimed in the table
//! before any write to Metriport. The second person is refused before they overwrite the first person's demographics. A
//! claim has these effects:
//!
//! - It does not block the person who made it.
//! - After a crash or a refused update, it blocks other persons until it expires, as the intent does.
//! - A finished change turns it into the ownership of the patient.
//!
//! A refusal must not reveal that another person is a patient. A person therefore gets few refusals in an hour. A
//! refusal before the write is delayed by about the time that the write would take.

mod send;

use std::collections::BTreeMap;

use shared::Error;
use shared::domain::budget::Allowance;
use shared::domain::claims::ClaimRules;
use shared::domain::log::Actor;
use shared::domain::patient::{
    Beginning, FingerprintKey, LinkConflict, PatientDetails, PatientFingerprint, PatientLink, PatientSlot,
};
use shared::domain::{DemographicsHash, ExternalId, FacilityId, OwnerId, RecordFolder};
use shared::edge::budget::{CountCall, PauseCalls, TakeTurn};
use shared::edge::consented;
use shared::edge::http::{Code, Problem};
use shared::metriport::{CreatePatient, Effect, FindPatient, Operation, UpdatePatient, UpstreamError};
use shared::owner::OwnerKey;
use shared::ports::{Clock, ConsentTerms, Pause};
use shared::store::{Condition, ReadPerson, StoreError, WritePatient};

use send::send;

/// Codes of refusals for lack of a share or place, which come before a write is sent to Metriport.
const NO_TURN: [Code; 2] = [Code::TooManyRequests, Code::UpstreamBusy];

shared::ports! {
    /// Sends demographics to the person's one patient, within the rate budget.
    pub trait SendDemographics = WritePatient + FindPatient + CreatePatient + UpdatePatient
        + CountCall + TakeTurn + PauseCalls + ReportConflict + Clock + Pause;
}

/// Reports link conflicts to the operator.
pub trait ReportConflict {
    /// Reports a conflict. The caller does not learn which one it is.
    fn report_conflict(&self, conflict: LinkConflict);
}

/// The caller.
pub struct Person<'a> {
    /// The caller's owner id.
    pub owner: &'a OwnerId,
    /// The caller as the access log names them.
    pub actor: &'a Actor,
    /// The caller's id at Metriport.
    pub external_id: ExternalId,
    /// The facility of the patient.
    pub facility: &'a FacilityId,
}

/// Random values that are stored with a link.
pub struct LinkSecrets {
    /// The folder of the person's records, if they have none yet.
    pub folder: RecordFolder,
    /// The key of the fingerprint of their demographics.
    pub key: FingerprintKey,
}

/// Details whose demographics agree with the caller's token, and their hash under the owner key. [`link`] accepts
/// no others.
#[derive(Debug, Clone)]
pub struct CheckedDemographics {
    details: PatientDetails,
    hash: DemographicsHash,
}

impl CheckedDemographics {
    /// Checks each bound field.
    ///
    /// # Errors
    /// Refuses demographics that differ from a claim of the token to which they are bound.
    pub fn check(
        details: PatientDetails,
        rules: &ClaimRules,
        claims: &BTreeMap<String, String>,
        key: &OwnerKey,
    ) -> Result<Self, Error> {
        if !rules.hold(&details.demographics, claims) {
            return Err(Problem::new(Code::DemographicsMismatch).into());
        }
        let hash = key.demographics(&details.demographics)?;
        Ok(Self { details, hash })
    }
}

/// Links the person to a patient, or updates the linked patient. If the details equal those of the link, nothing is
/// sent to Metriport.
///
/// Also returns the state of the person's share, if demographics were sent.
///
/// # Errors
/// Fails in these cases:
/// - The person has not consented.
/// - A [`LinkConflict`] prevents the link.
/// - Another change of the patient, or a pull, is open.
/// - The person's share is used up, or the rate budget has no free place.
pub async fn link(
    io: &(impl ReadPerson + ConsentTerms + SendDemographics),
    person: &Person<'_>,
    checked: CheckedDemographics,
    secrets: LinkSecrets,
) -> Result<(PatientSlot, Option<Allowance>), Error> {
    let CheckedDemographics { mut details, hash } = checked;
    let now = io.now();
    let (slot, _, root) = io.person(person.owner).await?;
    let grant = consented(&root, io.consent_rule())?;
    // A request without an opt-out leaves the opt-out as it is.
    details.hie_opt_out = details.hie_opt_out.or(slot.hie_opt_out());
    let mut begun = match slot.begin(&person.external_id, (&hash, details.hie_opt_out), now, io.timing()) {
        Beginning::Unchanged => {
            let fingerprint = PatientFingerprint::of(&details.demographics, secrets.key, now);
            return Ok((complete(io, person, slot, fingerprint, secrets.folder).await?, None));
        }
        Beginning::Busy(until) => {
            let wait = now.until(until).as_secs() + 1;
            return Err(Problem::new(Code::PatientChanging).retry_after(wait).into());
        }
        Beginning::OtherExternalId => return Err(refused(io, LinkConflict::ExternalIdChanged).into()),
        Beginning::RefusedUntil(until) => {
            let wait = now.until(until).as_secs() + 1;
            return Err(refused(io, LinkConflict::RefusedTooOften).retry_after(wait).into());
        }
        Beginning::Begun(begun) => begun.in_folder(secrets.folder),
    };
    // Stored before any call, so that after a crash the next attempt sends the demographics again. A withdrawal of
    // consent after this write does not stop the change, because Metriport's data must not stay uncertain.
    io.begin_change(person.owner, &begun, grant, now)
        .await
        .map_err(not_begun)?;
    match send(io, person, (&mut begun, grant), details.clone()).await {
        Ok(sent) => {
            let link = PatientLink {
                patient: sent.patient.id,
                external_id: person.external_id.clone(),
                demographics: hash,
                hie_opt_out: sent.patient.hie_opt_out.or(details.hie_opt_out),
                fingerprint: Some(PatientFingerprint::of(&details.demographics, secrets.key, io.now())),
                created: sent.created,
            };
            Ok((finish(io, person, begun, link).await?, Some(sent.allowance)))
        }
        Err(error) => {
            leave(io, person, begun, &error).await;
            Err(error)
        }
    }
}

/// Adds fingerprint and folder to a link of an earlier version. This sends nothing to Metriport, so it leaves no entry
/// in the access log.
async fn complete(
    io: &(impl WritePatient + Clock),
    person: &Person<'_>,
    slot: PatientSlot,
    fingerprint: PatientFingerprint,
    folder: RecordFolder,
) -> Result<PatientSlot, Error> {
    let Some(complete) = slot.complete(fingerprint, folder) else {
        return Ok(slot);
    };
    let written = io.end_change(person.owner, &complete, io.now()).await;
    written.map_err(not_begun)?;
    Ok(complete)
}

fn not_begun(error: StoreError) -> Error {
    if error.lacks(Condition::PatientAsRead) {
        Problem::new(Code::PatientChanging).retry_after(1).into()
    } else if error.lacks(Condition::NoOpenPull) {
        Problem::new(Code::PatientLocked).retry_after(60).into()
    } else {
        error.into()
    }
}

async fn finish(
    io: &(impl WritePatient + ReportConflict + Clock),
    person: &Person<'_>,
    begun: PatientSlot,
    link: PatientLink,
) -> Result<PatientSlot, Error> {
    let what = begun.access(&link);
    let slot = begun.clone().finish(link);
    let finished = io.finish_change(person.owner, &slot, what, person.actor, io.now());
    match finished.await {
        Ok(()) => Ok(slot),
        Err(error) if error.lacks(Condition::PatientUnowned) => {
            let error = refused(io, LinkConflict::PatientOwned).into();
            leave(io, person, begun, &error).await;
            Err(error)
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends a change that failed. If Metriport certainly changed nothing, the change is cancelled. Otherwise it stays open
/// until the demographics are sent again. If this write fails, too, the intent in the table keeps the change open.
async fn leave(io: &(impl WritePatient + Clock), person: &Person<'_>, begun: PatientSlot, error: &Error) {
    let now = io.now();
    let left = match error {
        // The search changes nothing at Metriport, and comes before the write.
        Error::Upstream(error) if error.effect() != Effect::Unknown || error.operation() == Operation::FindPatient => {
            begun.cancel(now)
        }
        Error::Upstream(error) if is_over(error) => begun.leave_open(now.plus(io.timing().retry_pause())),
        // Metriport may still process the request. No other write is sent until Metriport must have finished.
        Error::Upstream(_) => begun.leave_open(now.plus(io.timing().patient_lease())),
        // The share or the rate budget had no room, so the write was not sent.
        Error::Refused(problem) if NO_TURN.contains(&problem.code) => begun.cancel(now),
        _ if begun.link.is_none() => begun.cancel(now),
        _ => begun.leave_open(now.plus(io.timing().retry_pause())),
    };
    let left = match error {
        Error::Refused(problem) if problem.code == Code::PatientLinkRefused => left.refuse(now, io.timing()),
        _ => left,
    };
    if let Err(error) = io.end_change(person.owner, &left, now).await {
        tracing::warn!(context = %error, "an unfinished change of a patient could not be ended");
    }
}

/// Whether Metriport has answered, even with a failure, and thus has ended its work. A 504 comes from the gateway, so
/// Metriport may still be at work.
fn is_over(error: &UpstreamError) -> bool {
    error.status().is_some_and(|status| status != 504)
}

/// Reports a conflict to the operator. The caller gets the same answer for every conflict.
fn refused(io: &impl ReportConflict, conflict: LinkConflict) -> Problem {
    io.report_conflict(conflict);
    Problem::new(Code::PatientLinkRefused)
}
