//! A person's items, and the transaction that accepts a pull.

use shared::domain::challenge::{ChallengeSlot, Held};
use shared::domain::identity::{Identity, OpenSession};
use shared::domain::log::{Access, Actor};
use shared::domain::patient::PatientSlot;
use shared::domain::person_root::{Grant, PersonRoot};
use shared::domain::pull::Pull;
use shared::domain::retention::RetentionCheck;
use shared::domain::{Aal2SessionHash, OwnerId, PatientId, Time};
use shared::message::Subject;
use shared::store::{
    AcceptPull, Condition, Correlate, Grounds, ReadChallenge, ReadIdentity, ReadPatient, ReadPerson, ReadRoot,
    RejectIdentity, SessionGrounds, WriteChallenge, WriteIdentity, WritePatient,
};

use super::Stored;
use super::pulls::{put_entry, put_pull};
use crate::Sabotage;
use crate::io::Io;
use crate::store::{Item, Key, Lock, Require, Write};

fn put_patient(owner: &OwnerId, slot: &PatientSlot) -> Write {
    let read = Require::Version(slot.version.saturating_sub(1));
    let key = Key::Patient(owner.clone());
    Write::put(Condition::PatientAsRead, read, key, Item::Patient(slot.clone()))
}

pub(super) fn put_identity(owner: &OwnerId, identity: &Identity) -> Write {
    let read = Require::Version(identity.version.saturating_sub(1));
    let key = Key::Identity(owner.clone());
    Write::put(Condition::IdentityAsRead, read, key, Item::Identity(identity.clone()))
}

pub(super) fn put_challenge(owner: &OwnerId, slot: ChallengeSlot) -> Write {
    let read = Require::Version(slot.version.saturating_sub(1));
    let key = Key::Challenge(owner.clone());
    Write::put(Condition::ChallengeAsRead, read, key, Item::Challenge(slot))
}

fn check_patient(owner: &OwnerId, version: u64) -> Write {
    let key = Key::Patient(owner.clone());
    Write::check(Condition::PatientAsRead, Require::Version(version), key)
}

impl ReadPatient for Io {
    async fn patient(&self, owner: &OwnerId) -> Stored<PatientSlot> {
        let item = self.get(Key::Patient(owner.clone())).await?;
        Ok(item.and_then(|item| item.patient().cloned()).unwrap_or_default())
    }
}

impl WritePatient for Io {
    async fn begin_change(&self, owner: &OwnerId, slot: &PatientSlot, grant: Grant, now: Time) -> Stored<()> {
        let mut writes = vec![put_patient(owner, slot)];
        writes.extend(self.check_grant(owner, grant));
        writes.extend(slot.link.as_ref().map(|link| {
            let key = Key::OpenPull(link.patient.clone());
            Write::check(Condition::NoOpenPull, Require::NothingAlive(now), key)
        }));
        self.commit(writes).await
    }

    async fn begin_creation(&self, owner: &OwnerId, slot: &PatientSlot, grant: Grant) -> Stored<()> {
        let writes = [put_patient(owner, slot)].into_iter();
        self.commit(writes.chain(self.check_grant(owner, grant)).collect())
            .await
    }

    async fn claim_patient(
        &self,
        owner: &OwnerId,
        begun: &PatientSlot,
        patient: &PatientId,
        now: Time,
        until: Time,
    ) -> Stored<()> {
        if self.is(Sabotage::ClaimAfterUpdate) || self.by_patient(patient).await?.as_ref() == Some(owner) {
            return Ok(());
        }
        let claim = Item::Claim(owner.clone(), until);
        let writes = vec![
            self.put_owner(owner, patient, now, claim),
            check_patient(owner, begun.version),
        ];
        self.commit(writes).await
    }

    async fn end_change(&self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Stored<()> {
        self.commit(self.end_of_change(owner, slot, now)).await
    }

    async fn finish_change(
        &self,
        owner: &OwnerId,
        slot: &PatientSlot,
        what: Access,
        _actor: &Actor,
        now: Time,
    ) -> Stored<()> {
        let writes = self.end_of_change(owner, slot, now).into_iter();
        self.commit(writes.chain(self.put_log(owner, what)).collect()).await
    }
}

impl Io {
    fn end_of_change(&self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Vec<Write> {
        let mut writes = vec![put_patient(owner, slot)];
        if let Some(link) = &slot.link {
            writes.push(self.put_owner(owner, &link.patient, now, Item::Owner(owner.clone())));
            let (key, check) = (Key::Retention(owner.clone()), RetentionCheck::first(now));
            let (condition, item) = (Condition::RetentionAsRead, Item::Retention(check));
            writes.push(Write::put(condition, Require::Anything, key, item));
        }
        writes
    }
}

impl ReadIdentity for Io {
    async fn identity(&self, owner: &OwnerId) -> Stored<Identity> {
        let item = self.get(Key::Identity(owner.clone())).await?;
        Ok(item.and_then(|item| item.identity().cloned()).unwrap_or_default())
    }
}

impl ReadPerson for Io {
    /// Reads three times, because a query is not a snapshot of its items. Other writes can happen between the reads.
    async fn person(&self, owner: &OwnerId) -> Stored<(PatientSlot, Identity, PersonRoot)> {
        Ok((
            self.patient(owner).await?,
            self.identity(owner).await?,
            self.root(owner).await?,
        ))
    }
}

impl WriteIdentity for Io {
    async fn put_identity_session(
        &self,
        owner: &OwnerId,
        identity: &Identity,
        session: &OpenSession,
        grounds: SessionGrounds<'_>,
        _actor: &Actor,
        _now: Time,
    ) -> Stored<()> {
        let row = |key| Write::put(Condition::RowNew, Require::Nothing, key, Item::Owner(owner.clone()));
        let writes = vec![
            put_identity(owner, identity),
            row(Key::Session(session.id.clone())),
            row(Key::Mark(session.mark.clone())),
            check_patient(owner, grounds.patient.version),
        ];
        let writes = writes.into_iter().chain(self.check_grant(owner, grounds.grant));
        let entry = self.put_log(owner, Access::SessionOpened);
        self.commit(writes.chain(entry).collect()).await
    }
}

impl RejectIdentity for Io {
    async fn put_rejected(&self, owner: &OwnerId, identity: &Identity) -> Stored<()> {
        self.commit(vec![put_identity(owner, identity)]).await
    }
}

impl ReadChallenge for Io {
    async fn challenge(&self, owner: &OwnerId) -> Stored<ChallengeSlot> {
        let item = self.get(Key::Challenge(owner.clone())).await?;
        Ok(item.and_then(|item| item.challenge().cloned()).unwrap_or_default())
    }
}

impl WriteChallenge for Io {
    async fn put_challenge(
        &self,
        owner: &OwnerId,
        slot: &ChallengeSlot,
        grant: Grant,
        _method: &str,
        _actor: &Actor,
        _now: Time,
    ) -> Stored<()> {
        let entry = self.put_log(owner, Access::ChallengeOpened);
        let writes = [put_challenge(owner, slot.clone())].into_iter();
        let writes = writes.chain(self.check_grant(owner, grant));
        self.commit(writes.chain(entry).collect()).await
    }
}

impl AcceptPull for Io {
    async fn is_session_used(&self, session: &Aal2SessionHash) -> Stored<bool> {
        let used = self.get(Key::Used(session.clone())).await?;
        Ok(used.is_some() && !self.is(Sabotage::SessionForgotten))
    }

    async fn locked_until(&self, patient: &PatientId) -> Stored<Option<Time>> {
        let lock = self.lock(Key::OpenPull(patient.clone())).await?;
        Ok(lock.map(|lock| lock.deadline))
    }

    async fn accept_pull(
        &self,
        owner: &OwnerId,
        grounds: Grounds<'_>,
        held: &Held,
        session: &Aal2SessionHash,
        pull: &Pull,
        _actor: &Actor,
    ) -> Stored<()> {
        let lock = Lock {
            owner: owner.clone(),
            holder: Subject::Pull(pull.id),
            deadline: grounds.lock_until,
        };
        let used = match self.is(Sabotage::SessionForgotten) {
            true => Require::Anything,
            false => Require::Nothing,
        };
        let alive = Require::NothingAlive(pull.created_at);
        let (lock_key, lock) = (Key::OpenPull(pull.patient.clone()), Item::Lock(lock));
        let identity = Require::Version(grounds.identity.version);
        let writes = vec![
            put_challenge(owner, grounds.challenge.clone().spend(held.clone())),
            Write::put(
                Condition::SessionUnused,
                used,
                Key::Used(session.clone()),
                Item::Used(owner.clone(), pull.id),
            ),
            Write::put(Condition::NoOpenPull, alive, lock_key, lock),
            put_pull(owner, pull, 0),
            put_entry(owner, pull, None, None, pull.created_at),
            check_patient(owner, grounds.patient.version),
            Write::check(Condition::IdentityAsRead, identity, Key::Identity(owner.clone())),
        ];
        let writes = writes.into_iter().chain(self.check_root(owner, grounds.root));
        let entry = self.put_log(owner, Access::PullAccepted);
        self.commit(writes.chain(entry).collect()).await
    }
}
