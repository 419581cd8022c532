//! Consolidated records: the query, its state, and the stored object.

use super::links::SeenMessage;
use super::pulls::due_attributes;
use super::quarantine::QuarantineWrite;
use super::table::Page;
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, StoreError, Table, keys};
use crate::domain::log::{Actor, LogEntry};
use crate::domain::person_root::PersonRoot;
use crate::domain::record::{OpenRecords, Record, RecordChange, RecordEvent};
use crate::domain::{OwnerId, RecordId, Time, Timing};
use crate::message::Subject;
use crate::metrics::Metric;
use crate::ports::port;

port! {
    /// Reads a person's records.
    pub trait ReadRecord via HasStore {
        /// One record.
        async fn record(&self, owner: &OwnerId, record: RecordId) -> Result<Option<Record>>;
    }
}

port! {
    /// Lists a person's records.
    pub trait ListRecords via HasStore {
        /// Up to `limit` records, the newest first.
        async fn records(&self, owner: &OwnerId, limit: i32) -> Result<Vec<Record>>;
    }
}

port! {
    /// Stores new records.
    pub trait CreateRecord via HasStore {
        /// The list of unfinished records that the person asked for. It may still name some that have ended.
        async fn open_records(&self, owner: &OwnerId) -> Result<OpenRecords>;
        /// Stores a new record together with `open`, the list that names it. Fails if the stored list has changed since
        /// it was read ([`Condition::OpenRecordsAsRead`]), or if the person's root has ([`Condition::RootAsRead`]).
        async fn create_record(
            &self,
            owner: &OwnerId,
            record: &Record,
            open: &OpenRecords,
            root: &PersonRoot,
        ) -> Result<()>;
    }
}

port! {
    /// Writes a change of a record.
    pub trait WriteRecord via HasStore {
        /// Writes the change over the previous version, and takes or releases the patient's lock as the change
        /// requires. Logs the access of the change. If a call or a transfer follows, the record's grant must hold.
        async fn write_record(&self, owner: &OwnerId, write: RecordWrite<'_>) -> Result<()>;
    }
}

port! {
    /// Writes the effect of a message on a record.
    pub trait WriteRecordOnce via HasStore {
        /// Writes like [`WriteRecord::write_record`], and marks the message as seen. Fails if the message was seen
        /// before ([`Condition::MessageUnseen`]).
        async fn write_record_once(&self, owner: &OwnerId, write: RecordWrite<'_>, message: &SeenMessage) -> Result<()>;
    }
}

/// A change of a record, with the time of the write and the deadline of the lock that it may take.
#[derive(Debug, Clone, Copy)]
pub struct RecordWrite<'a> {
    /// The change.
    pub change: &'a RecordChange,
    /// The time of the write.
    pub now: Time,
    /// The deadline of the lock, if the change takes it.
    pub lock_until: Time,
    /// The quarantine that the change begins. A record whose Patients differ is stored only with one.
    pub quarantine: Option<QuarantineWrite<'a>>,
}

impl ReadRecord for Table {
    async fn record(&self, owner: &OwnerId, record: RecordId) -> Result<Option<Record>> {
        self.get(keys::record(owner, record), "record").await
    }
}

impl ListRecords for Table {
    async fn records(&self, owner: &OwnerId, limit: i32) -> Result<Vec<Record>> {
        let partition = keys::owner_partition(owner);
        self.list(
            Page {
                partition,
                prefix: keys::RECORD,
                newest: true,
                limit,
            },
            "record",
        )
        .await
    }
}

impl CreateRecord for Table {
    async fn open_records(&self, owner: &OwnerId) -> Result<OpenRecords> {
        let open = self.get(keys::open_records(owner), "list of open records").await?;
        Ok(open.unwrap_or_default())
    }

    async fn create_record(
        &self,
        owner: &OwnerId,
        record: &Record,
        open: &OpenRecords,
        root: &PersonRoot,
    ) -> Result<()> {
        let read = Replaces::Version(open.version.saturating_sub(1));
        put_record(self.transaction(), owner, record, 0)?
            .put(Condition::OpenRecordsAsRead, &read, keys::open_records(owner), open, [])?
            .check_root(owner, root)?
            .commit()
            .await
    }
}

impl WriteRecord for Table {
    async fn write_record(&self, owner: &OwnerId, write: RecordWrite<'_>) -> Result<()> {
        self.put_record_change(owner, write, None).await
    }
}

impl WriteRecordOnce for Table {
    async fn write_record_once(&self, owner: &OwnerId, write: RecordWrite<'_>, message: &SeenMessage) -> Result<()> {
        self.put_record_change(owner, write, Some(message)).await
    }
}

impl Table {
    async fn put_record_change(
        &self,
        owner: &OwnerId,
        write: RecordWrite<'_>,
        message: Option<&SeenMessage>,
    ) -> Result<()> {
        // One transaction, so that a crash never separates a record from its correlation or lock.
        let mut transaction = self.transaction().put_record_change(owner, write)?;
        if let Some(message) = message {
            transaction = transaction.put_seen_message(message)?;
        }
        transaction.commit().await?;
        // Counted only after the commit, because a refused write ended nothing.
        self.metrics.put(&ended(&write.change.record));
        self.count_quarantine(write.quarantine);
        Ok(())
    }
}

impl Transaction<'_> {
    /// Adds the changed record, and everything that its change requires.
    pub(super) fn put_record_change(self, owner: &OwnerId, write: RecordWrite<'_>) -> Result<Self> {
        let RecordWrite {
            change,
            now,
            lock_until,
            quarantine,
        } = write;
        let record = &change.record;
        if record.differs() && quarantine.is_none() {
            return Err(StoreError::Refused(
                "a different record without a quarantine".to_owned(),
            ));
        }
        let mut transaction = put_record(self, owner, record, record.version - 1)?;
        if change.calls {
            transaction = transaction.check_grant(owner, record.grant)?;
        }
        if let Some(request) = &change.binds {
            transaction = transaction.put_request(owner, request, Subject::Record(record.id), now)?;
        }
        if change.locks {
            transaction = transaction.put_consolidated_lock(owner, record, now, lock_until)?;
        }
        if change.unlocks {
            transaction = transaction.release(keys::open_consolidated(&record.patient), &record.id.to_string())?;
        }
        if let Some(until) = change.shortens {
            transaction = transaction.shorten_consolidated_lock(owner, record, until)?;
        }
        if let Some(entry) = transaction.table.entry_of_record(change, now)? {
            transaction = transaction.put_log(owner, &entry)?;
        }
        match quarantine {
            Some(quarantine) => transaction.put_quarantine(owner, record, quarantine, now),
            None => Ok(transaction),
        }
    }
}

impl Table {
    fn entry_of_record(&self, change: &RecordChange, now: Time) -> Result<Option<LogEntry>> {
        let Some(what) = change.access() else { return Ok(None) };
        let record = &change.record;
        Ok(Some(LogEntry {
            result: Some(record.query.conversion.as_str().to_owned()),
            ..self.entry_about(record, what, &Actor::Function, now)?
        }))
    }
}

/// The metrics of a written record. A terminal record never changes again, so the write of one ended it.
pub(super) fn ended(record: &Record) -> Vec<Metric> {
    if !record.state.is_terminal() {
        return Vec::new();
    }
    let object = record.object.as_ref();
    let bytes = object.map(|object| Metric::record_bytes(object.bytes));
    let different = record.differs().then(Metric::record_different);
    let ended = Metric::record_ended(record.state);
    bytes.into_iter().chain(different).chain([ended]).collect()
}

/// Maximum number of attempts to write one change. An attempt fails if another process writes the same record.
const ATTEMPTS: u32 = 8;

/// Applies an event to a record and writes the change over the version that was read. Steps claim work this way.
/// Returns `None` if the event changes nothing.
///
/// # Errors
/// Fails with [`StoreError::Conflict`] if another process wrote the record first, or if the change takes a lock that is
/// held. Also fails if the table fails.
pub async fn claim_record(
    store: &impl WriteRecord,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    (now, timing): (Time, Timing),
) -> Result<Option<Record>> {
    let Some(change) = record.apply(event, now, timing) else {
        return Ok(None);
    };
    let lock_until = change.record.lock_until(timing);
    let write = RecordWrite {
        change: &change,
        now,
        lock_until,
        quarantine: None,
    };
    store.write_record(owner, write).await?;
    Ok(Some(change.record))
}

/// Applies an event to a record and writes the change. If another process writes the record first, applies the event to
/// the new record. Steps store results this way. Returns `None` if the event changes nothing, or if the record no
/// longer exists or is at another attempt.
///
/// # Errors
/// Fails if the table fails, or if another process writes first at every attempt.
pub async fn settle_record(
    store: &(impl ReadRecord + WriteRecord),
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    moment: (Time, Timing),
) -> Result<Option<Record>> {
    let mut record = record.clone();
    for _ in 0..ATTEMPTS {
        match claim_record(store, owner, &record, event, moment).await {
            Err(StoreError::Conflict(_)) => match store.record(owner, record.id).await? {
                // The result of an attempt that was given up says nothing about the next attempt.
                Some(current) if current.attempts == record.attempts => record = current,
                Some(_) | None => return Ok(None),
            },
            written => return written,
        }
    }
    Err(StoreError::Conflict(vec![Condition::RecordAsRead]))
}

pub(super) fn put_record<'a>(
    transaction: Transaction<'a>,
    owner: &OwnerId,
    record: &Record,
    read_version: u64,
) -> Result<Transaction<'a>> {
    let due = due_attributes(record.id.as_bytes(), record.due_at);
    let replaces = Replaces::Version(read_version);
    transaction.put(
        Condition::RecordAsRead,
        &replaces,
        keys::record(owner, record.id),
        record,
        due,
    )
}
