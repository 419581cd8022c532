//! A person's consent, and its withdrawal.

use shared::domain::consent::OpenWork;
use shared::domain::log::{Access, Actor};
use shared::domain::person_root::PersonRoot;
use shared::domain::{OwnerId, Time};
use shared::store::{
    Condition, CreateRecord, ReadChallenge, ReadIdentity, ReadRoot, WithdrawConsent, WithdrawalWrite, WriteConsent,
};

use super::Stored;
use super::person::{put_challenge, put_identity};
use crate::Sabotage;
use crate::io::Io;
use crate::store::{Item, Key, Listing, Require, Write};

pub(super) fn put_root(owner: &OwnerId, root: &PersonRoot) -> Write {
    let read = Require::Version(root.version.saturating_sub(1));
    let key = Key::Root(owner.clone());
    Write::put(Condition::RootAsRead, read, key, Item::Root(root.clone()))
}

impl ReadRoot for Io {
    async fn root(&self, owner: &OwnerId) -> Stored<PersonRoot> {
        let item = self.get(Key::Root(owner.clone())).await?;
        let root = item.and_then(|item| item.root().cloned()).unwrap_or_default();
        Ok(match self.is(Sabotage::QuarantineIgnored) {
            true => PersonRoot {
                quarantine: None,
                ..root
            },
            false => root,
        })
    }
}

impl WriteConsent for Io {
    async fn put_consent(&self, owner: &OwnerId, root: &PersonRoot, _actor: &Actor, _now: Time) -> Stored<()> {
        let entry = self.put_log(owner, Access::ConsentGiven);
        self.commit([put_root(owner, root)].into_iter().chain(entry).collect())
            .await
    }
}

impl WithdrawConsent for Io {
    /// Reads one item after the other, so that writes can happen in between.
    async fn open_work(&self, owner: &OwnerId) -> Stored<OpenWork> {
        let (root, identity) = (self.root(owner).await?, self.identity(owner).await?);
        let (open_records, challenge) = (self.open_records(owner).await?, self.challenge(owner).await?);
        let pulls = self.list(Listing::Pulls(owner.clone())).await?;
        let records = self.list(Listing::Records(owner.clone())).await?;
        Ok(OpenWork {
            root,
            challenge,
            identity,
            open_records,
            pulls: pulls.iter().filter_map(|item| item.pull().cloned()).collect(),
            records: records.iter().filter_map(|item| item.record().cloned()).collect(),
        })
    }

    async fn write_withdrawal(&self, owner: &OwnerId, write: WithdrawalWrite<'_>) -> Stored<()> {
        let mut writes = self.of_person(owner, write);
        writes.extend(write.pull_writes().flat_map(|pull| self.pull_writes(owner, pull)));
        writes.extend(
            write
                .record_writes()
                .flat_map(|record| self.record_writes(owner, record)),
        );
        self.commit_released(writes).await
    }
}

impl Io {
    /// The writes and checks of the person's own items.
    fn of_person(&self, owner: &OwnerId, write: WithdrawalWrite<'_>) -> Vec<Write> {
        let (open, withdrawal) = (write.open, write.withdrawal);
        let check = |condition, key, version| Write::check(condition, Require::Version(version), key);
        let (open_records, version) = (Key::OpenRecords(owner.clone()), open.open_records.version);
        let mut writes = vec![
            put_challenge(owner, withdrawal.challenge.clone()),
            check(Condition::OpenRecordsAsRead, open_records, version),
        ];
        writes.push(match &withdrawal.identity {
            Some(identity) => put_identity(owner, identity),
            None => {
                let key = Key::Identity(owner.clone());
                check(Condition::IdentityAsRead, key, open.identity.version)
            }
        });
        match &withdrawal.root {
            Some(root) => {
                writes.push(put_root(owner, root));
                writes.extend(self.put_log(owner, Access::ConsentWithdrawn));
            }
            None => writes.push(check(
                Condition::RootAsRead,
                Key::Root(owner.clone()),
                open.root.version,
            )),
        }
        writes
    }
}
