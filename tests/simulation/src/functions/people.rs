//! What persons ask for besides a pull: `identity-session`, `aal2-challenge`, and a record of another form
//! (`record-read`), as in those functions' sources.

use shared::Error;
use shared::domain::challenge::{ChallengeSlot, Pending};
use shared::domain::identity::{Identity, OpenSession, Standing};
use shared::domain::patient::{Beginning, PatientLink, PatientSlot};
use shared::domain::record::{NewRecord, Record};
use shared::domain::run::RecordPhase;
use shared::domain::{DemographicsHash, ExternalId, OwnerId, PatientId, ProofedIdentityId, RecordId, Time};
use shared::http::{Code, Problem};
use shared::metriport::{Effect, Operation, UpstreamErrorKind};
use shared::queue::announce_record;
use shared::store::{Condition, StoreError, WriteRecord};

use super::ATTEMPTS;
use super::dispatch::run::put_identity;
use crate::Sabotage;
use crate::ids::{self, opaque};
use crate::io::Io;
use crate::store::{Item, Key, Require, Write};
use crate::upstream::{self, Answer, Call, Patient};

type Outcome = Result<&'static str, Error>;

/// What Metriport knows a person by. The first and the third person come from different issuers with the same name, so
/// they race for one patient.
pub(crate) fn external_id(person: u8) -> ExternalId {
    opaque!(ExternalId, "name-{}", person % 2)
}

/// Demographics by number: equal numbers are equal people to Metriport.
pub(crate) fn demographics(number: u8) -> DemographicsHash {
    opaque!(DemographicsHash, "demographics-{number}")
}

pub(crate) async fn patient(io: &Io, owner: &OwnerId) -> Result<PatientSlot, StoreError> {
    let item = io.get(Key::Patient(owner.clone())).await?;
    Ok(item.and_then(|item| item.patient().cloned()).unwrap_or_default())
}

pub(crate) async fn identity(io: &Io, owner: &OwnerId) -> Result<Identity, StoreError> {
    let item = io.get(Key::Identity(owner.clone())).await?;
    Ok(item.and_then(|item| item.identity().cloned()).unwrap_or_default())
}

fn put_patient(owner: &OwnerId, slot: &PatientSlot) -> Write {
    let read = Require::Version(slot.version.saturating_sub(1));
    let key = Key::Patient(owner.clone());
    Write::put(Condition::PatientAsRead, read, key, Item::Patient(slot.clone()))
}

fn refused(code: Code) -> Error {
    Problem::new(code).into()
}

pub(crate) async fn link(io: &Io, person: u8, number: u8) -> Outcome {
    let now = io.now().await;
    let (owner, external, hash) = (ids::owner(person), external_id(person), demographics(number));
    let slot = patient(io, &owner).await?;
    let begun = match slot.begin(&external, &hash, now, io.timing) {
        Beginning::Unchanged => return Ok("unchanged"),
        Beginning::Busy(_) => return Err(refused(Code::PatientChanging)),
        Beginning::OtherExternalId => return Err(refused(Code::PatientLinkRefused)),
        Beginning::Begun(begun) => begun,
    };
    begin_change(io, &owner, &begun, now).await?;
    match send(io, &owner, &external, &begun, &hash).await {
        Ok(patient) => {
            let link = PatientLink {
                patient,
                external_id: external,
                demographics: hash,
            };
            let done = begun.clone().finish(link);
            let now = io.now().await;
            match end_change(io, &owner, &done, now).await {
                Ok(()) => Ok("linked"),
                Err(error) if error.lacks(Condition::PatientUnowned) => {
                    let error = refused(Code::PatientLinkRefused);
                    leave(io, &owner, begun, &error).await;
                    Err(error)
                }
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => {
            leave(io, &owner, begun, &error).await;
            Err(error)
        }
    }
}

async fn begin_change(io: &Io, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Result<(), StoreError> {
    let mut writes = vec![put_patient(owner, slot)];
    writes.extend(slot.link.as_ref().map(|link| {
        let key = Key::OpenRun(link.patient.clone());
        Write::check(Condition::NoOpenRun, Require::NothingAlive(now), key)
    }));
    io.commit(writes).await
}

/// Whose the patient is: for good, or for as long as a claim lasts.
fn put_owner(io: &Io, owner: &OwnerId, patient: &PatientId, now: Time, item: Item) -> Write {
    let require = match io.is(Sabotage::PatientShared) {
        true => Require::Anything,
        false => Require::NobodyElses(owner.clone(), now),
    };
    let key = Key::PatientOwner(patient.clone());
    Write::put(Condition::PatientUnowned, require, key, item)
}

async fn claim_patient(io: &Io, owner: &OwnerId, begun: &PatientSlot, patient: &PatientId) -> Result<(), StoreError> {
    let now = io.now().await;
    if io.by_owner(Key::PatientOwner(patient.clone())).await?.as_ref() == Some(owner) {
        return Ok(());
    }
    let claim = Item::Claim(owner.clone(), now.plus(io.timing.patient_lease()));
    let read = Require::Version(begun.version);
    io.commit(vec![
        put_owner(io, owner, patient, now, claim),
        Write::check(Condition::PatientAsRead, read, Key::Patient(owner.clone())),
    ])
    .await
}

async fn end_change(io: &Io, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Result<(), StoreError> {
    let mut writes = vec![put_patient(owner, slot)];
    writes.extend(slot.link.as_ref().map(|link| {
        let item = Item::Owner(owner.clone());
        put_owner(io, owner, &link.patient, now, item)
    }));
    io.commit(writes).await
}

async fn send(
    io: &Io,
    owner: &OwnerId,
    external: &ExternalId,
    begun: &PatientSlot,
    hash: &DemographicsHash,
) -> Result<PatientId, Error> {
    let Some(link) = &begun.link else {
        return adopt_or_create(io, owner, external, begun, hash).await;
    };
    match update(io, external, &link.patient, hash).await {
        Err(Error::Upstream(error)) if error.kind() == UpstreamErrorKind::NotFound => {
            adopt_or_create(io, owner, external, begun, hash).await
        }
        updated => updated,
    }
}

async fn adopt_or_create(
    io: &Io,
    owner: &OwnerId,
    external: &ExternalId,
    begun: &PatientSlot,
    hash: &DemographicsHash,
) -> Result<PatientId, Error> {
    let Answer::Patient(found) = io.upstream(Call::FindPatient(external.clone())).await? else {
        return Err(Error::Internal("no patient in the answer"));
    };
    if let Some(found) = found {
        claim(io, owner, begun, &found.id).await?;
        return update(io, external, &found.id, hash).await;
    }
    ours(
        io.upstream(Call::CreatePatient(external.clone(), hash.clone())).await?,
        external,
    )
}

async fn claim(io: &Io, owner: &OwnerId, begun: &PatientSlot, patient: &PatientId) -> Result<(), Error> {
    if io.is(Sabotage::ClaimAfterUpdate) {
        return Ok(());
    }
    match claim_patient(io, owner, begun, patient).await {
        Err(error) if error.lacks(Condition::PatientUnowned) => Err(refused(Code::PatientLinkRefused)),
        Err(error) if error.lacks(Condition::PatientAsRead) => Err(refused(Code::PatientChanging)),
        claimed => Ok(claimed?),
    }
}

async fn update(
    io: &Io,
    external: &ExternalId,
    patient: &PatientId,
    hash: &DemographicsHash,
) -> Result<PatientId, Error> {
    let answer = io.upstream(Call::UpdatePatient(patient.clone(), hash.clone())).await?;
    ours(answer, external)
}

fn ours(answer: Answer, external: &ExternalId) -> Result<PatientId, Error> {
    match answer {
        Answer::Patient(Some(Patient {
            id, external: theirs, ..
        })) if theirs == *external => Ok(id),
        _ => Err(refused(Code::PatientLinkRefused)),
    }
}

async fn leave(io: &Io, owner: &OwnerId, begun: PatientSlot, error: &Error) {
    let now = io.now().await;
    let left = match error {
        Error::Upstream(error) if error.effect() != Effect::Unknown || error.operation() == Operation::FindPatient => {
            begun.cancel(now)
        }
        Error::Upstream(error) if error.status().is_some_and(|status| status != 504) => {
            begun.leave_open(now.plus(io.timing.retry_pause()))
        }
        Error::Upstream(_) => begun.leave_open(now.plus(io.timing.patient_lease())),
        _ if begun.link.is_none() => begun.cancel(now),
        _ => begun.leave_open(now.plus(io.timing.retry_pause())),
    };
    // If even that cannot be written, the intent stands until its lease ends.
    drop(end_change(io, owner, &left, now).await);
}

pub(crate) async fn open_session(io: &Io, person: u8, mark: &str) -> Outcome {
    let now = io.now().await;
    let owner = ids::owner(person);
    let slot = patient(io, &owner).await?;
    let link = slot.settled()?;
    let identity = identity(io, &owner).await?;
    if let Standing::Verified(_) = identity.standing(&link.patient, &link.demographics, now, io.timing) {
        return Err(refused(Code::IdentityAlreadyVerified));
    }
    let call = Call::OpenSession(link.patient.clone(), mark.to_owned());
    let Answer::Session(id, expires_at) = io.upstream(call).await? else {
        return Err(Error::Internal("no session in the answer"));
    };
    let open = OpenSession {
        id: id.clone(),
        patient: link.patient.clone(),
        demographics: link.demographics.clone(),
        expires_at,
        mark: mark.to_owned(),
    };
    let row = || Item::Owner(owner.clone());
    let new = |key, item| Write::put(Condition::RowNew, Require::Nothing, key, item);
    io.commit(vec![
        put_identity(&owner, identity.open(open)),
        new(Key::Session(id), row()),
        new(Key::Mark(mark.to_owned()), row()),
        Write::check(
            Condition::PatientAsRead,
            Require::Version(slot.version),
            Key::Patient(owner.clone()),
        ),
    ])
    .await?;
    Ok("session opened")
}

pub(crate) async fn open_challenge(io: &Io, person: u8) -> Outcome {
    let now = io.now().await;
    let owner = ids::owner(person);
    let slot = patient(io, &owner).await?;
    let link = slot.settled()?;
    let identity = identity(io, &owner).await?;
    let Standing::Verified(proofed) = identity.standing(&link.patient, &link.demographics, now, io.timing) else {
        return Err(refused(Code::IdentityNotVerified));
    };
    let challenges = io.challenge(&owner).await?;
    let (id, expires_at) = match io.upstream(Call::OpenChallenge(proofed.clone())).await {
        Ok(Answer::Challenge(id, expires_at)) => (id, expires_at),
        Ok(_) => return Err(Error::Internal("no challenge in the answer")),
        Err(error) if error.rejects_identity() => {
            reject_identity(io, &owner, &proofed, now).await?;
            return Err(refused(Code::IdentityRejected));
        }
        Err(error) => return Err(error.into()),
    };
    let pending = Pending {
        id,
        proofed_identity: proofed,
        patient: link.patient.clone(),
        expires_at,
    };
    keep(io, &owner, challenges, pending).await?;
    Ok("challenge opened")
}

async fn keep(io: &Io, owner: &OwnerId, mut read: ChallengeSlot, pending: Pending) -> Result<(), StoreError> {
    let mut tries = 1;
    loop {
        let slot = read.open(pending.clone());
        let write = Write::put(
            Condition::ChallengeAsRead,
            Require::Version(slot.version.saturating_sub(1)),
            Key::Challenge(owner.clone()),
            Item::Challenge(slot),
        );
        match io.commit(vec![write]).await {
            Err(StoreError::Conflict(_)) if tries < ATTEMPTS => tries += 1,
            written => return written,
        }
        read = io.challenge(owner).await?;
    }
}

pub(crate) async fn reject_identity(
    io: &Io,
    owner: &OwnerId,
    rejected: &ProofedIdentityId,
    now: Time,
) -> Result<(), StoreError> {
    let Some(identity) = identity(io, owner).await?.reject(rejected, now) else {
        return Ok(());
    };
    match io.commit(vec![put_identity(owner, identity)]).await {
        Err(error) if error.lacks(Condition::IdentityAsRead) => Ok(()),
        written => written,
    }
}

pub(crate) async fn ask_record(io: &Io, person: u8, id: RecordId, variant: u8) -> Outcome {
    let now = io.now().await;
    let owner = ids::owner(person);
    let slot = patient(io, &owner).await?;
    let link = slot.settled()?;
    let identity = identity(io, &owner).await?;
    let standing = identity.standing(&link.patient, &link.demographics, now, io.timing);
    if !matches!(standing, Standing::Verified(_)) {
        return Err(refused(Code::IdentityNotVerified));
    }
    let new = NewRecord {
        id,
        run: None,
        phase: RecordPhase::Asked,
        patient: link.patient.clone(),
        asked: upstream::asked(variant),
    };
    let record = Record::ask(new, now, io.timing);
    io.create_record(&owner, &record).await?;
    match announce_record(io, &owner, &record, now).await {
        Ok(()) => Ok("accepted"),
        Err(_sent_by_the_reconciler) => Ok("accepted, not announced"),
    }
}
