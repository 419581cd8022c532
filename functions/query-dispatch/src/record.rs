//! A record's due work: takes the patient's lock, starts the consolidated query, and later repeats the start.
//! Metriport's answer to the repeated start shows whether the query still runs.

use shared::Error;
use shared::domain::budget::{Budget, Turn};
use shared::domain::record::{Record, RecordEvent, RecordStep};
use shared::domain::{OwnerId, RecordId, Time, Timing};
use shared::edge::budget::{PauseCalls, StartInTurn, apply_limits};
use shared::edge::{announce_end, announce_record};
use shared::metriport::{
    ConsolidatedQuery, Effect, Metadata, StartConsolidatedQuery, UpstreamError, UpstreamErrorKind,
};
use shared::ports::{Clock, Stage};
use shared::queue::SendAdvance;
use shared::store::{Condition, ReadPull, ReadRecord, StoreError, WriteRecord, claim_record, settle_record};
use shared::webhook::RECORD_MARK;

use crate::{DispatchOutcome, NOTHING, STALE};

shared::ports! {
    trait SettleRecord = ReadRecord + WriteRecord + ReadPull + SendAdvance + Clock;
}

shared::ports! {
    pub(crate) trait StartRecord = SettleRecord + StartConsolidatedQuery + StartInTurn + PauseCalls + Stage;
}

pub(crate) async fn advance(
    io: &impl StartRecord,
    owner: &OwnerId,
    id: RecordId,
    due_seq: u64,
    now: Time,
) -> Result<DispatchOutcome, Error> {
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

/// Writes that a start follows, then sends the start. Before its first start, the record takes the patient's lock if
/// the lock is free. Before a repeated start, it holds the lock already.
async fn claim(
    io: &impl StartRecord,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    // Written before the call, so that after a crash the record shows that a query may have begun.
    match claim_record(io, owner, record, event, (now, io.timing())).await {
        Ok(Some(claimed)) => start(io, owner, &claimed).await,
        Ok(None) => Ok(NOTHING),
        Err(error) if error.lacks(Condition::RecordAsRead) => Ok(STALE),
        Err(error) if error.lacks(Condition::NoOpenConsolidated) => {
            write_record_event(io, owner, record, &RecordEvent::LockBusy, now).await
        }
        Err(StoreError::GrantEnded) => write_record_event(io, owner, record, &RecordEvent::ConsentWithdrawn, now).await,
        Err(error) => Err(error.into()),
    }
}

/// Starts the query if the rate budget has a place.
async fn start(io: &impl StartRecord, owner: &OwnerId, record: &Record) -> Result<DispatchOutcome, Error> {
    let metadata = Metadata::new([(RECORD_MARK, record.id.to_string()), ("env", io.stage().to_owned())]);
    let metadata = metadata.map_err(|_malformed| Error::Internal("invalid metadata of a record"))?;
    let now = io.now();
    // The place is taken after the lock, so that a record that waits for its lock holds no place.
    if let Some(until) = out_of_turn(io, now).await? {
        return write_record_event(io, owner, record, &RecordEvent::StartDeferred(until), now).await;
    }
    let answer = io
        .start_consolidated_query(&record.patient, &record.query, &metadata)
        .await;
    let now = io.now();
    let answer = apply_limits(io, Budget::ConsolidatedStarts, answer, now).await;
    let event = started(answer, record, (io.timing(), now));
    write_record_event(io, owner, record, &event, now).await
}

/// The time at which the start may be tried again, if no place is free now or the day's calls are used up.
async fn out_of_turn(io: &impl StartInTurn, now: Time) -> Result<Option<Time>, Error> {
    let (Turn::Granted(at) | Turn::Busy(at) | Turn::DayOver(at)) = io.turn_of_record(now).await?;
    Ok(Some(at).filter(|at| *at > now))
}

fn started(
    answer: Result<ConsolidatedQuery, UpstreamError>,
    record: &Record,
    (timing, now): (Timing, Time),
) -> RecordEvent {
    let error = match answer {
        Ok(query) => return RecordEvent::Started(query.request),
        Err(error) => error,
    };
    tracing::warn!(record = %record.id, context = %error, "the start of the consolidated query got no usable answer");
    match (error.kind(), error.effect()) {
        (UpstreamErrorKind::RateLimited { retry_after }, _) => {
            RecordEvent::StartDeferred(now.plus(timing.busy_pause(retry_after)))
        }
        (_, Effect::NotSent) => RecordEvent::StartDeferred(now.plus(timing.retry_pause())),
        (_, Effect::Refused) => RecordEvent::StartRefused,
        (_, Effect::Unknown) => RecordEvent::StartUnknown,
    }
}

/// Writes an event that only the clock decides, if the record has not changed since it was read. On a changed record,
/// the event would have another meaning.
async fn by_the_clock(
    io: &impl SettleRecord,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    match claim_record(io, owner, record, event, (now, io.timing())).await {
        Ok(written) => announce(io, owner, written, now).await,
        Err(StoreError::Conflict(_)) => Ok(STALE),
        Err(error) => Err(error.into()),
    }
}

/// Applies an event to the record, writes the record, and announces the work that follows. If another process writes
/// the record first, the event is applied to the new record.
async fn write_record_event(
    io: &impl SettleRecord,
    owner: &OwnerId,
    record: &Record,
    event: &RecordEvent,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let written = settle_record(io, owner, record, event, (now, io.timing())).await?;
    announce(io, owner, written, now).await
}

async fn announce(
    io: &impl SettleRecord,
    owner: &OwnerId,
    written: Option<Record>,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let Some(written) = written else { return Ok("unchanged") };
    tracing::info!(record = %written.id, state = ?written.state, "record advanced");
    announce_record(io, owner, &written, now).await?;
    announce_end(io, owner, &written).await?;
    Ok("advanced")
}
