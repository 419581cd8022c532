//! Pulls and their timelines.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::links::SeenMessage;
use super::person::{LockRow, ReadChallenge, ttl};
use super::records::put_record;
use super::table::{Page, text};
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, Table, keys};
use crate::domain::challenge::ChallengeSlot;
use crate::domain::log::{Actor, LogEntry};
use crate::domain::pull::{Change, Pull, PullEvent, PullState, TimelineEntry};
use crate::domain::record::Record;
use crate::domain::{OwnerId, PullId, RecordId, Time, UpstreamRequestId};
use crate::message::Subject;
use crate::metrics::Metric;
use crate::ports::port;

/// The owner and the work to which the webhooks of an upstream request belong.
#[derive(Serialize, Deserialize)]
pub(super) struct RequestRow {
    pub(super) owner: OwnerId,
    #[serde(flatten)]
    pub(super) subject: Subject,
}

port! {
    /// Reads a person's pulls.
    pub trait ReadPull via HasStore {
        /// One pull.
        async fn pull(&self, owner: &OwnerId, pull: PullId) -> Result<Option<Pull>>;
    }
}

port! {
    /// Lists a person's pulls and their timelines.
    pub trait ListPulls via HasStore {
        /// Up to `limit` pulls, the newest first.
        async fn pulls(&self, owner: &OwnerId, limit: i32) -> Result<Vec<Pull>>;
        /// A pull's timeline, oldest first.
        async fn timeline(&self, owner: &OwnerId, pull: PullId) -> Result<Vec<TimelineEntry>>;
    }
}

port! {
    /// Writes a change of a pull.
    pub trait WritePull via HasStore {
        /// Writes, in one transaction, the pull over its previous version, a timeline entry, the entries of the access
        /// log, and everything else that the change requires. If a call to Metriport follows, the pull's grant must
        /// hold.
        async fn write_pull(&self, owner: &OwnerId, write: PullWrite<'_>) -> Result<()>;
    }
}

port! {
    /// Writes the effect of a message on a pull.
    pub trait WritePullOnce via HasStore {
        /// Writes like [`WritePull::write_pull`], and marks the message as seen. Fails if the message was seen before
        /// ([`Condition::MessageUnseen`]).
        async fn write_pull_once(&self, owner: &OwnerId, write: PullWrite<'_>, message: &SeenMessage) -> Result<()>;
    }
}

/// A change of a pull, and the event that caused it.
#[derive(Debug, Clone, Copy)]
pub struct PullWrite<'a> {
    /// The event.
    pub event: &'a PullEvent,
    /// The change.
    pub change: &'a Change,
    /// The record that the change makes.
    pub record: Option<&'a Record>,
    /// The person's challenge, if the caller has read it. This spares a read if the change removes the challenge's
    /// session.
    pub challenge: Option<&'a ChallengeSlot>,
    /// The time of the write.
    pub now: Time,
}

impl ReadPull for Table {
    async fn pull(&self, owner: &OwnerId, pull: PullId) -> Result<Option<Pull>> {
        self.get(keys::pull(owner, pull), "run").await
    }
}

impl ListPulls for Table {
    async fn pulls(&self, owner: &OwnerId, limit: i32) -> Result<Vec<Pull>> {
        let partition = keys::owner_partition(owner);
        self.list(
            Page {
                partition,
                prefix: keys::PULL,
                newest: true,
                limit,
            },
            "run",
        )
        .await
    }

    async fn timeline(&self, owner: &OwnerId, pull: PullId) -> Result<Vec<TimelineEntry>> {
        let (partition, prefix) = (keys::owner_partition(owner), keys::event_prefix(pull));
        // A pull has about forty polls and a handful of other events in its life, so the limit is never reached.
        self.list(
            Page {
                partition,
                prefix: &prefix,
                newest: false,
                limit: 500,
            },
            "timeline entry",
        )
        .await
    }
}

impl WritePull for Table {
    async fn write_pull(&self, owner: &OwnerId, write: PullWrite<'_>) -> Result<()> {
        self.put_pull_change(owner, write, None).await
    }
}

impl WritePullOnce for Table {
    async fn write_pull_once(&self, owner: &OwnerId, write: PullWrite<'_>, message: &SeenMessage) -> Result<()> {
        self.put_pull_change(owner, write, Some(message)).await
    }
}

impl Table {
    async fn put_pull_change(
        &self,
        owner: &OwnerId,
        write: PullWrite<'_>,
        message: Option<&SeenMessage>,
    ) -> Result<()> {
        // One transaction, so that a crash never separates a pull from its timeline, record, correlation or lock.
        let mut transaction = self.transaction().put_change(owner, write, &Actor::Function)?;
        if write.change.frees_session {
            let slot = match write.challenge {
                Some(slot) => slot.clone(),
                None => self.challenge(owner).await?,
            };
            transaction = transaction.forget_session(owner, slot, write.change.pull.id)?;
        }
        if let Some(message) = message {
            transaction = transaction.put_seen_message(message)?;
        }
        transaction.commit().await?;
        // Counted only after the commit, because a refused write ended nothing.
        self.metrics.put(&ended(write.change));
        Ok(())
    }

    fn entries_of_pull(&self, change: &Change, actor: &Actor, now: Time) -> Result<Vec<LogEntry>> {
        let entry = |(what, state): (_, Option<PullState>)| {
            Ok(LogEntry {
                run: Some(change.pull.id),
                result: state.map(|state| state.as_str().to_owned()),
                ..self.log_entry(what, actor, now)?
            })
        };
        change.accesses().map(entry).collect()
    }
}

pub(super) fn ended(change: &Change) -> Vec<Metric> {
    change.ended.map(Metric::pull_ended).into_iter().collect()
}

/// The attribute by which an item appears in the due index. An item without a due time gets none and does not appear.
pub(super) fn due_attributes(id: &[u8; 16], due_at: Option<Time>) -> Option<(&'static str, AttributeValue)> {
    due_at.map(|_| ("dueShard", text(keys::due_shard(id))))
}

impl Transaction<'_> {
    /// Adds the changed pull, and everything that its change requires except the removal of a session. The entries of
    /// the access log name `actor`.
    pub(super) fn put_change(self, owner: &OwnerId, write: PullWrite<'_>, actor: &Actor) -> Result<Self> {
        let PullWrite {
            event,
            change,
            record,
            now,
            ..
        } = write;
        let pull = &change.pull;
        let made = change.record.map(|(id, _)| id);
        let mut transaction = self.put_pull(owner, pull, pull.version - 1)?;
        transaction = transaction.put_entry(owner, pull, Some(event), made, now)?;
        if change.calls {
            transaction = transaction.check_grant(owner, pull.grant)?;
        }
        if let Some(record) = record {
            transaction = put_record(transaction, owner, record, 0)?;
        }
        if let Some(request) = &change.binds {
            transaction = transaction.put_request(owner, request, Subject::Pull(pull.id), now)?;
        }
        if change.unlocks {
            transaction = transaction.release(keys::open_pull(&pull.patient), &pull.id.to_string())?;
        }
        for entry in transaction.table.entries_of_pull(change, actor, now)? {
            transaction = transaction.put_log(owner, &entry)?;
        }
        Ok(transaction)
    }

    pub(super) fn put_pull(self, owner: &OwnerId, pull: &Pull, read_version: u64) -> Result<Self> {
        let due = due_attributes(pull.id.as_bytes(), pull.due_at);
        self.put(
            Condition::PullAsRead,
            &Replaces::Version(read_version),
            keys::pull(owner, pull.id),
            pull,
            due,
        )
    }

    /// Removes the AAL2 session held for a pull from the table, if it is still there.
    fn forget_session(self, owner: &OwnerId, slot: ChallengeSlot, pull: PullId) -> Result<Self> {
        let read = Replaces::Version(slot.version);
        match slot.free(pull) {
            Some(freed) => self.put(Condition::ChallengeAsRead, &read, keys::challenge(owner), &freed, []),
            None => Ok(self),
        }
    }

    pub(super) fn put_entry(
        self,
        owner: &OwnerId,
        pull: &Pull,
        event: Option<&PullEvent>,
        record: Option<RecordId>,
        now: Time,
    ) -> Result<Self> {
        let entry = TimelineEntry {
            n: pull.version,
            at: now,
            event: event.cloned(),
            record,
        };
        self.put(
            Condition::RowNew,
            &Replaces::Nothing,
            keys::event(owner, pull.id, pull.version),
            &entry,
            [],
        )
    }

    pub(super) fn put_request(
        self,
        owner: &OwnerId,
        request: &UpstreamRequestId,
        subject: Subject,
        now: Time,
    ) -> Result<Self> {
        let row = RequestRow {
            owner: owner.clone(),
            subject,
        };
        // Metriport may answer a start with a request that runs already. The pull or record of the latest start waits
        // for that request, so the row is overwritten.
        self.put(
            Condition::RowNew,
            &Replaces::Anything,
            keys::upstream_request(request),
            &row,
            [("ttl", ttl(now))],
        )
    }

    pub(super) fn put_seen_message(self, message: &SeenMessage) -> Result<Self> {
        let key = keys::message(&message.message);
        self.put(
            Condition::MessageUnseen,
            &Replaces::Nothing,
            key,
            message,
            [("ttl", ttl(message.at))],
        )
    }

    pub(super) fn put_consolidated_lock(
        self,
        owner: &OwnerId,
        record: &Record,
        now: Time,
        until: Time,
    ) -> Result<Self> {
        let lock = LockRow {
            owner: owner.clone(),
            holder: record.id.to_string(),
            deadline: until,
        };
        let key = keys::open_consolidated(&record.patient);
        self.put(
            Condition::NoOpenConsolidated,
            &Replaces::NothingAlive(now),
            key,
            &lock,
            [],
        )
    }

    /// Moves the deadline of a lock that the record holds to an earlier time.
    pub(super) fn shorten_consolidated_lock(self, owner: &OwnerId, record: &Record, until: Time) -> Result<Self> {
        let lock = LockRow {
            owner: owner.clone(),
            holder: record.id.to_string(),
            deadline: until,
        };
        let (key, holds) = (keys::open_consolidated(&record.patient), Replaces::LockOf(&lock.holder));
        self.put(Condition::LockOurs, &holds, key, &lock, [])
    }
}
