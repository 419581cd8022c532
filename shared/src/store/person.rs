//! A person's link to a Metriport patient, their identity, and their challenge.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::table::Item;
use super::transaction::Replaces;
use super::{Condition, Correlate, Result, Table, keys, table};
use crate::domain::challenge::ChallengeSlot;
use crate::domain::identity::{Identity, OpenSession};
use crate::domain::log::{Access, Actor, LogEntry};
use crate::domain::patient::PatientSlot;
use crate::domain::person_root::{Grant, PersonRoot};
use crate::domain::retention::{CORRELATION_DAYS, RetentionCheck};
use crate::domain::{OwnerId, PatientId, ProofedIdentityId, Time};
use crate::ports::port;

/// The time to live of correlation rows, and of rows of seen messages and used sessions, in seconds since the epoch.
pub(super) fn ttl(now: Time) -> aws_sdk_dynamodb::types::AttributeValue {
    table::number(now.seconds_ceil() + i64::from(CORRELATION_DAYS) * 86_400)
}

/// A row that correlates a webhook with its person.
#[derive(Serialize, Deserialize)]
pub(super) struct OwnerRow {
    pub(super) owner: OwnerId,
}

/// The owner of a patient. A row with a deadline is only a claim, which another person may take over after the
/// deadline.
#[derive(Serialize, Deserialize)]
pub(super) struct PatientOwnerRow {
    owner: OwnerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Time>,
}

impl PatientOwnerRow {
    /// The owner, unless this is only a claim.
    pub(super) fn settled(self) -> Option<OwnerId> {
        match self.deadline {
            None => Some(self.owner),
            Some(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockRow {
    pub(super) owner: OwnerId,
    pub(super) holder: String,
    pub(super) deadline: Time,
}

port! {
    /// Reads a person's patient.
    pub trait ReadPatient via HasStore {
        /// The link and its unfinished change; an empty slot if nothing is stored.
        async fn patient(&self, owner: &OwnerId) -> Result<PatientSlot>;
    }
}

port! {
    /// Writes a person's patient.
    pub trait WritePatient via HasStore {
        /// Stores the intent to change the patient, under the person's grant. Call this before anything is sent to
        /// Metriport. Fails while the patient has an open pull ([`Condition::NoOpenPull`]).
        async fn begin_change(&self, owner: &OwnerId, slot: &PatientSlot, grant: Grant, now: Time) -> Result<()>;
        /// Stores that a patient is about to be created, under the person's grant. Call this before the creation is
        /// sent, so that a patient whose creation has no answer counts as created here. Fails if the change is no
        /// longer the one that was begun ([`Condition::PatientAsRead`]).
        async fn begin_creation(&self, owner: &OwnerId, slot: &PatientSlot, grant: Grant) -> Result<()>;
        /// Claims a patient that was found at Metriport, until `until`. Call this before an update is sent. If the
        /// person owns the patient already, nothing is written. Fails if
        ///
        /// - another person owns or claims the patient ([`Condition::PatientUnowned`]),
        /// - the person's change is no longer the one that was begun ([`Condition::PatientAsRead`]).
        async fn claim_patient(
            &self,
            owner: &OwnerId,
            begun: &PatientSlot,
            patient: &PatientId,
            now: Time,
            until: Time,
        ) -> Result<()>;
        /// Stores the end of a change, makes the person the owner of the linked patient, and plans the first check of
        /// their records. Fails if another person owns or claims the patient ([`Condition::PatientUnowned`]).
        async fn end_change(&self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Result<()>;
        /// Stores the end of a successful change like [`WritePatient::end_change`], and logs the access `what`.
        async fn finish_change(
            &self,
            owner: &OwnerId,
            slot: &PatientSlot,
            what: Access,
            actor: &Actor,
            now: Time,
        ) -> Result<()>;
    }
}

port! {
    /// Reads a person's identity.
    pub trait ReadIdentity via HasStore {
        /// The identity; an empty one if nothing is stored.
        async fn identity(&self, owner: &OwnerId) -> Result<Identity>;
    }
}

port! {
    /// Reads a person's patient, identity and root in one request.
    pub trait ReadPerson via HasStore {
        /// The patient, the identity and the root, as [`ReadPatient::patient`], [`ReadIdentity::identity`] and
        /// [`ReadRoot::root`](super::ReadRoot::root) read them.
        async fn person(&self, owner: &OwnerId) -> Result<(PatientSlot, Identity, PersonRoot)>;
    }
}

/// The patient and the grant on which an identity session depends.
#[derive(Debug, Clone, Copy)]
pub struct SessionGrounds<'a> {
    /// The patient, as it was read.
    pub patient: &'a PatientSlot,
    /// The person's grant.
    pub grant: Grant,
}

port! {
    /// Writes a person's identity.
    pub trait WriteIdentity via HasStore {
        /// Stores an identity with a newly opened session, and the rows that correlate the session's webhooks. Logs the
        /// access. Fails if the identity ([`Condition::IdentityAsRead`]) or the patient ([`Condition::PatientAsRead`])
        /// has changed since it was read, or if the grant has ended.
        async fn put_identity_session(
            &self,
            owner: &OwnerId,
            identity: &Identity,
            session: &OpenSession,
            grounds: SessionGrounds<'_>,
            actor: &Actor,
            now: Time,
        ) -> Result<()>;
    }
}

port! {
    /// Marks proofed identities as rejected; see [`reject_identity`].
    pub trait RejectIdentity via HasStore {
        /// Stores a rejected identity over the previous version.
        async fn put_rejected(&self, owner: &OwnerId, identity: &Identity) -> Result<()>;
    }
}

port! {
    /// Reads a person's challenge.
    pub trait ReadChallenge via HasStore {
        /// The challenge; an empty slot if nothing is stored.
        async fn challenge(&self, owner: &OwnerId) -> Result<ChallengeSlot>;
    }
}

port! {
    /// Writes a person's challenge.
    pub trait WriteChallenge via HasStore {
        /// Stores the slot with a newly opened challenge over the previous version, and logs the access. `method` is
        /// the challenge's second factor, or empty. Fails if the grant has ended.
        async fn put_challenge(
            &self,
            owner: &OwnerId,
            slot: &ChallengeSlot,
            grant: Grant,
            method: &str,
            actor: &Actor,
            now: Time,
        ) -> Result<()>;
    }
}

impl ReadPatient for Table {
    async fn patient(&self, owner: &OwnerId) -> Result<PatientSlot> {
        Ok(self.get(keys::patient(owner), "patient").await?.unwrap_or_default())
    }
}

impl WritePatient for Table {
    async fn begin_change(&self, owner: &OwnerId, slot: &PatientSlot, grant: Grant, now: Time) -> Result<()> {
        let transaction = self.transaction().put_patient(owner, slot)?;
        let transaction = match &slot.link {
            Some(_) => transaction.check_grant(owner, grant)?,
            None => transaction.keep_root(owner, grant)?,
        };
        match &slot.link {
            Some(link) => {
                transaction
                    .check_unlocked(Condition::NoOpenPull, keys::open_pull(&link.patient), now)?
                    .commit()
                    .await
            }
            None => transaction.commit().await,
        }
    }

    async fn begin_creation(&self, owner: &OwnerId, slot: &PatientSlot, grant: Grant) -> Result<()> {
        self.transaction()
            .put_patient(owner, slot)?
            .check_grant(owner, grant)?
            .commit()
            .await
    }

    async fn claim_patient(
        &self,
        owner: &OwnerId,
        begun: &PatientSlot,
        patient: &PatientId,
        now: Time,
        until: Time,
    ) -> Result<()> {
        // If the person owns the patient already, nothing is written: the write would turn the ownership into a claim
        // that expires.
        if self.by_patient(patient).await?.as_ref() == Some(owner) {
            return Ok(());
        }
        self.transaction()
            .put_owner(owner, patient, now, Some(until))?
            .check(Condition::PatientAsRead, keys::patient(owner), begun.version)?
            .commit()
            .await
    }

    async fn end_change(&self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Result<()> {
        self.transaction().put_end_of_change(owner, slot, now)?.commit().await
    }

    async fn finish_change(
        &self,
        owner: &OwnerId,
        slot: &PatientSlot,
        what: Access,
        actor: &Actor,
        now: Time,
    ) -> Result<()> {
        self.transaction()
            .put_end_of_change(owner, slot, now)?
            .put_log(owner, &self.log_entry(what, actor, now)?)?
            .commit()
            .await
    }
}

impl super::transaction::Transaction<'_> {
    fn put_end_of_change(self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Result<Self> {
        let transaction = self.put_patient(owner, slot)?;
        // If the person owns the patient already, the row is rewritten unchanged. This spares a read.
        match &slot.link {
            Some(link) => transaction
                .put_owner(owner, &link.patient, now, None)?
                .put_retention_check(owner, &RetentionCheck::first(now), &Replaces::Anything),
            None => Ok(transaction),
        }
    }

    /// Makes the person the patient's owner, or its claimant until `deadline`.
    fn put_owner(self, owner: &OwnerId, patient: &PatientId, now: Time, deadline: Option<Time>) -> Result<Self> {
        let replaces = Replaces::NobodyElses(owner, now);
        let row = PatientOwnerRow {
            owner: owner.clone(),
            deadline,
        };
        self.put(
            Condition::PatientUnowned,
            &replaces,
            keys::patient_owner(patient),
            &row,
            [],
        )
    }

    pub(super) fn put_patient(self, owner: &OwnerId, slot: &PatientSlot) -> Result<Self> {
        let replaces = Replaces::Version(slot.version.saturating_sub(1));
        self.put(Condition::PatientAsRead, &replaces, keys::patient(owner), slot, [])
    }
}

impl ReadIdentity for Table {
    async fn identity(&self, owner: &OwnerId) -> Result<Identity> {
        Ok(self.get(keys::identity(owner), "identity").await?.unwrap_or_default())
    }
}

impl ReadPerson for Table {
    async fn person(&self, owner: &OwnerId) -> Result<(PatientSlot, Identity, PersonRoot)> {
        let partition = keys::owner_partition(owner);
        // The range also holds the person's short list of open records.
        let mut items = self.between(partition, keys::IDENTITY, keys::ROOT).await?;
        Ok((
            take(&mut items, keys::PATIENT, "patient")?,
            take(&mut items, keys::IDENTITY, "identity")?,
            take(&mut items, keys::ROOT, "root")?,
        ))
    }
}

/// The item with this sort key; an empty value if there is none.
pub(super) fn take<T: DeserializeOwned + Default>(
    items: &mut HashMap<String, Item>,
    sort_key: &str,
    what: &'static str,
) -> Result<T> {
    let item = items.remove(sort_key).map(|item| table::from_item(item, what));
    Ok(item.transpose()?.unwrap_or_default())
}

impl WriteIdentity for Table {
    async fn put_identity_session(
        &self,
        owner: &OwnerId,
        identity: &Identity,
        session: &OpenSession,
        grounds: SessionGrounds<'_>,
        actor: &Actor,
        now: Time,
    ) -> Result<()> {
        let replaces = Replaces::Version(identity.version.saturating_sub(1));
        let row = OwnerRow { owner: owner.clone() };
        let correlation = keys::identity_session(&session.id);
        let marked = keys::identity_mark(&session.mark);
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
            .put(Condition::RowNew, &Replaces::Nothing, marked, &row, [("ttl", ttl(now))])?
            .check(Condition::PatientAsRead, keys::patient(owner), grounds.patient.version)?
            .check_grant(owner, grounds.grant)?
            .put_log(owner, &self.log_entry(Access::SessionOpened, actor, now)?)?
            .commit()
            .await
    }
}

impl RejectIdentity for Table {
    async fn put_rejected(&self, owner: &OwnerId, identity: &Identity) -> Result<()> {
        let replaces = Replaces::Version(identity.version.saturating_sub(1));
        let (key, transaction) = (keys::identity(owner), self.transaction());
        transaction
            .put(Condition::IdentityAsRead, &replaces, key, identity, [])?
            .commit()
            .await
    }
}

/// Marks the stored proofed identity as rejected, if it is the one that Metriport no longer accepts.
///
/// # Errors
/// Fails if the table fails.
pub async fn reject_identity(
    io: &(impl ReadIdentity + RejectIdentity),
    owner: &OwnerId,
    rejected: &ProofedIdentityId,
    now: Time,
) -> Result<()> {
    let Some(identity) = io.identity(owner).await?.reject(rejected, now) else {
        return Ok(());
    };
    match io.put_rejected(owner, &identity).await {
        // Another process wrote the identity first, and its write is newer than the rejection.
        Err(error) if error.lacks(Condition::IdentityAsRead) => Ok(()),
        written => written,
    }
}

impl ReadChallenge for Table {
    async fn challenge(&self, owner: &OwnerId) -> Result<ChallengeSlot> {
        Ok(self.get(keys::challenge(owner), "challenge").await?.unwrap_or_default())
    }
}

impl WriteChallenge for Table {
    async fn put_challenge(
        &self,
        owner: &OwnerId,
        slot: &ChallengeSlot,
        grant: Grant,
        method: &str,
        actor: &Actor,
        now: Time,
    ) -> Result<()> {
        let replaces = Replaces::Version(slot.version.saturating_sub(1));
        let entry = LogEntry {
            method: Some(method.to_owned()).filter(|method| !method.is_empty()),
            ..self.log_entry(Access::ChallengeOpened, actor, now)?
        };
        self.transaction()
            .put(Condition::ChallengeAsRead, &replaces, keys::challenge(owner), slot, [])?
            .check_grant(owner, grant)?
            .put_log(owner, &entry)?
            .commit()
            .await
    }
}
