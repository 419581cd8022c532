//! The acceptance of a pull, in one transaction.

use serde::Serialize;

use super::person::{LockRow, OwnerRow, ttl};
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, StoreError, Table, keys};
use crate::domain::challenge::{ChallengeSlot, Held};
use crate::domain::identity::Identity;
use crate::domain::log::{Access, Actor, LogEntry};
use crate::domain::patient::PatientSlot;
use crate::domain::person_root::PersonRoot;
use crate::domain::pull::{Pull, PullEvent};
use crate::domain::{Aal2SessionHash, OwnerId, PatientId, Time};
use crate::metrics::Metric;
use crate::ports::port;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsedRow<'a> {
    owner: &'a OwnerId,
    #[serde(rename = "run")]
    pull: String,
}

/// The items on which the acceptance of a pull depends, as they were read.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    /// The patient.
    pub patient: &'a PatientSlot,
    /// The identity.
    pub identity: &'a Identity,
    /// The root, with the consent and without an active quarantine.
    pub root: &'a PersonRoot,
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
        /// Uses up the challenge and the session, locks the patient, writes the pull with its first timeline entry, and
        /// logs the access, in one transaction. Patient, identity, root and challenge must not have changed since they
        /// were read, so the pull's grant holds and no quarantine has begun.
        async fn accept_pull(
            &self,
            owner: &OwnerId,
            grounds: Grounds<'_>,
            held: &Held,
            session: &Aal2SessionHash,
            pull: &Pull,
            actor: &Actor,
        ) -> Result<()>;
    }
}

/// Checks whether the session is unused and the patient has no open pull. Without this check, a pull that the
/// transaction refuses would take a slot of the rate budget. The result may be outdated: only the transaction of
/// [`AcceptPull::accept_pull`] decides.
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
        actor: &Actor,
    ) -> Result<()> {
        let entry = LogEntry {
            run: Some(pull.id),
            ..self.log_entry(Access::PullAccepted, actor, pull.created_at)?
        };
        let spent = grounds.challenge.clone().spend(held.clone());
        let read = Replaces::Version(grounds.challenge.version);
        // One transaction, so that a refused pull uses up neither the challenge nor the session.
        self.transaction()
            .put(Condition::ChallengeAsRead, &read, keys::challenge(owner), &spent, [])?
            .put_used_session(owner, session, pull)?
            .put_pull_lock(owner, pull, grounds.lock_until)?
            .put_pull(owner, pull, 0)?
            .put_entry(owner, pull, None::<&PullEvent>, None, pull.created_at)?
            .put_log(owner, &entry)?
            .check_root(owner, grounds.root)?
            .check(Condition::PatientAsRead, keys::patient(owner), grounds.patient.version)?
            .check(
                Condition::IdentityAsRead,
                keys::identity(owner),
                grounds.identity.version,
            )?
            .commit()
            .await?;
        // Counted only after the commit, because a refused pull was not accepted.
        self.metrics.put(&[Metric::pull_started()]);
        Ok(())
    }
}

impl Transaction<'_> {
    /// Remembers that a pull uses an AAL2 session.
    fn put_used_session(self, owner: &OwnerId, session: &Aal2SessionHash, pull: &Pull) -> Result<Self> {
        let row = UsedRow {
            owner,
            pull: pull.id.to_string(),
        };
        self.put(
            Condition::SessionUnused,
            &Replaces::Nothing,
            keys::used_aal2(session),
            &row,
            [("ttl", ttl(pull.created_at))],
        )
    }

    /// Locks the pull's patient until `deadline`.
    fn put_pull_lock(self, owner: &OwnerId, pull: &Pull, deadline: Time) -> Result<Self> {
        let lock = LockRow {
            owner: owner.clone(),
            holder: pull.id.to_string(),
            deadline,
        };
        let replaces = Replaces::NothingAlive(pull.created_at);
        let key = keys::open_pull(&pull.patient);
        self.put(Condition::NoOpenPull, &replaces, key, &lock, [])
    }
}
