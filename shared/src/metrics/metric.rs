//! Measurements. Each constructor takes only numbers and codes of closed lists.

use std::time::Duration;

use super::Name;
use crate::domain::budget::Budget;
use crate::domain::patient::LinkConflict;
use crate::domain::pull::PullState;
use crate::domain::record::RecordState;
use crate::message::dead_letter::DeadLetterReason;
use crate::message::webhook::EventKind;
use crate::ports::SignatureError;
use crate::ports::upstream::{Operation, UpstreamErrorKind};

/// The result of reading the webhook keys again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysRead {
    /// The signature matches now: the keys had changed.
    Matched,
    /// The signature still does not match: it is not Metriport's, or the new key is not stored yet.
    Unmatched,
    /// The keys could not be read; the known keys stay in use.
    Failed,
}

impl KeysRead {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Unmatched => "unmatched",
            Self::Failed => "failed",
        }
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    name: Name,
    value: u64,
    /// A code of a closed list; present if the name has a dimension, and only then.
    code: Option<&'static str>,
}

impl Metric {
    /// The name.
    #[must_use]
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// The dimension besides the stage, and its value.
    #[must_use]
    pub fn detail(&self) -> Option<(&'static str, &'static str)> {
        self.name.dimension().zip(self.code)
    }

    /// A pull was accepted.
    #[must_use]
    pub const fn pull_started() -> Self {
        Self::of(Name::PullsStarted, 1)
    }

    /// A pull ended in this state.
    #[must_use]
    pub const fn pull_ended(state: PullState) -> Self {
        Self::one(Name::PullsEnded, state.as_str())
    }

    /// A record ended in this state.
    #[must_use]
    pub const fn record_ended(state: RecordState) -> Self {
        Self::one(Name::RecordsEnded, state.as_str())
    }

    /// A record of this size was stored.
    #[must_use]
    pub const fn record_bytes(bytes: u64) -> Self {
        Self::of(Name::RecordBytes, bytes)
    }

    /// A record was stored although one of its Patients differs from the person.
    #[must_use]
    pub const fn record_different() -> Self {
        Self::of(Name::RecordsDifferent, 1)
    }

    /// A quarantine began or was extended.
    #[must_use]
    pub const fn records_quarantined() -> Self {
        Self::of(Name::RecordsQuarantined, 1)
    }

    /// An erasure is finished, this long after its request.
    #[must_use]
    pub fn erasure_finished(took: Duration) -> Self {
        Self::of(Name::ErasureTime, millis(took))
    }

    /// The number of erasures that take too long.
    #[must_use]
    pub const fn erasures_late(count: u64) -> Self {
        Self::of(Name::ErasuresLate, count)
    }

    /// The number of persons whose records are quarantined.
    #[must_use]
    pub const fn quarantines_active(count: u64) -> Self {
        Self::of(Name::QuarantinesActive, count)
    }

    /// The number of quarantines whose deadline has passed.
    #[must_use]
    pub const fn quarantines_overdue(count: u64) -> Self {
        Self::of(Name::QuarantinesOverdue, count)
    }

    /// A webhook of this kind is in the queue, or a ping is answered.
    #[must_use]
    pub const fn webhook_accepted(kind: EventKind) -> Self {
        Self::one(Name::WebhooksAccepted, kind.as_str())
    }

    /// The signature of a webhook was refused.
    #[must_use]
    pub const fn webhook_unbelieved(error: SignatureError) -> Self {
        Self::one(Name::WebhooksRefused, error.as_str())
    }

    /// A webhook could not be queued.
    #[must_use]
    pub const fn webhook_not_queued() -> Self {
        Self::one(Name::WebhooksRefused, "not_queued")
    }

    /// How long a webhook was on its way.
    #[must_use]
    pub fn webhook_age(age: Duration) -> Self {
        Self::of(Name::WebhookAge, millis(age))
    }

    /// The webhook keys were read again.
    #[must_use]
    pub const fn webhook_keys_refetched(read: KeysRead) -> Self {
        Self::one(Name::WebhookKeyRefetches, read.as_str())
    }

    /// A person was not linked to a patient.
    #[must_use]
    pub const fn link_refused(conflict: LinkConflict) -> Self {
        Self::one(Name::LinksRefused, conflict.as_str())
    }

    /// The duration of an upstream call.
    #[must_use]
    pub fn upstream_latency(operation: Operation, took: Duration) -> Self {
        Self::of(Name::UpstreamLatency, millis(took)).by(operation.as_str())
    }

    /// An upstream call failed.
    #[must_use]
    pub const fn upstream_error(kind: UpstreamErrorKind) -> Self {
        Self::one(Name::UpstreamErrors, kind.as_str())
    }

    /// How long a start waits for its turn.
    #[must_use]
    pub fn budget_wait(budget: Budget, wait: Duration) -> Self {
        Self::of(Name::BudgetWait, millis(wait)).by(budget.name())
    }

    /// The budget had no place for a call.
    #[must_use]
    pub const fn no_place(budget: Budget) -> Self {
        Self::one(Name::BudgetRefusals, budget.name())
    }

    /// The day had no call left.
    #[must_use]
    pub const fn day_over() -> Self {
        Self::one(Name::BudgetRefusals, "day")
    }

    /// A request exceeded a person's share, or their number of open records.
    #[must_use]
    pub const fn share_refused(share: &'static str) -> Self {
        Self::one(Name::ShareRefusals, share)
    }

    /// The used part of the day's calls.
    #[must_use]
    pub const fn daily_quota_used(percent: u32) -> Self {
        Self::of(Name::DailyQuotaUsed, percent as u64)
    }

    /// A message was given up for this reason, and is stored as a dead letter.
    #[must_use]
    pub const fn dead_letter(reason: DeadLetterReason) -> Self {
        Self::one(Name::DeadLetters, reason.as_str())
    }

    /// The number of overdue items that one invocation of `reconcile` found.
    #[must_use]
    pub const fn overdue_items(count: u64) -> Self {
        Self::of(Name::OverdueItems, count)
    }

    /// How long the oldest overdue item has been due.
    #[must_use]
    pub fn overdue_age(age: Duration) -> Self {
        Self::of(Name::OverdueAge, millis(age))
    }

    /// The number of overdue items that one invocation of `reconcile` left to the next, at least.
    #[must_use]
    pub const fn overdue_left(count: u64) -> Self {
        Self::of(Name::OverdueLeft, count)
    }

    /// The number of failed deliveries that Metriport reports.
    #[must_use]
    pub const fn failed_deliveries(count: u64) -> Self {
        Self::of(Name::FailedDeliveries, count)
    }

    /// The function asked Metriport to send failed deliveries again.
    #[must_use]
    pub const fn replays_requested() -> Self {
        Self::of(Name::ReplaysRequested, 1)
    }

    /// Whether replays no longer help.
    #[must_use]
    pub const fn replays_stalled(stalled: bool) -> Self {
        Self::of(Name::ReplaysStalled, stalled as u64)
    }

    /// The time since the end of the last sealed day.
    #[must_use]
    pub fn seal_age(age: Duration) -> Self {
        Self::of(Name::SealAge, millis(age))
    }

    const fn of(name: Name, value: u64) -> Self {
        Self {
            name,
            value,
            code: None,
        }
    }

    const fn by(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    const fn one(name: Name, code: &'static str) -> Self {
        Self::of(name, 1).by(code)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
