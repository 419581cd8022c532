//! What a function may do to the world, one operation at a time.
//!
//! A function is an `async fn` over [`Io`]. Each operation leaves the function suspended until the world has performed
//! it; between two operations anything may happen, a crash included. A suspended function is not kept: what it got back
//! so far is ([`Task::log`](crate::task::Task)), and running it again over that log brings it to the same place. So the
//! whole world is plain data that can be copied, compared and hashed.
//!
//! The traits of `shared::store` and `shared::queue` are implemented here, so that their own code above single
//! operations (`claim_record`, `settle_record`, the announcements, the reconciler's tick) is the real one.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use shared::domain::challenge::ChallengeSlot;
use shared::domain::record::Record;
use shared::domain::replay::Replays;
use shared::domain::run::{Run, RunEvent};
use shared::domain::{OwnerId, RecordId, RunId, Time, Timing};
use shared::metriport::UpstreamError;
use shared::queue::{Advance, FetchRecord, Link, QueueError, SendAdvance, SendFetch, Subject};
use shared::store::{
    Condition, Due, KeepReplays, ReadDue, ReadRecord, ReadRun, RecordWrite, RunWrite, SeenMessage, StoreError,
    TimelineEntry, WriteRecord, WriteRun,
};
use shared::webhook::WebhookEvent;

use crate::Sabotage;
use crate::store::{Effect, Item, Key, Lock, Require, Write};
use crate::upstream::{Answer, Call, Content};

/// The daily quota the reconciler is told.
const DAILY_QUOTA: u32 = 10_000;

/// A message in a queue.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) enum Body {
    Advance(Advance),
    Fetch(FetchRecord),
    Webhook(Box<WebhookEvent>),
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Get(Key),
    Commit(Vec<Write>),
    Overdue(Time),
    Send(Body, Duration),
    Upstream(Call),
    Follow(Link),
    Now,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Item(Result<Option<Arc<Item>>, StoreError>),
    Committed(Result<(), StoreError>),
    Overdue(Vec<Advance>),
    Sent(Result<(), QueueError>),
    Upstream(Box<Result<Answer, UpstreamError>>),
    Followed(Option<Content>),
    Now(Time),
}

/// A function's hands.
pub(crate) struct Io {
    state: Mutex<State>,
    pub(crate) timing: Timing,
    pub(crate) sabotage: Option<Sabotage>,
}

struct State {
    log: Vec<Reply>,
    at: usize,
    pending: Option<Op>,
}

type Stored<T> = Result<T, StoreError>;

impl Io {
    pub(crate) fn new(log: Vec<Reply>, timing: Timing, sabotage: Option<Sabotage>) -> Self {
        let state = State {
            log,
            at: 0,
            pending: None,
        };
        Self {
            state: Mutex::new(state),
            timing,
            sabotage,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operation the function waits for.
    pub(crate) fn pending(&self) -> Option<Op> {
        self.state().pending.take()
    }

    pub(crate) fn answer(&self, reply: Reply) {
        self.state().log.push(reply);
    }

    pub(crate) fn into_log(self) -> Vec<Reply> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).log
    }

    async fn call(&self, op: Op) -> Reply {
        let mut op = Some(op);
        poll_fn(move |_| {
            let mut state = self.state();
            let at = state.at;
            if let Some(reply) = state.log.get(at).cloned() {
                state.at += 1;
                return Poll::Ready(reply);
            }
            state.pending = op.take();
            Poll::Pending
        })
        .await
    }

    pub(crate) fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// The clock of the machine the function runs on.
    pub(crate) async fn now(&self) -> Time {
        match self.call(Op::Now).await {
            Reply::Now(now) => now,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn get(&self, key: Key) -> Stored<Option<Arc<Item>>> {
        match self.call(Op::Get(key)).await {
            Reply::Item(item) => item,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Stored<()> {
        match self.call(Op::Commit(writes)).await {
            Reply::Committed(outcome) => outcome,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn send(&self, body: Body, delay: Duration) -> Result<(), QueueError> {
        match self.call(Op::Send(body, delay)).await {
            Reply::Sent(outcome) => outcome,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn upstream(&self, call: Call) -> Result<Answer, UpstreamError> {
        match self.call(Op::Upstream(call)).await {
            Reply::Upstream(answer) => *answer,
            other => unreachable!("{other:?}"),
        }
    }

    /// Follows a link; nothing when it is dead or the transfer breaks.
    pub(crate) async fn follow(&self, link: &Link) -> Option<Content> {
        match self.call(Op::Follow(link.clone())).await {
            Reply::Followed(content) => content,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn challenge(&self, owner: &OwnerId) -> Stored<ChallengeSlot> {
        let item = self.get(Key::Challenge(owner.clone())).await?;
        Ok(item.and_then(|item| item.challenge().cloned()).unwrap_or_default())
    }

    pub(crate) async fn lock(&self, key: Key) -> Stored<Option<Lock>> {
        Ok(self.get(key).await?.and_then(|item| item.lock().cloned()))
    }

    pub(crate) async fn by_owner(&self, key: Key) -> Stored<Option<OwnerId>> {
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
        if slot.held.as_ref().is_none_or(|held| held.run != run) {
            return Ok(());
        }
        let read = Require::Version(slot.version);
        let freed = ChallengeSlot {
            held: None,
            version: slot.version + 1,
            ..slot
        };
        let key = Key::Challenge(owner.clone());
        writes.push(Write::put(
            Condition::ChallengeAsRead,
            read,
            key,
            Item::Challenge(freed),
        ));
        Ok(())
    }

    /// That a message was seen, provided that it was not before.
    pub(crate) fn seen_write(&self, seen: &SeenMessage) -> Option<Write> {
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
}

/// The run as the transaction puts it: over the version before.
pub(crate) fn put_run(owner: &OwnerId, run: &Run, read: u64) -> Write {
    let key = Key::Run(owner.clone(), run.id);
    Write::put(
        Condition::RunAsRead,
        Require::Version(read),
        key,
        Item::Run(run.clone()),
    )
}

pub(crate) fn put_entry(
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

pub(crate) fn put_record(owner: &OwnerId, record: &Record, read: u64) -> Write {
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
        Ok(item.and_then(|item| item.run().cloned()))
    }

    async fn runs(&self, _: &OwnerId, _: i32) -> Stored<Vec<Run>> {
        Err(StoreError::Refused("lists are not simulated".to_owned()))
    }

    async fn timeline(&self, _: &OwnerId, _: RunId) -> Stored<Vec<TimelineEntry>> {
        Err(StoreError::Refused("lists are not simulated".to_owned()))
    }
}

impl WriteRun for Io {
    async fn write_run(&self, owner: &OwnerId, write: RunWrite<'_>, seen: Option<&SeenMessage>) -> Stored<()> {
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
        Ok(item.and_then(|item| item.record().cloned()))
    }

    async fn records(&self, _: &OwnerId, _: i32) -> Stored<Vec<Record>> {
        Err(StoreError::Refused("lists are not simulated".to_owned()))
    }
}

impl WriteRecord for Io {
    async fn create_record(&self, owner: &OwnerId, record: &Record) -> Stored<()> {
        self.commit(vec![put_record(owner, record, 0)]).await
    }

    async fn write_record(&self, owner: &OwnerId, write: RecordWrite<'_>, seen: Option<&SeenMessage>) -> Stored<()> {
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

/// The calls of the day are counted in the table, where nothing but their number decides: what is simulated is never
/// refused one.
impl shared::budget::CountCall for Io {
    fn quota(&self) -> u32 {
        DAILY_QUOTA
    }

    async fn count_call(&self, _share: shared::domain::budget::Share, _now: Time) -> Result<bool, StoreError> {
        Ok(true)
    }
}

impl SendAdvance for Io {
    /// One after the other, with anything in between: of a batch, some may be sent and others not.
    async fn send_advances(&self, advances: &[(Advance, Duration)]) -> Result<(), QueueError> {
        for (advance, delay) in advances {
            self.send(Body::Advance(advance.clone()), *delay).await?;
        }
        Ok(())
    }
}

impl SendFetch for Io {
    async fn send_fetch(&self, fetch: &FetchRecord) -> Result<(), QueueError> {
        self.send(Body::Fetch(fetch.clone()), Duration::ZERO).await
    }
}

impl shared::metriport::WebhookReplay for Io {
    async fn webhook_status(&self) -> Result<Option<shared::metriport::WebhookStatus>, UpstreamError> {
        let answer = self.upstream(Call::WebhookStatus).await?;
        let Answer::Failed(failed) = answer else {
            unreachable!("{answer:?}")
        };
        Ok(Some(shared::metriport::WebhookStatus {
            enabled: Some(true),
            processing: 0,
            failed,
        }))
    }

    async fn retry_webhooks(&self) -> Result<(), UpstreamError> {
        self.upstream(Call::RetryWebhooks).await.map(drop)
    }
}

/// Whether an effect is a put, and of what.
pub(crate) const fn put_of(effect: &Effect) -> Option<&Arc<Item>> {
    match effect {
        Effect::Put(item) => Some(item),
        Effect::Delete | Effect::Check => None,
    }
}
