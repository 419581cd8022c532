//! A record's due work: take the patient's lock, start the consolidated query, ask how it goes.

use shared::budget::CountCall;
use shared::domain::budget::{Budget, Share, Turn};
use shared::domain::record::{QueryStatus, Record, RecordEvent, RecordStep};
use shared::domain::run::Deferral;
use shared::domain::{OwnerId, RecordId, Time};
use shared::metriport::{
    ConsolidatedQuery, Effect, Metadata, ReadConsolidatedQuery, StartConsolidatedQuery, UpstreamError,
    UpstreamErrorKind,
};
use shared::queue::{announce_end, announce_record};
use shared::store::{Condition, ReadRecord, StoreError, claim_record, settle_record};
use shared::webhook::RECORD_MARK;
use shared::{Error, clock};

use crate::{Deps, NOTHING, Outcome, STALE};

/// Does what is due of a record.
pub(crate) async fn advance(
    deps: &Deps,
    owner: &OwnerId,
    id: RecordId,
    due_seq: u64,
    now: Time,
) -> Result<Outcome, Error> {
    let record = deps
        .table
        .record(owner, id)
        .await?
        .filter(|record| record.due_seq == due_seq);
    let Some(record) = record else { return Ok(STALE) };
    match record.step(now) {
        RecordStep::Claim => claim(deps, owner, &record, now).await,
        RecordStep::Start => start(deps, owner, &record, None).await,
        RecordStep::Poll => poll(deps, owner, &record, now).await,
        RecordStep::Apply(event) => look(deps, owner, &record, &event, now).await,
        RecordStep::Wait(_) => {
            announce_record(&deps.advances, owner, &record, now).await?;
            Ok("early")
        }
        RecordStep::Nothing => Ok(NOTHING),
    }
}

/// Takes the patient's lock, and starts if it was free.
async fn claim(deps: &Deps, owner: &OwnerId, record: &Record, now: Time) -> Result<Outcome, Error> {
    match claim_record(&deps.table, owner, record, &RecordEvent::Claimed, (now, deps.timing)).await {
        Ok(Some(claimed)) => start(deps, owner, &claimed, record.start_at).await,
        Ok(None) => Ok(NOTHING),
        Err(error) if error.lacks(Condition::RecordAsRead) => Ok(STALE),
        Err(error) if error.lacks(Condition::NoOpenConsolidated) => {
            record_event(deps, owner, record, &RecordEvent::LockBusy, now).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Starts the query the lock is held for, when its turn has come; `slot` is the one it was planned for.
async fn start(deps: &Deps, owner: &OwnerId, record: &Record, slot: Option<Time>) -> Result<Outcome, Error> {
    let now = clock::now();
    if let Some(event) = out_of_turn(deps, record, slot, now).await? {
        return record_event(deps, owner, record, &event, now).await;
    }
    let metadata = Metadata::new([(RECORD_MARK, record.id.to_string()), ("env", deps.stage.clone())]);
    let metadata = metadata.map_err(|_malformed| Error::Internal("metadata of a record"))?;
    let answer = deps
        .metriport
        .start_consolidated_query(&record.patient, &record.asked, &metadata)
        .await;
    let now = clock::now();
    let answer = deps.budget.heeded(Budget::ConsolidatedStarts, answer, now).await;
    let event = started(answer, deps, now);
    record_event(deps, owner, record, &event, now).await
}

/// What keeps the start from being made now. It gives the lock back and waits for a slot or a place of the rate budget.
async fn out_of_turn(
    deps: &Deps,
    record: &Record,
    slot: Option<Time>,
    now: Time,
) -> Result<Option<RecordEvent>, Error> {
    let budget = Budget::ConsolidatedStarts;
    let latest = deps.budget.pace(budget).latest_to_start(record.expires_at);
    Ok(match deps.budget.start(budget, slot, now, latest).await? {
        Turn::Granted(at, _) if at <= now => None,
        Turn::Granted(until, _) => Some(RecordEvent::StartDeferred(Deferral::Budget, until)),
        Turn::Busy(until, _) | Turn::DayOver(until) => Some(RecordEvent::StartDeferred(Deferral::RateLimited, until)),
    })
}

fn started(answer: Result<ConsolidatedQuery, UpstreamError>, deps: &Deps, now: Time) -> RecordEvent {
    let error = match answer {
        Ok(query) => return RecordEvent::Started(query.request),
        Err(error) => error,
    };
    tracing::warn!(context = %error, "the consolidated query was not started");
    match (error.kind(), error.effect()) {
        (UpstreamErrorKind::RateLimited { retry_after }, _) => {
            RecordEvent::StartDeferred(Deferral::RateLimited, now.plus(deps.timing.busy_pause(retry_after)))
        }
        (_, Effect::NotSent) => RecordEvent::StartDeferred(Deferral::NotSent, now.plus(deps.timing.retry_pause())),
        (_, Effect::Refused) => RecordEvent::StartRefused,
        (_, Effect::Unknown) => RecordEvent::StartUnknown,
    }
}

async fn poll(deps: &Deps, owner: &OwnerId, record: &Record, now: Time) -> Result<Outcome, Error> {
    let Some(request) = &record.request else {
        return Ok(NOTHING);
    };
    if !deps.budget.count_call(Share::Status, now).await? {
        // As if it had been asked: it is looked at again later, and its webhook comes all the same.
        let processing = RecordEvent::Polled(QueryStatus::Processing);
        return look(deps, owner, record, &processing, now).await;
    }
    let status = match deps.metriport.read_consolidated_query(&record.patient, request).await {
        Ok(query) => QueryStatus::from(&query.status),
        Err(error) => {
            tracing::warn!(record = %record.id, context = %error, "the consolidated query's status could not be read");
            QueryStatus::Processing
        }
    };
    look(deps, owner, record, &RecordEvent::Polled(status), now).await
}

/// Writes what a look at upstream or at the clock found, provided that the record is as it was read: on a record that
/// has moved on, the same finding would mean something else.
async fn look(deps: &Deps, owner: &OwnerId, record: &Record, event: &RecordEvent, now: Time) -> Result<Outcome, Error> {
    match claim_record(&deps.table, owner, record, event, (now, deps.timing)).await {
        Ok(written) => announce(deps, owner, written, now).await,
        Err(StoreError::Conflict(_)) => Ok(STALE),
        Err(error) => Err(error.into()),
    }
}

/// Writes what happened, over whatever others wrote meanwhile, and announces what follows.
async fn record_event(
    deps: &Deps,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<Outcome, Error> {
    let written = settle_record(&deps.table, owner, record, event, (now, deps.timing)).await?;
    announce(deps, owner, written, now).await
}

/// Announces what follows from a change.
async fn announce(deps: &Deps, owner: &OwnerId, written: Option<Record>, now: Time) -> Result<Outcome, Error> {
    let Some(written) = written else { return Ok("unchanged") };
    tracing::info!(record = %written.id, state = ?written.state, "record advanced");
    announce_record(&deps.advances, owner, &written, now).await?;
    announce_end(&deps.table, &deps.advances, owner, &written).await?;
    Ok("advanced")
}
