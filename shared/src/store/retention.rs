//! Retention checks: when a person's records are checked next, and the deletion of those that have ended.

use super::table::text;
use super::transaction::{Replaces, Transaction};
use super::{Condition, ReadQuarantines as _, Result, Table, keys};
use crate::domain::log::{Access, Actor};
use crate::domain::person_root::PersonRoot;
use crate::domain::record::Record;
use crate::domain::retention::RetentionCheck;
use crate::domain::{OwnerId, Time};
use crate::ports::port;

port! {
    /// Reads what a retention check needs.
    pub trait ReadRetention via HasStore {
        /// The person's next check; `None` if the person is not linked, or was erased.
        async fn retention_check(&self, owner: &OwnerId) -> Result<Option<RetentionCheck>>;
        /// All records of the person.
        async fn records_to_check(&self, owner: &OwnerId) -> Result<Vec<Record>>;
    }
}

port! {
    /// Makes retention checks. Only `account-work` has this port.
    pub trait EndRecords via HasStore {
        /// Stores the check over its previous version. Fails if it has changed since it was read, or if the person was
        /// erased ([`Condition::RetentionAsRead`]).
        async fn write_retention_check(&self, owner: &OwnerId, check: &RetentionCheck) -> Result<()>;
        /// Deletes the item of a record, and logs the deletion. Fails if the record ([`Condition::RecordAsRead`]) or
        /// the root ([`Condition::RootAsRead`]) has changed since it was read.
        async fn end_record(&self, owner: &OwnerId, record: &Record, root: &PersonRoot, now: Time) -> Result<()>;
    }
}

impl ReadRetention for Table {
    async fn retention_check(&self, owner: &OwnerId) -> Result<Option<RetentionCheck>> {
        self.get(keys::retention(owner), "retention check").await
    }

    async fn records_to_check(&self, owner: &OwnerId) -> Result<Vec<Record>> {
        self.all_records(owner).await
    }
}

impl EndRecords for Table {
    async fn write_retention_check(&self, owner: &OwnerId, check: &RetentionCheck) -> Result<()> {
        let read = Replaces::Version(check.version.saturating_sub(1));
        let transaction = self.transaction().put_retention_check(owner, check, &read)?;
        transaction.commit().await
    }

    async fn end_record(&self, owner: &OwnerId, record: &Record, root: &PersonRoot, now: Time) -> Result<()> {
        let entry = self.entry_about(record, Access::RecordDeleted, &Actor::Function, now)?;
        self.transaction()
            .delete(Condition::RecordAsRead, keys::record(owner, record.id), record.version)?
            .check_root(owner, root)?
            .put_log(owner, &entry)?
            .commit()
            .await
    }
}

impl Transaction<'_> {
    pub(super) fn put_retention_check(
        self,
        owner: &OwnerId,
        check: &RetentionCheck,
        replaces: &Replaces<'_>,
    ) -> Result<Self> {
        let due = [("dueShard", text(keys::DUE_ACCOUNT_WORK))];
        self.put(Condition::RetentionAsRead, replaces, keys::retention(owner), check, due)
    }
}
