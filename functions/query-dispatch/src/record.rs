//! A record's due work: take the patient's lock, start the consolidated query, and start it again to see how it goes.

use shared::domain::budget::{Budget, Turn};
use shared::domain::record::{Record, RecordEvent, RecordStep};
use shared::domain::run::Deferral;
use shared::domain::{OwnerId, RecordId, Time};
use shared::metriport::{
    ConsolidatedQuery, Effect, Metadata, StartConsolidatedQuery, UpstreamError, UpstreamErrorKind,
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
        RecordStep::Claim => claim(deps, owner, &record, &RecordEvent::Claimed, now).await,
        RecordStep::Repeat => claim(deps, owner, &record, &RecordEvent::Repeated, now).await,
        RecordStep::Apply(event) => by_the_clock(deps, owner, &record, &event, now).await,
        RecordStep::Wait(_) => {
            announce_record(&deps.advances, owner, &record, now).await?;
            Ok("early")
        }
        RecordStep::Nothing => Ok(NOTHING),
    }
}

/// Writes that a start is about to be sent, and sends it: the first takes the patient's lock, if that is free, and
/// those that repeat it hold it already.
async fn claim(
    deps: &Deps,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<Outcome, Error> {
    match claim_record(&deps.table, owner, record, event, (now, deps.timing)).await {
        Ok(Some(claimed)) => start(deps, owner, &claimed).await,
        Ok(None) => Ok(NOTHING),
        Err(error) if error.lacks(Condition::RecordAsRead) => Ok(STALE),
        Err(error) if error.lacks(Condition::NoOpenConsolidated) => {
            record_event(deps, owner, record, &RecordEvent::LockBusy, now).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Starts the query the lock is held for, when its turn has come.
async fn start(deps: &Deps, owner: &OwnerId, record: &Record) -> Result<Outcome, Error> {
    let now = clock::now();
    if let Some(event) = out_of_turn(deps, record, now).await? {
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

/// What keeps the start from being made now: it waits for a slot or a place of the rate budget.
async fn out_of_turn(deps: &Deps, record: &Record, now: Time) -> Result<Option<RecordEvent>, Error> {
    let budget = Budget::ConsolidatedStarts;
    let latest = deps.budget.pace(budget).latest_to_start(record.expires_at);
    Ok(match deps.budget.start(budget, record.start_at, now, latest).await? {
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

/// Writes what the clock decided, provided that the record is as it was read: on a record that has moved on, it would
/// mean something else.
async fn by_the_clock(
    deps: &Deps,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<Outcome, Error> {
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
