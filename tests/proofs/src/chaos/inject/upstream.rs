//! Faults of calls to Metriport and of transfers.

use std::sync::{Arc, PoisonError};

use sandbox_metriport::{CallInfo, Failure, Operation};
use shared::clock;
use shared::webhook::PULL_MARK;

use super::{FaultInjector, UpstreamCall};
use crate::caller::caller;
use crate::chaos::order::Occurrence;
use crate::chaos::plan::{Kind, Moment};

/// The longest delay of an answer of Metriport, before time is scaled; a function still waits for it.
const ANSWER_LATE_MS: u64 = 4_000;

pub(super) struct AtUpstream(pub(super) Arc<FaultInjector>);

fn pull_of(call: &CallInfo) -> Option<String> {
    let is_start = call.operation == Operation::StartNetworkQuery;
    is_start.then(|| call.metadata.get(PULL_MARK).cloned()).flatten()
}

#[async_trait::async_trait]
impl sandbox_metriport::Interceptor for AtUpstream {
    fn decide(&self, call: &CallInfo) -> Option<Failure> {
        let function = caller(call)?;
        let kind = self.0.fault_of(call.operation)?;
        self.0.note(kind, function, pull_of(call));
        Some(match kind {
            Kind::LinkDead => Failure::link_refused(),
            Kind::UpstreamLimited => Failure::RateLimited { retry_after_secs: 1 },
            Kind::UpstreamThrottled => Failure::limit_exceeded(),
            Kind::SourceLimited => Failure::sources_limited(vec![sandbox_metriport::Source::Lab]),
            Kind::UpstreamError => Failure::internal(),
            Kind::UpstreamErrorAfter => Failure::internal().after_effect(),
            Kind::UpstreamTimeout => Failure::gateway_timeout().after_effect(),
            Kind::UpstreamTruncated => Failure::Garbage,
            Kind::ResetBefore => Failure::ResetBeforeEffect,
            Kind::ResetAfter => Failure::ResetAfterEffect,
            Kind::WebhookBeforeAnswer => Failure::HangFor(ANSWER_LATE_MS / self.0.scale),
            _ => Failure::HangFor(self.0.up_to(ANSWER_LATE_MS)),
        })
    }

    async fn before(&self, call: &CallInfo) -> sandbox_metriport::Passage {
        let Some(function) = caller(call) else {
            return sandbox_metriport::Passage::Go;
        };
        self.0.order.note(function, Occurrence::Called(call.operation));
        if let Some(subject) = &call.external_id {
            let mut calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(UpstreamCall {
                subject: subject.clone(),
                operation: call.operation,
                at_ms: clock::now().millis(),
            });
        }
        match self.0.pass(Moment::BeforeCall, function, pull_of(call)).await {
            true => sandbox_metriport::Passage::Go,
            false => sandbox_metriport::Passage::Drop,
        }
    }

    async fn after(&self, call: &CallInfo, _status: u16) -> sandbox_metriport::Passage {
        let Some(function) = caller(call) else {
            return sandbox_metriport::Passage::Go;
        };
        match self.0.pass(Moment::AfterCall, function, pull_of(call)).await {
            true => sandbox_metriport::Passage::Go,
            false => sandbox_metriport::Passage::Drop,
        }
    }
}

/// Faults of any call to Metriport's API.
const OF_CALLS: [Kind; 9] = [
    Kind::UpstreamLatency,
    Kind::UpstreamLimited,
    Kind::UpstreamThrottled,
    Kind::UpstreamError,
    Kind::UpstreamErrorAfter,
    Kind::UpstreamTimeout,
    Kind::UpstreamTruncated,
    Kind::ResetBefore,
    Kind::ResetAfter,
];
/// Additional faults of the start of a query.
const OF_STARTS: [Kind; 2] = [Kind::WebhookBeforeAnswer, Kind::SourceLimited];
/// Faults of a transfer.
const OF_TRANSFERS: [Kind; 3] = [Kind::LinkDead, Kind::ResetAfter, Kind::UpstreamTruncated];

impl FaultInjector {
    /// Draws the fault of a call.
    fn fault_of(&self, operation: Operation) -> Option<Kind> {
        match operation {
            Operation::DownloadFile => self.throw(&OF_TRANSFERS),
            Operation::StartNetworkQuery => self.throw(&OF_STARTS).or_else(|| self.throw(&OF_CALLS)),
            _ => self.throw(&OF_CALLS),
        }
    }
}
