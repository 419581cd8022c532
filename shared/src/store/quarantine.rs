//! Quarantines: the writes of functions, and the list of deadlines. The operators' writes are in `purge`.

use aws_sdk_dynamodb::types::Select;

use super::table::{number, refused, text};
use super::transaction::Transaction;
use super::{Condition, Result, Table, keys};
use crate::domain::log::{Access, Actor, LogEntry};
use crate::domain::person_root::PersonRoot;
use crate::domain::quarantine::QuarantineCause;
use crate::domain::record::Record;
use crate::domain::{OwnerId, Time};
use crate::metrics::Metric;
use crate::ports::port;

/// A quarantine, and the read on which it depends.
#[derive(Debug, Clone, Copy)]
pub struct QuarantineWrite<'a> {
    /// The root, as it was read.
    pub read: &'a PersonRoot,
    /// The root with the quarantine; `None` if the active quarantine has this cause already.
    pub next: Option<&'a PersonRoot>,
    /// The cause.
    pub cause: &'a QuarantineCause,
}

port! {
    /// Quarantines a person's records because the person reports one.
    pub trait ReportRecord via HasStore {
        /// Stores the root with the quarantine over the previous version, and logs the report and the quarantine. If
        /// the quarantine has the cause already, only logs the report. Fails if the root has changed since it was read
        /// ([`Condition::RootAsRead`]).
        async fn put_report(
            &self,
            owner: &OwnerId,
            record: &Record,
            write: QuarantineWrite<'_>,
            actor: &Actor,
            now: Time,
        ) -> Result<()>;
    }
}

port! {
    /// Quarantines a person's records.
    pub trait WriteQuarantine via HasStore {
        /// Stores the root with the quarantine over the previous version, and its entry about the record. The record
        /// itself is not written. Fails if the root has changed since it was read ([`Condition::RootAsRead`]).
        async fn put_quarantine(
            &self,
            owner: &OwnerId,
            record: &Record,
            write: QuarantineWrite<'_>,
            now: Time,
        ) -> Result<()>;
    }
}

port! {
    /// Counts active quarantines, and those whose deadline has passed.
    pub trait CountQuarantines via HasStore {
        /// The number of active quarantines. The index is read eventually consistent.
        async fn active_quarantines(&self) -> Result<u64>;
        /// The number of active quarantines that an operator should have ended before this time.
        async fn count_overdue_quarantines(&self, before: Time) -> Result<u64>;
    }
}

impl ReportRecord for Table {
    async fn put_report(
        &self,
        owner: &OwnerId,
        record: &Record,
        write: QuarantineWrite<'_>,
        actor: &Actor,
        now: Time,
    ) -> Result<()> {
        let report = LogEntry {
            result: Some(write.cause.code()),
            ..self.entry_about(record, Access::NotMe, actor, now)?
        };
        self.transaction()
            .put_quarantine(owner, record, write, now)?
            .put_log(owner, &report)?
            .commit()
            .await?;
        self.count_quarantine(Some(write));
        Ok(())
    }
}

impl WriteQuarantine for Table {
    async fn put_quarantine(
        &self,
        owner: &OwnerId,
        record: &Record,
        write: QuarantineWrite<'_>,
        now: Time,
    ) -> Result<()> {
        let transaction = self.transaction().put_quarantine(owner, record, write, now)?;
        transaction.commit().await?;
        self.count_quarantine(Some(write));
        Ok(())
    }
}

impl CountQuarantines for Table {
    async fn active_quarantines(&self) -> Result<u64> {
        self.count_quarantines(Time::from_millis(i64::MAX)).await
    }

    async fn count_overdue_quarantines(&self, before: Time) -> Result<u64> {
        self.count_quarantines(before).await
    }
}

impl Table {
    async fn count_quarantines(&self, due_before: Time) -> Result<u64> {
        let call = self.client.query().table_name(&self.name).index_name("due");
        let answer = call
            .key_condition_expression("dueShard = :shard AND dueAt < :before")
            .expression_attribute_values(":shard", text(keys::DUE_QUARANTINES))
            .expression_attribute_values(":before", number(due_before.millis()))
            .select(Select::Count)
            .send()
            .await
            .map_err(|error| refused(&error))?;
        Ok(u64::try_from(answer.count).unwrap_or_default())
    }

    /// Counted only after the commit, because a refused write quarantined nothing.
    pub(super) fn count_quarantine(&self, write: Option<QuarantineWrite<'_>>) {
        if write.is_some_and(|write| write.next.is_some()) {
            self.metrics.put(&[Metric::records_quarantined()]);
        }
    }

    /// An entry of this function about a record.
    pub(super) fn entry_about(&self, record: &Record, what: Access, actor: &Actor, at: Time) -> Result<LogEntry> {
        Ok(LogEntry {
            run: record.pull,
            record: Some(record.id),
            ..self.log_entry(what, actor, at)?
        })
    }
}

impl Transaction<'_> {
    /// Adds the root with the quarantine and its entry. If nothing changes, requires that the root is unchanged, so
    /// that a release in between cannot show the record.
    pub(super) fn put_quarantine(
        self,
        owner: &OwnerId,
        record: &Record,
        write: QuarantineWrite<'_>,
        now: Time,
    ) -> Result<Self> {
        let Some(next) = write.next else {
            return self.check(Condition::RootAsRead, keys::root(owner), write.read.version);
        };
        let entry = LogEntry {
            result: Some(write.cause.code()),
            ..self
                .table
                .entry_about(record, Access::Quarantined, &Actor::Function, now)?
        };
        self.put_root(owner, next)?.put_log(owner, &entry)
    }
}
