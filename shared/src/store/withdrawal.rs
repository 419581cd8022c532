//! The withdrawal of a person's consent: reads their open work, and writes each transaction that ends it.

use futures_util::try_join;

use super::person::{ReadChallenge as _, take};
use super::pulls::{self, ListPulls as _, PullWrite};
use super::records::{self, RecordWrite};
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, Table, keys};
use crate::domain::consent::{OpenWork, Withdrawal};
use crate::domain::log::{Access, Actor};
use crate::domain::pull::PullEvent;
use crate::domain::{OwnerId, Time};
use crate::ports::port;

/// Number of pulls that are read. Older pulls ended long ago, and begin no call, because their grant has ended.
const PULLS_READ: i32 = 50;

/// One transaction of a withdrawal, and the reads on which it depends.
#[derive(Debug, Clone, Copy)]
pub struct WithdrawalWrite<'a> {
    /// The work, as it was read.
    pub open: &'a OpenWork,
    /// The changes.
    pub withdrawal: &'a Withdrawal,
    /// The caller, as the access log names them.
    pub actor: &'a Actor,
    /// The time of the write.
    pub now: Time,
}

impl<'a> WithdrawalWrite<'a> {
    /// The writes of the ended pulls.
    pub fn pull_writes(self) -> impl Iterator<Item = PullWrite<'a>> {
        self.withdrawal.pulls.iter().map(move |change| PullWrite {
            event: &PullEvent::ConsentWithdrawn,
            change,
            record: None,
            challenge: None,
            now: self.now,
        })
    }

    /// The writes of the ended records.
    pub fn record_writes(self) -> impl Iterator<Item = RecordWrite<'a>> {
        self.withdrawal.records.iter().map(move |change| RecordWrite {
            change,
            now: self.now,
            // The change takes no lock, so its deadline does not matter.
            lock_until: self.now,
            quarantine: None,
        })
    }
}

port! {
    /// Withdraws a person's consent.
    pub trait WithdrawConsent via HasStore {
        /// Reads everything that a withdrawal may end: first the challenge and the list of requested records, then
        /// pulls and records. New work changes the challenge or the list. If the reads miss such work,
        /// [`WithdrawConsent::write_withdrawal`] therefore fails.
        async fn open_work(&self, owner: &OwnerId) -> Result<OpenWork>;
        /// Writes all changes of a withdrawal and its entries in the access log. Fails if an item that was read has
        /// changed.
        async fn write_withdrawal(&self, owner: &OwnerId, write: WithdrawalWrite<'_>) -> Result<()>;
    }
}

impl WithdrawConsent for Table {
    async fn open_work(&self, owner: &OwnerId) -> Result<OpenWork> {
        let partition = keys::owner_partition(owner);
        let items = self.between(partition.clone(), keys::IDENTITY, keys::ROOT);
        let (mut items, challenge) = try_join!(items, self.challenge(owner))?;
        let records = self.list_all(partition, keys::RECORD, "record");
        let (pulls, records) = try_join!(self.pulls(owner, PULLS_READ), records)?;
        Ok(OpenWork {
            root: take(&mut items, keys::ROOT, "root")?,
            challenge,
            identity: take(&mut items, keys::IDENTITY, "identity")?,
            open_records: take(&mut items, keys::OPEN_RECORDS, "list of open records")?,
            pulls,
            records,
        })
    }

    async fn write_withdrawal(&self, owner: &OwnerId, write: WithdrawalWrite<'_>) -> Result<()> {
        let transaction = self.transaction().put_withdrawal(owner, write)?;
        transaction.commit().await?;
        let WithdrawalWrite { withdrawal, .. } = write;
        // Counted only after the commit, because a refused write ended nothing.
        let of_pulls = withdrawal.pulls.iter().flat_map(pulls::ended);
        let of_records = withdrawal
            .records
            .iter()
            .flat_map(|change| records::ended(&change.record));
        self.metrics.put(&of_pulls.chain(of_records).collect::<Vec<_>>());
        Ok(())
    }
}

impl Transaction<'_> {
    fn put_withdrawal(self, owner: &OwnerId, write: WithdrawalWrite<'_>) -> Result<Self> {
        let WithdrawalWrite {
            open,
            withdrawal,
            actor,
            ..
        } = write;
        let read = Replaces::Version(open.challenge.version);
        let (challenge, open_records) = (keys::challenge(owner), keys::open_records(owner));
        let mut transaction = self
            .put(Condition::ChallengeAsRead, &read, challenge, &withdrawal.challenge, [])?
            .check(Condition::OpenRecordsAsRead, open_records, open.open_records.version)?
            .put_withdrawn_root(owner, write)?
            .put_dropped_sessions(owner, write)?;
        for pull in write.pull_writes() {
            transaction = transaction.put_change(owner, pull, actor)?;
        }
        for record in write.record_writes() {
            transaction = transaction.put_record_change(owner, record)?;
        }
        Ok(transaction)
    }

    fn put_withdrawn_root(self, owner: &OwnerId, write: WithdrawalWrite<'_>) -> Result<Self> {
        let WithdrawalWrite { open, actor, now, .. } = write;
        match &write.withdrawal.root {
            Some(root) => {
                let entry = self.table.log_entry(Access::ConsentWithdrawn, actor, now)?;
                self.put_root(owner, root)?.put_log(owner, &entry)
            }
            None => self.check(Condition::RootAsRead, keys::root(owner), open.root.version),
        }
    }

    fn put_dropped_sessions(self, owner: &OwnerId, write: WithdrawalWrite<'_>) -> Result<Self> {
        let (key, version) = (keys::identity(owner), write.open.identity.version);
        match &write.withdrawal.identity {
            Some(identity) => self.put(
                Condition::IdentityAsRead,
                &Replaces::Version(version),
                key,
                identity,
                [],
            ),
            // If a session is opened meanwhile, the next attempt reads and drops it.
            None => self.check(Condition::IdentityAsRead, key, version),
        }
    }
}
