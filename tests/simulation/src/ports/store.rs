//! The table: each read and each transaction is one operation, with the conditions of `shared::store`.

mod consent;
mod erasure;
mod links;
mod person;
mod pulls;
mod quarantine;

use shared::domain::budget::PersonShares;
use shared::domain::challenge::ChallengeSlot;
use shared::domain::log::Access;
use shared::domain::person_root::{Grant, PersonRoot};
use shared::domain::replay::Replays;
use shared::domain::{OwnerId, PatientId, PullId, Time};
use shared::message::{AccountSubject, Subject};
use shared::store::{Condition, Due, KeepReplays, ReadChallenge, ReadDue, ReadDueAccountWork, SeenMessage, StoreError};

use crate::Sabotage;
use crate::io::{Io, Op, Reply};
use crate::store::{Item, Key, Lock, Require, Write};

use person::put_challenge;

type Stored<T> = Result<T, StoreError>;

/// Whether a write failed only because a holder has lost its lock.
fn is_lost_lock(outcome: &Stored<()>) -> bool {
    matches!(outcome, Err(StoreError::Conflict(failed)) if failed.iter().all(|one| *one == Condition::LockOurs))
}

impl Io {
    async fn lock(&self, key: Key) -> Stored<Option<Lock>> {
        Ok(self.get(key).await?.and_then(|item| item.lock().cloned()))
    }

    async fn by_owner(&self, key: Key) -> Stored<Option<OwnerId>> {
        Ok(self.get(key).await?.and_then(|item| item.owner().cloned()))
    }

    /// The write that releases a lock, on the condition that `holder` still holds it.
    fn release(&self, key: Key, holder: Subject) -> Option<Write> {
        (!self.is(Sabotage::LockKept)).then(|| Write::release(key, holder))
    }

    /// Writes all or nothing. If a holder has lost its lock, the write of this lock is left out, and the rest is
    /// written.
    async fn commit_released(&self, writes: Vec<Write>) -> Stored<()> {
        let mut outcome = self.commit(writes.clone()).await;
        let locks = writes.iter().filter(|write| write.condition == Condition::LockOurs);
        let locks: Vec<Key> = locks.map(|write| write.key.clone()).collect();
        // The error does not name the lost lock. Each lock's write is therefore left out alone, and then all of them.
        for lost in locks.iter().map(std::slice::from_ref).chain([locks.as_slice()]) {
            if !is_lost_lock(&outcome) {
                break;
            }
            let is_left = |write: &&Write| write.condition != Condition::LockOurs || !lost.contains(&write.key);
            outcome = self.commit(writes.iter().filter(is_left).cloned().collect()).await;
        }
        outcome
    }

    /// Adds the write that removes the AAL2 session held for a pull, if the session is still stored. `slot` is the
    /// challenge, if the caller has already read it.
    async fn forget_session(
        &self,
        writes: &mut Vec<Write>,
        owner: &OwnerId,
        slot: Option<&ChallengeSlot>,
        pull: PullId,
    ) -> Stored<()> {
        let slot = match slot {
            Some(slot) => slot.clone(),
            None => self.challenge(owner).await?,
        };
        writes.extend(slot.free(pull).map(|freed| put_challenge(owner, freed)));
        Ok(())
    }

    /// The write that remembers a message, on the condition that the message is new.
    fn put_message(&self, message: &SeenMessage) -> Option<Write> {
        let require = match self.is(Sabotage::DedupeDropped) {
            true => return None,
            false => Require::Nothing,
        };
        let key = Key::Seen(message.message.clone());
        Some(Write::put(
            Condition::MessageUnseen,
            require,
            key,
            Item::Seen(message.clone()),
        ))
    }

    /// The entry of an access.
    fn put_log(&self, owner: &OwnerId, what: Access) -> Option<Write> {
        (!self.is(Sabotage::EntrySkipped)).then(|| Write::log(owner, what))
    }

    /// The check that a person's grant holds.
    fn check_grant(&self, owner: &OwnerId, grant: Grant) -> Option<Write> {
        let key = Key::Root(owner.clone());
        (!self.is(Sabotage::GrantUnchecked)).then(|| Write::check(Condition::GrantHeld, Require::Grant(grant), key))
    }

    /// The check that the root is unchanged, which includes the grant.
    fn check_root(&self, owner: &OwnerId, root: &PersonRoot) -> Option<Write> {
        let (key, read) = (Key::Root(owner.clone()), Require::Version(root.version));
        (!self.is(Sabotage::GrantUnchecked)).then(|| Write::check(Condition::RootAsRead, read, key))
    }

    /// Writes the shares with the charge of a link, and the link's entry.
    pub(super) async fn commit_mint(&self, owner: &OwnerId, root: &PersonRoot, charged: PersonShares) -> Stored<()> {
        let read = Require::Version(charged.version.saturating_sub(1));
        let (key, item) = (Key::Shares(owner.clone()), Item::Shares(charged));
        let shares = Write::put(Condition::SharesAsRead, read, key, item);
        let entry = self.put_log(owner, Access::LinkMinted);
        let root = Require::Version(root.version);
        let root = Write::check(Condition::RootAsRead, root, Key::Root(owner.clone()));
        self.commit(entry.into_iter().chain([shares, root]).collect()).await
    }

    /// The write that assigns the patient to the owner, permanently or for as long as a claim lasts.
    fn put_owner(&self, owner: &OwnerId, patient: &PatientId, now: Time, item: Item) -> Write {
        let require = match self.is(Sabotage::PatientShared) {
            true => Require::Anything,
            false => Require::NobodyElses(owner.clone(), now),
        };
        let key = Key::PatientOwner(patient.clone());
        Write::put(Condition::PatientUnowned, require, key, item)
    }
}

impl ReadDue for Io {
    async fn overdue(&self, before: Time, _: i32) -> Stored<Vec<Due>> {
        match self.call(Op::Overdue(before)).await {
            // The due time is not modelled, because only a metric needs it.
            Reply::Overdue(due) => Ok(due
                .into_iter()
                .map(|advance| Due {
                    advance,
                    due_at: before,
                })
                .collect()),
            other => unreachable!("{other:?}"),
        }
    }
}

impl ReadDueAccountWork for Io {
    /// Retention checks are not simulated, so none is due.
    async fn due_account_work(&self, _before: Time, _limit: i32) -> Stored<Vec<AccountSubject>> {
        Ok(Vec::new())
    }
}

impl KeepReplays for Io {
    async fn replays(&self) -> Stored<Replays> {
        let item = self.get(Key::Replays).await?;
        Ok(item.and_then(|item| item.replays().cloned()).unwrap_or_default())
    }

    async fn put_replays(&self, replays: &Replays) -> Stored<()> {
        let read = Require::Version(replays.version.saturating_sub(1));
        let item = Item::Replays(replays.clone());
        self.commit(vec![Write::put(Condition::ReplaysAsRead, read, Key::Replays, item)])
            .await
    }
}
