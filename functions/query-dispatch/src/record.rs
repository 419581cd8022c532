//! A record's due work: take the patient's lock, start the consolidated query, and start it again to see how it goes.

use shared::Error;
use shared::domain::budget::{Budget, Turn};
use shared::domain::record::{Record, RecordEvent, RecordStep};
use shared::domain::{OwnerId, RecordId, Time, Timing};
use shared::edge::budget::{HeedLimits, StartInTurn, heeded};
use shared::edge::{announce_end, announce_record};
use shared::metriport::{
    ConsolidatedQuery, Effect, Metadata, StartConsolidatedQuery, UpstreamError, UpstreamErrorKind,
};
use shared::ports::{Clock, Stage};
use shared::queue::SendAdvance;
use shared::store::{Condition, ReadRecord, ReadRun, StoreError, WriteRecord, claim_record, settle_record};
use shared::webhook::RECORD_MARK;

use crate::{NOTHING, Outcome, STALE};

shared::ports! {
    /// Writes a record and announces what follows.
    trait Settle = ReadRecord + WriteRecord + ReadRun + SendAdvance + Clock;
}

shared::ports! {
    /// Starts a consolidated query within the rate budget, and writes what came of it.
    pub(crate) trait Start = Settle + StartConsolidatedQuery + StartInTurn + HeedLimits + Stage;
}

/// Does what is due of a record.
pub(crate) async fn advance(
    io: &impl Start,
    owner: &OwnerId,
    id: RecordId,
    due_seq: u64,
    now: Time,
) -> Result<Outcome, Error> {
    let record = io.record(owner, id).await?.filter(|record| record.due_seq == due_seq);
    let Some(record) = record else { return Ok(STALE) };
    match record.step(now) {
        RecordStep::Claim => claim(io, owner, &record, &RecordEvent::Claimed, now).await,
        RecordStep::Repeat => claim(io, owner, &record, &RecordEvent::Repeated, now).await,
        RecordStep::Apply(event) => by_the_clock(io, owner, &record, &event, now).await,
        RecordStep::Wait(_) => {
            announce_record(io, owner, &record, now).await?;
            Ok("early")
        }
        RecordStep::Nothing => Ok(NOTHING),
    }
}

/// Writes that a start is about to be sent, and sends it: the first takes the patient's lock, if that is free, and
/// those that repeat it hold it already.
async fn claim(
    io: &impl Start,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<Outcome, Error> {
    match claim_record(io, owner, record, event, (now, io.timing())).await {
        Ok(Some(claimed)) => start(io, owner, &claimed).await,
        Ok(None) => Ok(NOTHING),
        Err(error) if error.lacks(Condition::RecordAsRead) => Ok(STALE),
        Err(error) if error.lacks(Condition::NoOpenConsolidated) => {
            record_event(io, owner, record, &RecordEvent::LockBusy, now).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Starts the query the lock is held for, when its turn has come.
async fn start(io: &impl Start, owner: &OwnerId, record: &Record) -> Result<Outcome, Error> {
    let metadata = Metadata::new([(RECORD_MARK, record.id.to_string()), ("env", io.stage().to_owned())]);
    let metadata = metadata.map_err(|_malformed| Error::Internal("metadata of a record"))?;
    let now = io.now();
    if let Some(until) = out_of_turn(io, now).await? {
        return record_event(io, owner, record, &RecordEvent::StartDeferred(until), now).await;
    }
    let answer = io
        .start_consolidated_query(&record.patient, &record.asked, &metadata)
        .await;
    let now = io.now();
    let answer = heeded(io, Budget::ConsolidatedStarts, answer, now).await;
    let event = started(answer, io.timing(), now);
    record_event(io, owner, record, &event, now).await
}

/// Until when the start has to wait for a place of the rate budget, or for another day.
async fn out_of_turn(io: &impl StartInTurn, now: Time) -> Result<Option<Time>, Error> {
    let (Turn::Granted(at) | Turn::Busy(at) | Turn::DayOver(at)) = io.turn_of_record(now).await?;
    Ok(Some(at).filter(|at| *at > now))
}

fn started(answer: Result<ConsolidatedQuery, UpstreamError>, timing: Timing, now: Time) -> RecordEvent {
    let error = match answer {
        Ok(query) => return RecordEvent::Started(query.request),
        Err(error) => error,
    };
    tracing::warn!(context = %error, "the consolidated query was not started");
    match (error.kind(), error.effect()) {
        (UpstreamErrorKind::RateLimited { retry_after }, _) => {
            RecordEvent::StartDeferred(now.plus(timing.busy_pause(retry_after)))
        }
        (_, Effect::NotSent) => RecordEvent::StartDeferred(now.plus(timing.retry_pause())),
        (_, Effect::Refused) => RecordEvent::StartRefused,
        (_, Effect::Unknown) => RecordEvent::StartUnknown,
    }
}

/// Writes what the clock decided, provided that the record is as it was read: on a record that has moved on, it would
/// mean something else.
async fn by_the_clock(
    io: &impl Settle,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<Outcome, Error> {
    match claim_record(io, owner, record, event, (now, io.timing())).await {
        Ok(written) => announce(io, owner, written, now).await,
        Err(StoreError::Conflict(_)) => Ok(STALE),
        Err(error) => Err(error.into()),
    }
}

/// Writes what happened, over whatever others wrote meanwhile, and announces what follows.
async fn record_event(
    io: &impl Settle,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<Outcome, Error> {
    let written = settle_record(io, owner, record, event, (now, io.timing())).await?;
    announce(io, owner, written, now).await
}

/// Announces what follows from a change.
async fn announce(io: &impl Settle, owner: &OwnerId, written: Option<Record>, now: Time) -> Result<Outcome, Error> {
    let Some(written) = written else { return Ok("unchanged") };
    tracing::info!(record = %written.id, state = ?written.state, "record advanced");
    announce_record(io, owner, &written, now).await?;
    announce_end(io, owner, &written).await?;
    Ok("advanced")
}
