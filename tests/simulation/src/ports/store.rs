//! The table: each read is one operation, and so is each transaction, with the conditions of `shared::store`.

use shared::domain::challenge::{ChallengeSlot, Held};
use shared::domain::identity::{Identity, OpenSession};
use shared::domain::patient::PatientSlot;
use shared::domain::record::Record;
use shared::domain::replay::Replays;
use shared::domain::run::{Run, RunEvent};
use shared::domain::{
    Aal2SessionHash, IdentitySessionId, MessageId, OwnerId, PatientId, RecordId, RunId, Time, UpstreamRequestId,
};
use shared::message::Subject;
use shared::store::{
    AcceptRun, BindIdentity, Condition, Correlate, Correlation, CreateRecord, Due, Grounds, KeepReplays, ReadChallenge,
    ReadDue, ReadIdentity, ReadPatient, ReadRecord, ReadRun, RecordWrite, RejectIdentity, RememberMessage, RunWrite,
    SeenMessage, StoreError, TimelineEntry, WriteChallenge, WriteIdentity, WritePatient, WriteRecord, WriteRecordOnce,
    WriteRun, WriteRunOnce,
};

use crate::Sabotage;
use crate::io::{Io, Op, Reply};
use crate::store::{Item, Key, Lock, Require, Write};

type Stored<T> = Result<T, StoreError>;

impl Io {
    async fn lock(&self, key: Key) -> Stored<Option<Lock>> {
        Ok(self.get(key).await?.and_then(|item| item.lock().cloned()))
    }

    async fn by_owner(&self, key: Key) -> Stored<Option<OwnerId>> {
        Ok(self.get(key).await?.and_then(|item| item.owner().cloned()))
    }

    /// The release of a lock, if it is still ours.
    fn release(&self, key: Key, holder: Subject) -> Option<Write> {
        (!self.is(Sabotage::LockKept)).then(|| Write::release(key, holder))
    }

    /// Writes all, or nothing; a lock that is not ours any more is left alone, and the rest written without it.
    async fn commit_released(&self, writes: Vec<Write>) -> Stored<()> {
        match self.commit(writes.clone()).await {
            Err(StoreError::Conflict(failed)) if failed == [Condition::LockOurs] => {
                let kept = writes
                    .into_iter()
                    .filter(|write| write.condition != Condition::LockOurs);
                self.commit(kept.collect()).await
            }
            written => written,
        }
    }

    /// Takes the AAL2 session held for a run out of the table, if it is still there. `slot` is where it is read to be.
    async fn forget_session(
        &self,
        writes: &mut Vec<Write>,
        owner: &OwnerId,
        slot: Option<&ChallengeSlot>,
        run: RunId,
    ) -> Stored<()> {
        let slot = match slot {
            Some(slot) => slot.clone(),
            None => self.challenge(owner).await?,
        };
        writes.extend(slot.free(run).map(|freed| put_challenge(owner, freed)));
        Ok(())
    }

    /// That a message was seen, provided that it was not before.
    fn seen_write(&self, seen: &SeenMessage) -> Option<Write> {
        let require = match self.is(Sabotage::DedupeDropped) {
            true => return None,
            false => Require::Nothing,
        };
        let key = Key::Seen(seen.message.clone());
        Some(Write::put(
            Condition::MessageUnseen,
            require,
            key,
            Item::Seen(seen.clone()),
        ))
    }

    /// Whose the patient is: for good, or for as long as a claim lasts.
    fn put_owner(&self, owner: &OwnerId, patient: &PatientId, now: Time, item: Item) -> Write {
        let require = match self.is(Sabotage::PatientShared) {
            true => Require::Anything,
            false => Require::NobodyElses(owner.clone(), now),
        };
        let key = Key::PatientOwner(patient.clone());
        Write::put(Condition::PatientUnowned, require, key, item)
    }
}

/// The run as the transaction puts it: over the version before.
fn put_run(owner: &OwnerId, run: &Run, read: u64) -> Write {
    let key = Key::Run(owner.clone(), run.id);
    Write::put(
        Condition::RunAsRead,
        Require::Version(read),
        key,
        Item::Run(run.clone()),
    )
}

fn put_entry(owner: &OwnerId, run: &Run, event: Option<&RunEvent>, record: Option<RecordId>, at: Time) -> Write {
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
    async fn create_record(&self, owner: &OwnerId, record: &Record) -> Stored<()> {
        self.commit(vec![put_record(owner, record, 0)]).await
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

impl ReadDue for Io {
    async fn overdue(&self, before: Time, _: i32) -> Stored<Vec<Due>> {
        match self.call(Op::Overdue(before)).await {
            // Since when is not modelled: nothing but a metric hangs on it.
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

/// What is put over the version before.
fn put_patient(owner: &OwnerId, slot: &PatientSlot) -> Write {
    let read = Require::Version(slot.version.saturating_sub(1));
    let key = Key::Patient(owner.clone());
    Write::put(Condition::PatientAsRead, read, key, Item::Patient(slot.clone()))
}

fn put_identity(owner: &OwnerId, identity: &Identity) -> Write {
    let read = Require::Version(identity.version.saturating_sub(1));
    let key = Key::Identity(owner.clone());
    Write::put(Condition::IdentityAsRead, read, key, Item::Identity(identity.clone()))
}

fn put_challenge(owner: &OwnerId, slot: ChallengeSlot) -> Write {
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
    async fn begin_change(&self, owner: &OwnerId, slot: &PatientSlot, now: Time) -> Stored<()> {
        let mut writes = vec![put_patient(owner, slot)];
        writes.extend(slot.link.as_ref().map(|link| {
            let key = Key::OpenRun(link.patient.clone());
            Write::check(Condition::NoOpenRun, Require::NothingAlive(now), key)
        }));
        self.commit(writes).await
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
        let mut writes = vec![put_patient(owner, slot)];
        writes.extend(slot.link.as_ref().map(|link| {
            let item = Item::Owner(owner.clone());
            self.put_owner(owner, &link.patient, now, item)
        }));
        self.commit(writes).await
    }
}

impl ReadIdentity for Io {
    async fn identity(&self, owner: &OwnerId) -> Stored<Identity> {
        let item = self.get(Key::Identity(owner.clone())).await?;
        Ok(item.and_then(|item| item.identity().cloned()).unwrap_or_default())
    }
}

impl WriteIdentity for Io {
    async fn put_identity_session(
        &self,
        owner: &OwnerId,
        identity: &Identity,
        session: &OpenSession,
        patient: &PatientSlot,
        _now: Time,
    ) -> Stored<()> {
        let row = |key| Write::put(Condition::RowNew, Require::Nothing, key, Item::Owner(owner.clone()));
        let writes = vec![
            put_identity(owner, identity),
            row(Key::Session(session.id.clone())),
            row(Key::Mark(session.mark.clone())),
            check_patient(owner, patient.version),
        ];
        self.commit(writes).await
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
    async fn put_challenge(&self, owner: &OwnerId, slot: &ChallengeSlot) -> Stored<()> {
        self.commit(vec![put_challenge(owner, slot.clone())]).await
    }
}

impl AcceptRun for Io {
    async fn is_session_used(&self, session: &Aal2SessionHash) -> Stored<bool> {
        let used = self.get(Key::Used(session.clone())).await?;
        Ok(used.is_some() && !self.is(Sabotage::SessionForgotten))
    }

    async fn locked_until(&self, patient: &PatientId) -> Stored<Option<Time>> {
        let lock = self.lock(Key::OpenRun(patient.clone())).await?;
        Ok(lock.map(|lock| lock.deadline))
    }

    async fn accept_run(
        &self,
        owner: &OwnerId,
        grounds: Grounds<'_>,
        held: &Held,
        session: &Aal2SessionHash,
        run: &Run,
    ) -> Stored<()> {
        let lock = Lock {
            owner: owner.clone(),
            holder: Subject::Run(run.id),
            deadline: grounds.lock_until,
        };
        let used = match self.is(Sabotage::SessionForgotten) {
            true => Require::Anything,
            false => Require::Nothing,
        };
        let alive = Require::NothingAlive(run.created_at);
        let (lock_key, lock) = (Key::OpenRun(run.patient.clone()), Item::Lock(lock));
        let identity = Require::Version(grounds.identity.version);
        let writes = vec![
            put_challenge(owner, grounds.challenge.clone().spend(held.clone())),
            Write::put(
                Condition::SessionUnused,
                used,
                Key::Used(session.clone()),
                Item::Used(run.id),
            ),
            Write::put(Condition::NoOpenRun, alive, lock_key, lock),
            put_run(owner, run, 0),
            put_entry(owner, run, None, None, run.created_at),
            check_patient(owner, grounds.patient.version),
            Write::check(Condition::IdentityAsRead, identity, Key::Identity(owner.clone())),
        ];
        self.commit(writes).await
    }
}

impl Correlate for Io {
    async fn by_request(&self, request: &UpstreamRequestId) -> Stored<Option<Correlation>> {
        let item = self.get(Key::Request(request.clone())).await?;
        Ok(item.and_then(|item| match item.as_ref() {
            Item::Request(owner, subject) => Some(Correlation {
                owner: owner.clone(),
                subject: *subject,
            }),
            _ => None,
        }))
    }

    async fn by_session(&self, session: &IdentitySessionId) -> Stored<Option<OwnerId>> {
        self.by_owner(Key::Session(session.clone())).await
    }

    async fn by_mark(&self, mark: &str) -> Stored<Option<OwnerId>> {
        self.by_owner(Key::Mark(mark.to_owned())).await
    }

    async fn by_patient(&self, patient: &PatientId) -> Stored<Option<OwnerId>> {
        self.by_owner(Key::PatientOwner(patient.clone())).await
    }

    async fn open_run(&self, patient: &PatientId) -> Stored<Option<(OwnerId, RunId)>> {
        let lock = self.lock(Key::OpenRun(patient.clone())).await?;
        Ok(lock.and_then(|lock| match lock.holder {
            Subject::Run(run) => Some((lock.owner, run)),
            Subject::Record(_) => None,
        }))
    }

    async fn open_consolidated(&self, patient: &PatientId) -> Stored<Option<(OwnerId, RecordId)>> {
        let lock = self.lock(Key::OpenConsolidated(patient.clone())).await?;
        Ok(lock.and_then(|lock| match lock.holder {
            Subject::Record(record) => Some((lock.owner, record)),
            Subject::Run(_) => None,
        }))
    }
}

impl RememberMessage for Io {
    async fn seen(&self, message: &MessageId) -> Stored<Option<SeenMessage>> {
        let item = self.get(Key::Seen(message.clone())).await?;
        Ok(item.and_then(|item| item.seen().cloned()))
    }

    async fn remember(&self, seen: &SeenMessage) -> Stored<()> {
        self.commit(self.seen_write(seen).into_iter().collect()).await
    }
}

impl BindIdentity for Io {
    async fn write_verified(&self, owner: &OwnerId, identity: &Identity, seen: &SeenMessage) -> Stored<()> {
        let mut writes = vec![put_identity(owner, identity)];
        writes.extend(self.seen_write(seen));
        self.commit(writes).await
    }
}
