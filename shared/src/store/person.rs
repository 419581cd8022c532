//! A person's link to a Metriport patient, their identity, and their challenge.

use serde::{Deserialize, Serialize};

use super::transaction::Replaces;
use super::{Condition, Correlate, Result, StoreError, Table, keys, table};
use crate::domain::challenge::{ChallengeSlot, Held};
use crate::domain::identity::{Identity, OpenSession};
use crate::domain::patient::PatientSlot;
use crate::domain::pull::{Pull, PullEvent};
use crate::domain::{Aal2SessionHash, OwnerId, PatientId, ProofedIdentityId, Time};
use crate::metrics::Metric;
use crate::ports::port;

/// Days for which correlation rows, and rows of seen messages and used sessions, are kept.
const CORRELATION_DAYS: i64 = 90;

/// The row's time to live, in seconds since the epoch. DynamoDB may delete the row late, so no code relies on the
/// deletion.
pub(super) fn ttl(now: Time) -> aws_sdk_dynamodb::types::AttributeValue {
    table::number(now.seconds_ceil() + CORRELATION_DAYS * 86_400)
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsedRow<'a> {
    owner: &'a OwnerId,
    #[serde(rename = "run")]
    pull: String,
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
        /// Stores the intent to change the patient. Call this before anything is sent to Metriport. Fails while the
        /// patient has an open pull ([`Condition::NoOpenPull`]).
        async fn begin_change(&self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Result<()>;
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
        /// Stores the end of a change, and makes the person the owner of the linked patient. Fails if another person
        /// owns or claims the patient ([`Condition::PatientUnowned`]).
        async fn end_change(&self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Result<()>;
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
    /// Reads a person's patient and identity in one request.
    pub trait ReadPerson via HasStore {
        /// The patient and the identity, as [`ReadPatient::patient`] and [`ReadIdentity::identity`] read them.
        async fn person(&self, owner: &OwnerId) -> Result<(PatientSlot, Identity)>;
    }
}

port! {
    /// Writes a person's identity.
    pub trait WriteIdentity via HasStore {
        /// Stores an identity with a newly opened session, and the rows that correlate the session's webhooks. Fails if
        /// the identity ([`Condition::IdentityAsRead`]) or the patient ([`Condition::PatientAsRead`]) has changed since
        /// it was read.
        async fn put_identity_session(
            &self,
            owner: &OwnerId,
            identity: &Identity,
            session: &OpenSession,
            patient: &PatientSlot,
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
        /// Stores the slot over the previous version.
        async fn put_challenge(&self, owner: &OwnerId, slot: &ChallengeSlot) -> Result<()>;
    }
}

/// The items on which the acceptance of a pull depends, as they were read.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    /// The patient.
    pub patient: &'a PatientSlot,
    /// The identity.
    pub identity: &'a Identity,
    /// The challenge.
    pub challenge: &'a ChallengeSlot,
    /// The deadline of the patient's lock. It counts only if the pull never releases the lock.
    pub lock_until: Time,
}

port! {
    /// Accepts a pull.
    pub trait AcceptPull via HasStore {
        /// Whether the AAL2 session was used already.
        async fn is_session_used(&self, session: &Aal2SessionHash) -> Result<bool>;
        /// The deadline of the pull lock on the patient, if a pull holds one.
        async fn locked_until(&self, patient: &PatientId) -> Result<Option<Time>>;
        /// Uses up the challenge and the session, locks the patient, and writes the pull with its first timeline entry,
        /// in one transaction. Patient, identity and challenge must not have changed since they were read.
        async fn accept_pull(
            &self,
            owner: &OwnerId,
            grounds: Grounds<'_>,
            held: &Held,
            session: &Aal2SessionHash,
            pull: &Pull,
        ) -> Result<()>;
    }
}

impl ReadPatient for Table {
    async fn patient(&self, owner: &OwnerId) -> Result<PatientSlot> {
        Ok(self.get(keys::patient(owner), "patient").await?.unwrap_or_default())
    }
}

impl WritePatient for Table {
    async fn begin_change(&self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Result<()> {
        let transaction = self.transaction().put_patient(owner, slot)?;
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
        let transaction = self.transaction().put_patient(owner, slot)?;
        // If the person owns the patient already, the row is rewritten unchanged. This spares a read.
        match &slot.link {
            Some(link) => transaction.put_owner(owner, &link.patient, now, None)?.commit().await,
            None => transaction.commit().await,
        }
    }
}

impl super::transaction::Transaction<'_> {
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
    async fn person(&self, owner: &OwnerId) -> Result<(PatientSlot, Identity)> {
        let partition = keys::owner_partition(owner);
        // The range also holds the person's short list of open records.
        let mut items = self.between(partition, keys::IDENTITY, keys::PATIENT).await?;
        let mut take = |sort_key: &str| items.remove(sort_key);
        let identity = take(keys::IDENTITY).map(|item| table::from_item(item, "identity"));
        let patient = take(keys::PATIENT).map(|item| table::from_item(item, "patient"));
        Ok((
            patient.transpose()?.unwrap_or_default(),
            identity.transpose()?.unwrap_or_default(),
        ))
    }
}

impl WriteIdentity for Table {
    async fn put_identity_session(
        &self,
        owner: &OwnerId,
        identity: &Identity,
        session: &OpenSession,
        patient: &PatientSlot,
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
            .check(Condition::PatientAsRead, keys::patient(owner), patient.version)?
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
    async fn put_challenge(&self, owner: &OwnerId, slot: &ChallengeSlot) -> Result<()> {
        let replaces = Replaces::Version(slot.version.saturating_sub(1));
        let transaction = self.transaction();
        transaction
            .put(Condition::ChallengeAsRead, &replaces, keys::challenge(owner), slot, [])?
            .commit()
            .await
    }
}

/// Checks whether the session is unused and the patient has no open pull. A pull that would be refused thus takes no
/// slot of the rate budget. The result may be outdated: only the transaction of [`AcceptPull::accept_pull`] decides.
///
/// # Errors
/// Fails with [`StoreError::Conflict`] and the failed conditions, like [`AcceptPull::accept_pull`]. Also fails if the
/// table fails.
pub async fn can_accept(io: &impl AcceptPull, session: &Aal2SessionHash, patient: &PatientId, now: Time) -> Result<()> {
    let (was_used, until) = futures_util::try_join!(io.is_session_used(session), io.locked_until(patient))?;
    let locked = until.is_some_and(|until| until > now);
    // `accept_pull` writes the session and the lock in one transaction, perhaps between these two reads. If only the
    // lock was found, a second read therefore shows whether the session was written with it.
    let was_used = was_used || (locked && io.is_session_used(session).await?);
    let found = [(was_used, Condition::SessionUnused), (locked, Condition::NoOpenPull)];
    let lacking: Vec<_> = found.into_iter().filter_map(|(is, what)| is.then_some(what)).collect();
    match lacking.is_empty() {
        true => Ok(()),
        false => Err(StoreError::Conflict(lacking)),
    }
}

impl AcceptPull for Table {
    async fn is_session_used(&self, session: &Aal2SessionHash) -> Result<bool> {
        let row: Option<OwnerRow> = self.get(keys::used_aal2(session), "used session").await?;
        Ok(row.is_some())
    }

    async fn locked_until(&self, patient: &PatientId) -> Result<Option<Time>> {
        let lock: Option<LockRow> = self.get(keys::open_pull(patient), "lock").await?;
        Ok(lock.map(|lock| lock.deadline))
    }

    async fn accept_pull(
        &self,
        owner: &OwnerId,
        grounds: Grounds<'_>,
        held: &Held,
        session: &Aal2SessionHash,
        pull: &Pull,
    ) -> Result<()> {
        let now = pull.created_at;
        let spent = grounds.challenge.clone().spend(held.clone());
        let used = UsedRow {
            owner,
            pull: pull.id.to_string(),
        };
        let lock = LockRow {
            owner: owner.clone(),
            holder: pull.id.to_string(),
            deadline: grounds.lock_until,
        };
        let read = Replaces::Version(grounds.challenge.version);
        // One transaction, so that a refused pull uses up neither the challenge nor the session.
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
                Condition::NoOpenPull,
                &Replaces::NothingAlive(now),
                keys::open_pull(&pull.patient),
                &lock,
                [],
            )?
            .put_pull(owner, pull, 0)?
            .put_entry(owner, pull, None::<&PullEvent>, None, now)?
            .check(Condition::PatientAsRead, keys::patient(owner), grounds.patient.version)?
            .check(
                Condition::IdentityAsRead,
                keys::identity(owner),
                grounds.identity.version,
            )?
            .commit()
            .await?;
        // Counted only after the commit, because a refused pull did not start.
        self.metrics.put(&[Metric::pull_started()]);
        Ok(())
    }
}
