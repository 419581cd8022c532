//! A record's due work, as in `functions/query-dispatch/src/record.rs`.

use shared::Error;
use shared::domain::record::{Record, RecordEvent, RecordStep};
use shared::domain::run::Deferral;
use shared::domain::{OwnerId, RecordId, Time};
use shared::metriport::{Effect, UpstreamError, UpstreamErrorKind};
use shared::queue::{Advance, announce_end, announce_record};
use shared::store::{Condition, ReadRecord, StoreError, claim_record, settle_record};

use crate::Sabotage;
use crate::io::Io;
use crate::upstream::{Answer, Call};

type Outcome = Result<&'static str, Error>;

pub(crate) async fn advance(io: &Io, message: &Advance, id: RecordId) -> Outcome {
    let now = io.now().await;
    let owner = &message.owner;
    let fresh = |record: &Record| record.due_seq == message.due_seq || io.is(Sabotage::ClaimWithoutDueSeq);
    let Some(record) = io.record(owner, id).await?.filter(fresh) else {
        return Ok("stale");
    };
    match record.step(now) {
        RecordStep::Claim => claim(io, owner, &record, &RecordEvent::Claimed, now).await,
        RecordStep::Repeat => claim(io, owner, &record, &RecordEvent::Repeated, now).await,
        RecordStep::Apply(event) => by_the_clock(io, owner, &record, &event, now).await,
        RecordStep::Wait(_) => {
            announce_record(io, owner, &record, now).await?;
            Ok("early")
        }
        RecordStep::Nothing => Ok("nothing due"),
    }
}

async fn claim(io: &Io, owner: &OwnerId, record: &Record, event: &RecordEvent, now: Time) -> Outcome {
    match claim_record(io, owner, record, event, (now, io.timing)).await {
        Ok(Some(claimed)) => start(io, owner, &claimed).await,
        Ok(None) => Ok("nothing due"),
        Err(error) if error.lacks(Condition::RecordAsRead) => Ok("stale"),
        Err(error) if error.lacks(Condition::NoOpenConsolidated) => {
            record_event(io, owner, record, &RecordEvent::LockBusy, now).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn start(io: &Io, owner: &OwnerId, record: &Record) -> Outcome {
    let call = Call::StartConsolidated(record.id, record.patient.clone(), record.asked.clone());
    let answer = io.upstream(call).await;
    let now = io.now().await;
    let event = started(io, answer, now);
    record_event(io, owner, record, &event, now).await
}

fn started(io: &Io, answer: Result<Answer, UpstreamError>, now: Time) -> RecordEvent {
    let error = match answer {
        Ok(Answer::Consolidated(request)) => return RecordEvent::Started(request),
        Ok(other) => unreachable!("{other:?}"),
        Err(error) => error,
    };
    match (error.kind(), error.effect()) {
        (UpstreamErrorKind::RateLimited { retry_after }, _) => {
            RecordEvent::StartDeferred(Deferral::RateLimited, now.plus(io.timing.busy_pause(retry_after)))
        }
        (_, Effect::NotSent) => RecordEvent::StartDeferred(Deferral::NotSent, now.plus(io.timing.retry_pause())),
        (_, Effect::Refused) => RecordEvent::StartRefused,
        (_, Effect::Unknown) => RecordEvent::StartUnknown,
    }
}

async fn by_the_clock(io: &Io, owner: &OwnerId, record: &Record, event: &RecordEvent, now: Time) -> Outcome {
    match claim_record(io, owner, record, event, (now, io.timing)).await {
        Ok(written) => announce(io, owner, written, now).await,
        Err(StoreError::Conflict(_)) => Ok("stale"),
        Err(error) => Err(error.into()),
    }
}

async fn record_event(io: &Io, owner: &OwnerId, record: &Record, event: &RecordEvent, now: Time) -> Outcome {
    let written = settle_record(io, owner, record, event, (now, io.timing)).await?;
    announce(io, owner, written, now).await
}

async fn announce(io: &Io, owner: &OwnerId, written: Option<Record>, now: Time) -> Outcome {
    let Some(written) = written else {
        return Ok("unchanged");
    };
    announce_record(io, owner, &written, now).await?;
    announce_end(io, io, owner, &written).await?;
    Ok("advanced")
}
