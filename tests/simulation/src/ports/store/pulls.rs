//! Runs and records, and the writes of each change.

use shared::domain::record::{OpenRecords, Record};
use shared::domain::run::{Run, RunEvent};
use shared::domain::{OwnerId, RecordId, RunId, Time};
use shared::message::Subject;
use shared::store::{
    Condition, CreateRecord, ReadRecord, ReadRun, RecordWrite, RunWrite, SeenMessage, TimelineEntry, WriteRecord,
    WriteRecordOnce, WriteRun, WriteRunOnce,
};

use super::Stored;
use crate::Sabotage;
use crate::io::Io;
use crate::store::{Item, Key, Lock, Require, Write};

pub(super) fn put_run(owner: &OwnerId, run: &Run, read: u64) -> Write {
    let key = Key::Run(owner.clone(), run.id);
    Write::put(
        Condition::RunAsRead,
        Require::Version(read),
        key,
        Item::Run(run.clone()),
    )
}

pub(super) fn put_entry(
    owner: &OwnerId,
    run: &Run,
    event: Option<&RunEvent>,
    record: Option<RecordId>,
    at: Time,
) -> Write {
    let entry = TimelineEntry {
        n: run.version,
        at,
        event: event.cloned(),
        record,
    };
    let key = Key::Entry(owner.clone(), run.id, run.version);
    Write::put(Condition::RowNew, Require::Nothing, key, Item::Entry(entry))
}

fn put_record(owner: &OwnerId, record: &Record, read: u64) -> Write {
    let key = Key::Record(owner.clone(), record.id);
    Write::put(
        Condition::RecordAsRead,
        Require::Version(read),
        key,
        Item::Record(record.clone()),
    )
}

impl ReadRun for Io {
    async fn run(&self, owner: &OwnerId, run: RunId) -> Stored<Option<Run>> {
        let item = self.get(Key::Run(owner.clone(), run)).await?;
        let run = item.and_then(|item| item.run().cloned());
        Ok(run.map(|run| match self.sabotaged_due_seq() {
            Some(due_seq) => Run { due_seq, ..run },
            None => run,
        }))
    }
}

impl WriteRun for Io {
    async fn write_run(&self, owner: &OwnerId, write: RunWrite<'_>) -> Stored<()> {
        self.put_run_change(owner, write, None).await
    }
}

impl WriteRunOnce for Io {
    async fn write_run_once(&self, owner: &OwnerId, write: RunWrite<'_>, seen: &SeenMessage) -> Stored<()> {
        self.put_run_change(owner, write, Some(seen)).await
    }
}

impl Io {
    async fn put_run_change(&self, owner: &OwnerId, write: RunWrite<'_>, seen: Option<&SeenMessage>) -> Stored<()> {
        let (change, run) = (write.change, &write.change.run);
        let made = change.record.map(|(id, _)| id);
        let mut writes = vec![
            put_run(owner, run, run.version - 1),
            put_entry(owner, run, Some(write.event), made, write.now),
        ];
        writes.extend(write.record.map(|record| put_record(owner, record, 0)));
        writes.extend(change.binds.as_ref().map(|request| {
            let item = Item::Request(owner.clone(), Subject::Run(run.id));
            Write::put(
                Condition::RowNew,
                Require::Anything,
                Key::Request(request.clone()),
                item,
            )
        }));
        if change.frees_session {
            self.forget_session(&mut writes, owner, write.challenge, run.id).await?;
        }
        if change.unlocks {
            let lock = Key::OpenRun(run.patient.clone());
            writes.extend(self.release(lock, Subject::Run(run.id)));
        }
        writes.extend(seen.and_then(|seen| self.seen_write(seen)));
        self.commit_released(writes).await
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

    async fn create_record(&self, owner: &OwnerId, record: &Record, open: &OpenRecords) -> Stored<()> {
        let list = Write::put(
            Condition::OpenRecordsAsRead,
            Require::Version(open.version.saturating_sub(1)),
            Key::OpenRecords(owner.clone()),
            Item::OpenRecords(open.clone()),
        );
        self.commit(vec![put_record(owner, record, 0), list]).await
    }
}

impl WriteRecord for Io {
    async fn write_record(&self, owner: &OwnerId, write: RecordWrite<'_>) -> Stored<()> {
        self.put_record_change(owner, write, None).await
    }
}

impl WriteRecordOnce for Io {
    async fn write_record_once(&self, owner: &OwnerId, write: RecordWrite<'_>, seen: &SeenMessage) -> Stored<()> {
        self.put_record_change(owner, write, Some(seen)).await
    }
}

impl Io {
    async fn put_record_change(
        &self,
        owner: &OwnerId,
        write: RecordWrite<'_>,
        seen: Option<&SeenMessage>,
    ) -> Stored<()> {
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
        let lock = Key::OpenConsolidated(record.patient.clone());
        if change.locks {
            let item = Lock {
                owner: owner.clone(),
                holder: Subject::Record(record.id),
                deadline: write.lock_until,
            };
            let require = Require::NothingAlive(write.now);
            writes.push(Write::put(
                Condition::NoOpenConsolidated,
                require,
                lock.clone(),
                Item::Lock(item),
            ));
        }
        if change.unlocks {
            writes.extend(self.release(lock, Subject::Record(record.id)));
        }
        writes.extend(seen.and_then(|seen| self.seen_write(seen)));
        self.commit_released(writes).await
    }
}
