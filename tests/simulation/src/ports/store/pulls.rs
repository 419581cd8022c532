//! Pulls and records, and the writes of each change.

use shared::domain::person_root::PersonRoot;
use shared::domain::pull::{Pull, PullEvent, TimelineEntry};
use shared::domain::record::{OpenRecords, Record};
use shared::domain::{OwnerId, PullId, RecordId, Time};
use shared::message::Subject;
use shared::store::{
    Condition, CreateRecord, ListPulls, PullWrite, ReadPull, ReadRecord, RecordWrite, SeenMessage, WritePull,
    WritePullOnce, WriteRecord, WriteRecordOnce,
};

use super::Stored;
use crate::Sabotage;
use crate::io::Io;
use crate::store::{Item, Key, Listing, Lock, Require, Write};

pub(super) fn put_pull(owner: &OwnerId, pull: &Pull, read: u64) -> Write {
    let key = Key::Pull(owner.clone(), pull.id);
    Write::put(
        Condition::PullAsRead,
        Require::Version(read),
        key,
        Item::Pull(pull.clone()),
    )
}

pub(super) fn put_entry(
    owner: &OwnerId,
    pull: &Pull,
    event: Option<&PullEvent>,
    record: Option<RecordId>,
    at: Time,
) -> Write {
    let entry = TimelineEntry {
        n: pull.version,
        at,
        event: event.cloned(),
        record,
    };
    let key = Key::Entry(owner.clone(), pull.id, pull.version);
    Write::put(Condition::RowNew, Require::Nothing, key, Item::Entry(entry))
}

pub(super) fn put_record(owner: &OwnerId, record: &Record, read: u64) -> Write {
    let key = Key::Record(owner.clone(), record.id);
    Write::put(
        Condition::RecordAsRead,
        Require::Version(read),
        key,
        Item::Record(record.clone()),
    )
}

impl ReadPull for Io {
    async fn pull(&self, owner: &OwnerId, pull: PullId) -> Stored<Option<Pull>> {
        let item = self.get(Key::Pull(owner.clone(), pull)).await?;
        let pull = item.and_then(|item| item.pull().cloned());
        Ok(pull.map(|pull| match self.sabotaged_due_seq() {
            Some(due_seq) => Pull { due_seq, ..pull },
            None => pull,
        }))
    }
}

impl ListPulls for Io {
    async fn pulls(&self, owner: &OwnerId, _limit: i32) -> Stored<Vec<Pull>> {
        let pulls = self.list(Listing::Pulls(owner.clone())).await?;
        Ok(pulls.iter().filter_map(|item| item.pull().cloned()).collect())
    }

    async fn timeline(&self, owner: &OwnerId, pull: PullId) -> Stored<Vec<TimelineEntry>> {
        let entries = self.list(Listing::Timeline(owner.clone(), pull)).await?;
        let oldest_first = entries.iter().rev();
        Ok(oldest_first.filter_map(|item| item.entry().cloned()).collect())
    }
}

impl WritePull for Io {
    async fn write_pull(&self, owner: &OwnerId, write: PullWrite<'_>) -> Stored<()> {
        self.put_pull_change(owner, write, None).await
    }
}

impl WritePullOnce for Io {
    async fn write_pull_once(&self, owner: &OwnerId, write: PullWrite<'_>, message: &SeenMessage) -> Stored<()> {
        self.put_pull_change(owner, write, Some(message)).await
    }
}

impl Io {
    async fn put_pull_change(
        &self,
        owner: &OwnerId,
        write: PullWrite<'_>,
        message: Option<&SeenMessage>,
    ) -> Stored<()> {
        let mut writes = self.pull_writes(owner, write);
        if write.change.frees_session {
            self.forget_session(&mut writes, owner, write.challenge, write.change.pull.id)
                .await?;
        }
        writes.extend(message.and_then(|message| self.put_message(message)));
        self.commit_released(writes).await
    }

    /// The changed pull, and everything that its change requires except the removal of a session.
    pub(super) fn pull_writes(&self, owner: &OwnerId, write: PullWrite<'_>) -> Vec<Write> {
        let (change, pull) = (write.change, &write.change.pull);
        let made = change.record.map(|(id, _)| id);
        let mut writes = vec![
            put_pull(owner, pull, pull.version - 1),
            put_entry(owner, pull, Some(write.event), made, write.now),
        ];
        writes.extend(write.record.map(|record| put_record(owner, record, 0)));
        writes.extend(change.binds.as_ref().map(|request| {
            let item = Item::Request(owner.clone(), Subject::Pull(pull.id));
            Write::put(
                Condition::RowNew,
                Require::Anything,
                Key::Request(request.clone()),
                item,
            )
        }));
        if change.calls {
            writes.extend(self.check_grant(owner, pull.grant));
        }
        if change.unlocks {
            let lock = Key::OpenPull(pull.patient.clone());
            writes.extend(self.release(lock, Subject::Pull(pull.id)));
        }
        writes.extend(change.accesses().filter_map(|(what, _)| self.put_log(owner, what)));
        writes
    }
}

impl ReadRecord for Io {
    async fn record(&self, owner: &OwnerId, record: RecordId) -> Stored<Option<Record>> {
        let item = self.get(Key::Record(owner.clone(), record)).await?;
        let record = item.and_then(|item| item.record().cloned());
        Ok(record.map(|record| match self.sabotaged_due_seq() {
            Some(due_seq) => Record { due_seq, ..record },
            None => record,
        }))
    }
}

impl CreateRecord for Io {
    async fn open_records(&self, owner: &OwnerId) -> Stored<OpenRecords> {
        let item = self.get(Key::OpenRecords(owner.clone())).await?;
        let open = item.and_then(|item| item.open_records().cloned()).unwrap_or_default();
        Ok(match self.is(Sabotage::OpenRecordsForgotten) {
            true => OpenRecords {
                version: open.version,
                records: Vec::new(),
            },
            false => open,
        })
    }

    async fn create_record(
        &self,
        owner: &OwnerId,
        record: &Record,
        open: &OpenRecords,
        root: &PersonRoot,
    ) -> Stored<()> {
        let list = Write::put(
            Condition::OpenRecordsAsRead,
            Require::Version(open.version.saturating_sub(1)),
            Key::OpenRecords(owner.clone()),
            Item::OpenRecords(open.clone()),
        );
        let writes = [put_record(owner, record, 0), list].into_iter();
        self.commit(writes.chain(self.check_root(owner, root)).collect()).await
    }
}

impl WriteRecord for Io {
    async fn write_record(&self, owner: &OwnerId, write: RecordWrite<'_>) -> Stored<()> {
        self.put_record_change(owner, write, None).await
    }
}

impl WriteRecordOnce for Io {
    async fn write_record_once(&self, owner: &OwnerId, write: RecordWrite<'_>, message: &SeenMessage) -> Stored<()> {
        self.put_record_change(owner, write, Some(message)).await
    }
}

impl Io {
    async fn put_record_change(
        &self,
        owner: &OwnerId,
        write: RecordWrite<'_>,
        message: Option<&SeenMessage>,
    ) -> Stored<()> {
        let mut writes = self.record_writes(owner, write);
        writes.extend(message.and_then(|message| self.put_message(message)));
        self.commit_released(writes).await
    }

    /// The changed record, and everything that its change requires.
    pub(super) fn record_writes(&self, owner: &OwnerId, write: RecordWrite<'_>) -> Vec<Write> {
        let (change, record) = (write.change, &write.change.record);
        let mut writes = vec![put_record(owner, record, record.version - 1)];
        writes.extend(change.binds.as_ref().map(|request| {
            let item = Item::Request(owner.clone(), Subject::Record(record.id));
            Write::put(
                Condition::RowNew,
                Require::Anything,
                Key::Request(request.clone()),
                item,
            )
        }));
        if change.calls {
            writes.extend(self.check_grant(owner, record.grant));
        }
        writes.extend(self.lock_of_record(owner, write));
        let quarantine = write.quarantine.into_iter();
        writes.extend(quarantine.flat_map(|quarantine| self.quarantine_writes(owner, quarantine)));
        writes.extend(change.access().and_then(|what| self.put_log(owner, what)));
        writes
    }

    /// The write that takes, releases or shortens the patient's lock.
    fn lock_of_record(&self, owner: &OwnerId, write: RecordWrite<'_>) -> Option<Write> {
        let (change, record) = (write.change, &write.change.record);
        let (key, holder) = (
            Key::OpenConsolidated(record.patient.clone()),
            Subject::Record(record.id),
        );
        let lock = |deadline| {
            Item::Lock(Lock {
                owner: owner.clone(),
                holder,
                deadline,
            })
        };
        if change.locks {
            let (require, item) = (Require::NothingAlive(write.now), lock(write.lock_until));
            return Some(Write::put(Condition::NoOpenConsolidated, require, key, item));
        }
        if let Some(until) = change.shortens {
            let require = Require::Holder(holder);
            return Some(Write::put(Condition::LockOurs, require, key, lock(until)));
        }
        change.unlocks.then(|| self.release(key, holder)).flatten()
    }
}
