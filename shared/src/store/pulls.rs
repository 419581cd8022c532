//! Runs and their timelines.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::links::SeenMessage;
use super::person::{LockRow, ReadChallenge, ttl};
use super::records::put_record;
use super::table::{Page, text};
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, Table, keys};
use crate::domain::challenge::ChallengeSlot;
use crate::domain::record::Record;
use crate::domain::run::{Change, Run, RunEvent};
use crate::domain::{OwnerId, RecordId, RunId, Time, UpstreamRequestId};
use crate::message::Subject;
use crate::metrics::Metric;
use crate::ports::port;

/// One line of a run's timeline: the event, its time, and the record it made, if any. It holds no clinical data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The run's version after the event; 1 is the acceptance.
    pub n: u64,
    /// When the line was written.
    pub at: Time,
    /// The event; `None` for the acceptance itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<RunEvent>,
    /// The record that the event made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
}

/// The owner and the work to which the webhooks of an upstream request belong.
#[derive(Serialize, Deserialize)]
pub(super) struct RequestRow {
    pub(super) owner: OwnerId,
    #[serde(flatten)]
    pub(super) subject: Subject,
}

port! {
    /// Reads a person's runs.
    pub trait ReadRun via HasStore {
        /// One run.
        async fn run(&self, owner: &OwnerId, run: RunId) -> Result<Option<Run>>;
    }
}

port! {
    /// Lists a person's runs and their timelines.
    pub trait ListRuns via HasStore {
        /// Up to `limit` runs, the newest first.
        async fn runs(&self, owner: &OwnerId, limit: i32) -> Result<Vec<Run>>;
        /// A run's timeline, oldest first.
        async fn timeline(&self, owner: &OwnerId, run: RunId) -> Result<Vec<TimelineEntry>>;
    }
}

port! {
    /// Writes a change of a run.
    pub trait WriteRun via HasStore {
        /// Writes, in one transaction, the run over its previous version, a timeline entry, and everything else that
        /// the change requires.
        async fn write_run(&self, owner: &OwnerId, write: RunWrite<'_>) -> Result<()>;
    }
}

port! {
    /// Writes the effect of a message on a run.
    pub trait WriteRunOnce via HasStore {
        /// Writes like [`WriteRun::write_run`], and marks the message as seen. Fails if the message was seen before
        /// ([`Condition::MessageUnseen`]).
        async fn write_run_once(&self, owner: &OwnerId, write: RunWrite<'_>, seen: &SeenMessage) -> Result<()>;
    }
}

/// A change of a run, and the event that caused it.
#[derive(Debug, Clone, Copy)]
pub struct RunWrite<'a> {
    /// The event.
    pub event: &'a RunEvent,
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

impl ReadRun for Table {
    async fn run(&self, owner: &OwnerId, run: RunId) -> Result<Option<Run>> {
        self.get(keys::run(owner, run), "run").await
    }
}

impl ListRuns for Table {
    async fn runs(&self, owner: &OwnerId, limit: i32) -> Result<Vec<Run>> {
        let partition = keys::owner_partition(owner);
        self.list(
            Page {
                partition,
                prefix: keys::RUN,
                newest: true,
                limit,
            },
            "run",
        )
        .await
    }

    async fn timeline(&self, owner: &OwnerId, run: RunId) -> Result<Vec<TimelineEntry>> {
        let (partition, prefix) = (keys::owner_partition(owner), keys::event_prefix(run));
        // A run has about forty polls and a handful of other events in its life, so the limit is never reached.
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

impl WriteRun for Table {
    async fn write_run(&self, owner: &OwnerId, write: RunWrite<'_>) -> Result<()> {
        self.put_run_change(owner, write, None).await
    }
}

impl WriteRunOnce for Table {
    async fn write_run_once(&self, owner: &OwnerId, write: RunWrite<'_>, seen: &SeenMessage) -> Result<()> {
        self.put_run_change(owner, write, Some(seen)).await
    }
}

impl Table {
    async fn put_run_change(&self, owner: &OwnerId, write: RunWrite<'_>, seen: Option<&SeenMessage>) -> Result<()> {
        let RunWrite {
            event,
            change,
            record,
            challenge,
            now,
        } = write;
        let run = &change.run;
        let made = change.record.map(|(id, _)| id);
        // One transaction, so that a crash never separates a run from its timeline, record, correlation or lock.
        let mut transaction = self.transaction().put_run(owner, run, run.version - 1)?;
        transaction = transaction.put_entry(owner, run, Some(event), made, now)?;
        if let Some(record) = record {
            transaction = put_record(transaction, owner, record, 0)?;
        }
        if let Some(request) = &change.binds {
            transaction = transaction.put_request(owner, request, Subject::Run(run.id), now)?;
        }
        if change.frees_session {
            let slot = match challenge {
                Some(slot) => slot.clone(),
                None => self.challenge(owner).await?,
            };
            transaction = transaction.forget_session(owner, slot, run.id)?;
        }
        if change.unlocks {
            transaction = transaction.release(keys::open_run(&run.patient), &run.id.to_string())?;
        }
        if let Some(seen) = seen {
            transaction = transaction.put_seen(seen)?;
        }
        transaction.commit().await?;
        // Counted only after the commit, because a refused write ended nothing.
        if let Some(state) = change.ended {
            self.metrics.put(&[Metric::pull_ended(state)]);
        }
        Ok(())
    }
}

/// The attribute by which an item appears in the due index. An item without a due time gets none and does not appear.
pub(super) fn due_attributes(id: &[u8; 16], due_at: Option<Time>) -> Option<(&'static str, AttributeValue)> {
    due_at.map(|_| ("dueShard", text(keys::due_shard(id))))
}

impl Transaction<'_> {
    pub(super) fn put_run(self, owner: &OwnerId, run: &Run, read_version: u64) -> Result<Self> {
        let due = due_attributes(run.id.as_bytes(), run.due_at);
        self.put(
            Condition::RunAsRead,
            &Replaces::Version(read_version),
            keys::run(owner, run.id),
            run,
            due,
        )
    }

    /// Removes the AAL2 session held for a run from the table, if it is still there.
    fn forget_session(self, owner: &OwnerId, slot: ChallengeSlot, run: RunId) -> Result<Self> {
        let read = Replaces::Version(slot.version);
        match slot.free(run) {
            Some(freed) => self.put(Condition::ChallengeAsRead, &read, keys::challenge(owner), &freed, []),
            None => Ok(self),
        }
    }

    pub(super) fn put_entry(
        self,
        owner: &OwnerId,
        run: &Run,
        event: Option<&RunEvent>,
        record: Option<RecordId>,
        now: Time,
    ) -> Result<Self> {
        let entry = TimelineEntry {
            n: run.version,
            at: now,
            event: event.cloned(),
            record,
        };
        self.put(
            Condition::RowNew,
            &Replaces::Nothing,
            keys::event(owner, run.id, run.version),
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
        // Metriport may answer a start with a request that runs already. The run or record of the latest start waits
        // for that request, so the row is overwritten.
        self.put(
            Condition::RowNew,
            &Replaces::Anything,
            keys::upstream_request(request),
            &row,
            [("ttl", ttl(now))],
        )
    }

    pub(super) fn put_seen(self, seen: &SeenMessage) -> Result<Self> {
        let key = keys::message(&seen.message);
        self.put(
            Condition::MessageUnseen,
            &Replaces::Nothing,
            key,
            seen,
            [("ttl", ttl(seen.at))],
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
}
