//! Links the caller to a Metriport patient, and keeps the patient's demographics as the person says they are.
//!
//! Creating a patient upstream may return an existing one whose demographics are alike, so nothing but the `externalId`
//! that comes back says whose it is: anything else than ours is refused, and every conflict has one and the same answer.
//! A create whose outcome is unknown is safe to repeat: the next attempt finds the patient by our `externalId`.

use std::collections::BTreeMap;

use shared::Error;
use shared::domain::demographics::DemographicsInput;
use shared::domain::{Demographics, DemographicsHash, ExternalId, OwnerId, PatientId, Time};
use shared::http::{Code, Problem};
use shared::metriport::{
    CreatePatient, FindPatient, NewPatient, Patient, PatientUpdate, UnverifiedPatient, UpdatePatient, UpstreamError,
    UpstreamErrorKind,
};
use shared::store::{Condition, NewLink, PatientLink, ReadPatient, StoreError, WritePatient};

use crate::Deps;

/// Who asks.
pub struct Person<'a> {
    /// The partition.
    pub owner: &'a OwnerId,
    /// What Metriport knows the person by.
    pub external_id: ExternalId,
    /// What the token says.
    pub claims: &'a BTreeMap<String, String>,
}

/// Links the person, or updates the patient; equal demographics change nothing.
///
/// # Errors
/// Refuses malformed demographics, those that differ from the token's claims, and every conflict of links.
pub async fn link(deps: &Deps, person: &Person<'_>, input: DemographicsInput, now: Time) -> Result<PatientLink, Error> {
    let demographics =
        Demographics::parse(input, now).map_err(|errors| Problem::new(Code::InvalidRequest).errors(errors))?;
    if !deps.claim_rules.hold(&demographics, person.claims) {
        return Err(Problem::new(Code::DemographicsMismatch).into());
    }
    let hash = deps.owner_key.demographics(&demographics)?;
    match deps.table.patient(person.owner).await? {
        Some(link) if link.external_id != person.external_id => Err(refused("the external id changed")),
        Some(link) if link.demographics == hash => Ok(link),
        Some(link) => {
            let patient = update(deps, person, &link.patient, demographics).await?;
            store(deps, person, patient, hash, link.version).await
        }
        None => {
            let patient = adopt_or_create(deps, person, demographics).await?;
            store(deps, person, patient, hash, 0).await
        }
    }
}

async fn adopt_or_create(deps: &Deps, person: &Person<'_>, demographics: Demographics) -> Result<PatientId, Error> {
    if let Some(found) = deps.metriport.find_patient(&person.external_id).await? {
        return update(deps, person, &found.id, demographics).await;
    }
    let (facility, external_id) = (deps.facility.clone(), person.external_id.clone());
    let created = deps
        .metriport
        .create_patient(&NewPatient {
            facility,
            external_id,
            demographics,
        })
        .await?;
    Ok(ours(created, person)?.id)
}

async fn update(
    deps: &Deps,
    person: &Person<'_>,
    patient: &PatientId,
    demographics: Demographics,
) -> Result<PatientId, Error> {
    let update = PatientUpdate {
        patient: patient.clone(),
        facility: deps.facility.clone(),
        external_id: person.external_id.clone(),
        demographics,
        if_match: None,
    };
    let updated = deps.metriport.update_patient(&update).await.map_err(not_updated)?;
    Ok(ours(updated, person)?.id)
}

fn not_updated(error: UpstreamError) -> Error {
    match error.kind() {
        UpstreamErrorKind::Locked => Problem::new(Code::PatientLocked).retry_after(60).into(),
        UpstreamErrorKind::NotFound | UpstreamErrorKind::PatientNotFound => refused("the patient is gone upstream"),
        _ => error.into(),
    }
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

async fn store(
    deps: &Deps,
    person: &Person<'_>,
    patient: PatientId,
    demographics: DemographicsHash,
    read_version: u64,
) -> Result<PatientLink, Error> {
    let external_id = person.external_id.clone();
    let link = PatientLink {
        patient,
        external_id,
        demographics,
        version: read_version + 1,
    };
    match deps
        .table
        .link_patient(
            person.owner,
            &NewLink {
                link: link.clone(),
                read_version,
            },
        )
        .await
    {
        Ok(()) => Ok(link),
        Err(error) if error.lacks(Condition::PatientUnowned) => Err(refused("the patient belongs to another person")),
        Err(error) => after_race(deps, person, &link, error).await,
    }
}

/// Another request of the same person was faster. If it wrote the same link, both succeeded.
async fn after_race(
    deps: &Deps,
    person: &Person<'_>,
    link: &PatientLink,
    error: StoreError,
) -> Result<PatientLink, Error> {
    match deps.table.patient(person.owner).await? {
        Some(found) if found.patient == link.patient && found.demographics == link.demographics => Ok(found),
        _ => Err(error.into()),
    }
}
