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
//!
//! A refusal must not become a way to ask who is a patient. A person gets few of them in an hour, and one that comes
//! before the write upstream takes as long as if it had been made.

mod send;

use std::collections::BTreeMap;

use shared::Error;
use shared::domain::budget::Allowance;
use shared::domain::claims::ClaimRules;
use shared::domain::patient::{Beginning, LinkConflict, PatientLink, PatientSlot};
use shared::domain::{Demographics, DemographicsHash, ExternalId, FacilityId, OwnerId};
use shared::edge::budget::{CountCall, HeedLimits, TakeTurn};
use shared::edge::http::{Code, Problem};
use shared::metriport::{CreatePatient, Effect, FindPatient, Operation, UpdatePatient, UpstreamError};
use shared::owner::OwnerKey;
use shared::ports::{Clock, Pause};
use shared::store::{Condition, ReadPatient, StoreError, WritePatient};

use send::send;

/// Refusals of a write that has not begun.
const NO_TURN: [Code; 2] = [Code::TooManyRequests, Code::UpstreamBusy];

shared::ports! {
    /// Sends demographics to the one patient that may have them, within the rate budget.
    pub trait SendDemographics = WritePatient + FindPatient + CreatePatient + UpdatePatient
        + CountCall + TakeTurn + HeedLimits + ReportConflict + Clock + Pause;
}

/// Lets the operator see conflicts of links.
pub trait ReportConflict {
    /// Reports one. The caller is not shown which it was.
    fn report_conflict(&self, conflict: LinkConflict);
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
/// Returns how the person's share stands, too, if upstream was written to.
///
/// # Errors
/// Refuses a change while another one or a pull is under way, every conflict of links, a person who has used up their
/// share, and a write that the rate budget has no place for.
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
        Beginning::OtherExternalId => return Err(refused(io, LinkConflict::ExternalIdChanged).into()),
        Beginning::RefusedUntil(until) => {
            let wait = now.until(until).as_secs() + 1;
            return Err(refused(io, LinkConflict::RefusedTooOften).retry_after(wait).into());
        }
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

async fn finish(
    io: &(impl WritePatient + ReportConflict + Clock),
    person: &Person<'_>,
    begun: PatientSlot,
    link: PatientLink,
) -> Result<PatientSlot, Error> {
    let done = begun.clone().finish(link);
    match io.end_change(person.owner, &done, io.now()).await {
        Ok(()) => Ok(done),
        Err(error) if error.lacks(Condition::PatientUnowned) => {
            let error = refused(io, LinkConflict::PatientOwned).into();
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
        // The person's share or the rate budget had no room: what would have been sent was not.
        Error::Refused(problem) if NO_TURN.contains(&problem.code) => begun.cancel(now),
        _ if begun.link.is_none() => begun.cancel(now),
        _ => begun.leave_open(now.plus(io.timing().retry_pause())),
    };
    let left = match error {
        Error::Refused(problem) if problem.code == Code::PatientLinkRefused => left.refuse(now, io.timing()),
        _ => left,
    };
    if let Err(error) = io.end_change(person.owner, &left, now).await {
        tracing::warn!(context = %error, "an unfinished change of a patient was left as it was begun");
    }
}

/// Whether upstream has answered, be it with a failure: what it did, it has done. A gateway's time-out is no answer.
fn is_over(error: &UpstreamError) -> bool {
    error.status().is_some_and(|status| status != 504)
}

/// The one answer to every conflict.
fn refused(io: &impl ReportConflict, conflict: LinkConflict) -> Problem {
    io.report_conflict(conflict);
    Problem::new(Code::PatientLinkRefused)
}
