//! Operators look at quarantines, and end them. No function has these ports.

use aws_sdk_dynamodb::types::AttributeValue;

use super::pulls::PullWrite;
use super::table::Item;
use super::{Condition, Result, StoreError, Table, keys};
use crate::domain::log::{Access, Actor, LogEntry};
use crate::domain::person_root::PersonRoot;
use crate::domain::pull::Pull;
use crate::domain::record::Record;
use crate::domain::{OwnerId, Time};
use crate::ports::port;

port! {
    /// Reads quarantines.
    pub trait ReadQuarantines via HasStore {
        /// The persons with an active quarantine, the earliest deadline first. The index is read eventually consistent,
        /// so a quarantine of the last seconds can be missing.
        async fn quarantined_persons(&self) -> Result<Vec<OwnerId>>;
        /// All pulls of a person, newest first.
        async fn all_pulls(&self, owner: &OwnerId) -> Result<Vec<Pull>>;
        /// All records of a person, newest first.
        async fn all_records(&self, owner: &OwnerId) -> Result<Vec<Record>>;
    }
}

port! {
    /// Logs a command about one person.
    pub trait NoteAccess via HasStore {
        /// Writes an entry, before the command acts.
        async fn note_access(
            &self,
            owner: &OwnerId,
            what: Access,
            actor: &Actor,
            result: Option<&str>,
            now: Time,
        ) -> Result<()>;
    }
}

port! {
    /// Ends quarantines.
    pub trait EndQuarantine via HasStore {
        /// Stores the root with the released quarantine over the previous version, and logs the release. Fails if the
        /// root has changed since it was read ([`Condition::RootAsRead`]).
        async fn release_records(
            &self,
            owner: &OwnerId,
            next: &PersonRoot,
            actor: &Actor,
            result: &str,
            now: Time,
        ) -> Result<()>;
        /// Stores the end of a pull over its previous version, with its entries. Fails if the pull has changed since it
        /// was read ([`Condition::PullAsRead`]).
        async fn end_pull(&self, owner: &OwnerId, write: PullWrite<'_>, actor: &Actor) -> Result<()>;
        /// Deletes the item of a record. Fails if the record has changed since it was read
        /// ([`Condition::RecordAsRead`]).
        async fn delete_record(&self, owner: &OwnerId, record: &Record) -> Result<()>;
        /// Stores the root with the purged quarantine over the previous version. Fails like
        /// [`EndQuarantine::release_records`].
        async fn store_purged(&self, owner: &OwnerId, next: &PersonRoot) -> Result<()>;
    }
}

impl ReadQuarantines for Table {
    async fn quarantined_persons(&self) -> Result<Vec<OwnerId>> {
        let items = self.list_due(keys::DUE_QUARANTINES).await?;
        items.iter().map(read_person).collect()
    }

    async fn all_pulls(&self, owner: &OwnerId) -> Result<Vec<Pull>> {
        self.list_all(keys::owner_partition(owner), keys::PULL, "run").await
    }

    async fn all_records(&self, owner: &OwnerId) -> Result<Vec<Record>> {
        self.list_all(keys::owner_partition(owner), keys::RECORD, "record")
            .await
    }
}

fn read_person(item: &Item) -> Result<OwnerId> {
    let owner = item.get("pk").map(AttributeValue::as_s);
    let owner = owner.and_then(|pk| keys::read_owner(pk.ok()?));
    owner.ok_or(StoreError::Unreadable("quarantine of the due index"))
}

impl NoteAccess for Table {
    async fn note_access(
        &self,
        owner: &OwnerId,
        what: Access,
        actor: &Actor,
        result: Option<&str>,
        now: Time,
    ) -> Result<()> {
        let entry = LogEntry {
            result: result.map(str::to_owned),
            ..self.log_entry(what, actor, now)?
        };
        self.transaction().put_log(owner, &entry)?.commit().await
    }
}

impl EndQuarantine for Table {
    async fn release_records(
        &self,
        owner: &OwnerId,
        next: &PersonRoot,
        actor: &Actor,
        result: &str,
        now: Time,
    ) -> Result<()> {
        let entry = LogEntry {
            result: Some(result.to_owned()),
            ..self.log_entry(Access::QuarantineReleased, actor, now)?
        };
        self.transaction()
            .put_root(owner, next)?
            .put_log(owner, &entry)?
            .commit()
            .await
    }

    async fn end_pull(&self, owner: &OwnerId, write: PullWrite<'_>, actor: &Actor) -> Result<()> {
        self.transaction().put_change(owner, write, actor)?.commit().await
    }

    async fn delete_record(&self, owner: &OwnerId, record: &Record) -> Result<()> {
        let key = keys::record(owner, record.id);
        self.transaction()
            .delete(Condition::RecordAsRead, key, record.version)?
            .commit()
            .await
    }

    async fn store_purged(&self, owner: &OwnerId, next: &PersonRoot) -> Result<()> {
        self.transaction().put_root(owner, next)?.commit().await
    }
}
