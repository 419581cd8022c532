//! What a person has: a link to a Metriport patient, an identity, a challenge.

use serde::{Deserialize, Serialize};

use super::transaction::Replaces;
use super::{Condition, Result, Table, keys, table};
use crate::domain::challenge::{ChallengeSlot, Held};
use crate::domain::identity::{Identity, OpenSession};
use crate::domain::run::{Run, RunEvent};
use crate::domain::{Aal2SessionHash, DemographicsHash, ExternalId, OwnerId, PatientId, ProofedIdentityId, Time};

/// How long rows that only serve correlation are kept.
const CORRELATION_DAYS: i64 = 90;

/// The row's time to live, in seconds since the epoch. Deletion may come late: nothing relies on it.
pub(super) fn ttl(now: Time) -> aws_sdk_dynamodb::types::AttributeValue {
    table::number(now.seconds_ceil() + CORRELATION_DAYS * 86_400)
}

/// A person's link to a Metriport patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientLink {
    /// The patient.
    pub patient: PatientId,
    /// What Metriport knows the person by.
    pub external_id: ExternalId,
    /// The demographics upstream holds, hashed.
    pub demographics: DemographicsHash,
    /// Counts every write.
    pub version: u64,
}

/// What is written when a link is made or its demographics change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// The link.
    pub link: PatientLink,
    /// The version that was read; 0 when there was none.
    pub read_version: u64,
}

/// A row that leads to a person.
#[derive(Serialize, Deserialize)]
pub(super) struct OwnerRow {
    pub(super) owner: OwnerId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsedRow<'a> {
    owner: &'a OwnerId,
    run: String,
}

/// A lock on a patient, with who holds it and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockRow {
    pub(super) owner: OwnerId,
    pub(super) holder: String,
    pub(super) deadline: Time,
}

/// Reads a person's patient link.
pub trait ReadPatient {
    /// The link, if there is one.
    fn patient(&self, owner: &OwnerId) -> impl Future<Output = Result<Option<PatientLink>>> + Send;
}

/// Writes a person's patient link.
pub trait WritePatient {
    /// Links the person; a patient that belongs to somebody else is refused ([`Condition::PatientUnowned`]).
    fn link_patient(&self, owner: &OwnerId, new: &NewLink) -> impl Future<Output = Result<()>> + Send;
}

/// Reads a person's identity.
pub trait ReadIdentity {
    /// The identity; an empty one if nothing is stored.
    fn identity(&self, owner: &OwnerId) -> impl Future<Output = Result<Identity>> + Send;
}

/// Writes a person's identity.
pub trait WriteIdentity {
    /// Stores an identity with a newly opened session, and the row that leads webhooks back to the person, provided
    /// that the patient link is still the one the session was opened for.
    fn open_identity_session(
        &self,
        owner: &OwnerId,
        identity: &Identity,
        session: &OpenSession,
        link: &PatientLink,
        now: Time,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Forgets proofed identities.
pub trait RejectIdentity {
    /// Forgets a proofed identity that upstream no longer takes, if it is the one that is stored.
    fn reject_identity(&self, owner: &OwnerId, rejected: &ProofedIdentityId)
    -> impl Future<Output = Result<()>> + Send;
}

/// Reads a person's challenge.
pub trait ReadChallenge {
    /// The challenge; an empty slot if nothing is stored.
    fn challenge(&self, owner: &OwnerId) -> impl Future<Output = Result<ChallengeSlot>> + Send;
}

/// Writes a person's challenge.
pub trait WriteChallenge {
    /// Stores it over the version before.
    fn put_challenge(&self, owner: &OwnerId, slot: &ChallengeSlot) -> impl Future<Output = Result<()>> + Send;
}

/// Accepts a pull.
pub trait AcceptRun {
    /// In one transaction: the challenge is used, the session is remembered as used, the patient is locked, and the run
    /// and its first timeline entry are written.
    fn accept_run(
        &self,
        owner: &OwnerId,
        slot: &ChallengeSlot,
        held: &Held,
        session: &Aal2SessionHash,
        run: &Run,
    ) -> impl Future<Output = Result<()>> + Send;
}

impl ReadPatient for Table {
    async fn patient(&self, owner: &OwnerId) -> Result<Option<PatientLink>> {
        self.get(keys::patient(owner), "patient link").await
    }
}

impl WritePatient for Table {
    async fn link_patient(&self, owner: &OwnerId, new: &NewLink) -> Result<()> {
        let row = OwnerRow { owner: owner.clone() };
        let owned = keys::patient_owner(&new.link.patient);
        // Re-linking after a failed attempt finds the row there, and ours: that is checked, not overwritten.
        if let Some(found) = self.get::<OwnerRow>(owned.clone(), "patient owner").await? {
            if found.owner != *owner {
                return Err(super::StoreError::Conflict(vec![Condition::PatientUnowned]));
            }
            return self.transaction().put_link(owner, new)?.commit().await;
        }
        let transaction = self
            .transaction()
            .put(Condition::PatientUnowned, &Replaces::Nothing, owned, &row, [])?;
        transaction.put_link(owner, new)?.commit().await
    }
}

impl super::transaction::Transaction<'_> {
    fn put_link(self, owner: &OwnerId, new: &NewLink) -> Result<Self> {
        let replaces = Replaces::Version(new.read_version);
        self.put(Condition::PatientAsRead, &replaces, keys::patient(owner), &new.link, [])
    }
}

impl ReadIdentity for Table {
    async fn identity(&self, owner: &OwnerId) -> Result<Identity> {
        Ok(self.get(keys::identity(owner), "identity").await?.unwrap_or_default())
    }
}

impl WriteIdentity for Table {
    async fn open_identity_session(
        &self,
        owner: &OwnerId,
        identity: &Identity,
        session: &OpenSession,
        link: &PatientLink,
        now: Time,
    ) -> Result<()> {
        let replaces = Replaces::Version(identity.version.saturating_sub(1));
        let row = OwnerRow { owner: owner.clone() };
        let correlation = keys::identity_session(&session.id);
        self.transaction()
            .put(
                Condition::IdentityAsRead,
                &replaces,
                keys::identity(owner),
                identity,
                [],
            )?
            .put(
                Condition::RowNew,
                &Replaces::Nothing,
                correlation,
                &row,
                [("ttl", ttl(now))],
            )?
            .check(Condition::PatientAsRead, keys::patient(owner), link.version)?
            .commit()
            .await
    }
}

impl RejectIdentity for Table {
    async fn reject_identity(&self, owner: &OwnerId, rejected: &ProofedIdentityId) -> Result<()> {
        let Some(identity) = self.identity(owner).await?.reject(rejected) else {
            return Ok(());
        };
        let replaces = Replaces::Version(identity.version.saturating_sub(1));
        let transaction = self.transaction();
        let written = transaction.put(Condition::IdentityAsRead, &replaces, keys::identity(owner), &identity, [])?;
        match written.commit().await {
            // Somebody changed it meanwhile: what is stored now is newer than the rejection.
            Err(error) if error.lacks(Condition::IdentityAsRead) => Ok(()),
            written => written,
        }
    }
}

impl ReadChallenge for Table {
    async fn challenge(&self, owner: &OwnerId) -> Result<ChallengeSlot> {
        Ok(self.get(keys::challenge(owner), "challenge").await?.unwrap_or_default())
    }
}

impl WriteChallenge for Table {
    async fn put_challenge(&self, owner: &OwnerId, slot: &ChallengeSlot) -> Result<()> {
        let replaces = Replaces::Version(slot.version.saturating_sub(1));
        let transaction = self.transaction();
        transaction
            .put(Condition::ChallengeAsRead, &replaces, keys::challenge(owner), slot, [])?
            .commit()
            .await
    }
}

impl AcceptRun for Table {
    async fn accept_run(
        &self,
        owner: &OwnerId,
        slot: &ChallengeSlot,
        held: &Held,
        session: &Aal2SessionHash,
        run: &Run,
    ) -> Result<()> {
        let now = run.created_at;
        let spent = slot.clone().spend(held.clone());
        let used = UsedRow {
            owner,
            run: run.id.to_string(),
        };
        let lock = LockRow {
            owner: owner.clone(),
            holder: run.id.to_string(),
            deadline: run.expires_at,
        };
        let read = Replaces::Version(slot.version);
        self.transaction()
            .put(Condition::ChallengeAsRead, &read, keys::challenge(owner), &spent, [])?
            .put(
                Condition::SessionUnused,
                &Replaces::Nothing,
                keys::used_aal2(session),
                &used,
                [("ttl", ttl(now))],
            )?
            .put(
                Condition::NoOpenRun,
                &Replaces::NothingAlive(now),
                keys::open_run(&run.patient),
                &lock,
                [],
            )?
            .put_run(owner, run, 0)?
            .put_entry(owner, run, None::<&RunEvent>, None, now)?
            .commit()
            .await
    }
}
