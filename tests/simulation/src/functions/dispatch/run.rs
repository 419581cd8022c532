//! A run's due work, as in `functions/query-dispatch/src/run.rs` and `run/`.

use shared::Error;
use shared::domain::challenge::{ChallengeSlot, Held};
use shared::domain::record::Record;
use shared::domain::run::{Deferral, Reason, Run, RunEvent, Step};
use shared::domain::{OwnerId, RunId, Time};
use shared::metriport::{Effect, UpstreamError, UpstreamErrorKind};
use shared::queue::{Advance, announce_change, announce_end, announce_run};
use shared::store::{Condition, ReadRecord, ReadRun, RunWrite, StoreError, WriteRun};

use super::super::ATTEMPTS;
use crate::Sabotage;
use crate::ids;
use crate::io::Io;
use crate::store::{Item, Key, Require, Write};
use crate::upstream::{Answer, Call, StartQuery};

type Outcome = Result<&'static str, Error>;

pub(crate) async fn advance(io: &Io, message: &Advance, id: RunId) -> Outcome {
    let now = io.now().await;
    let owner = &message.owner;
    let fresh = |run: &Run| run.due_seq == message.due_seq || io.is(Sabotage::ClaimWithoutDueSeq);
    let Some(run) = io.run(owner, id).await?.filter(fresh) else {
        return Ok("stale");
    };
    match run.step(now) {
        Step::Start => start(io, owner, &run, now).await,
        Step::Poll => poll(io, owner, &run, now).await,
        Step::CheckRecord => check_record(io, owner, &run, now).await,
        Step::Apply(event) => record_event(io, owner, &run, None, &event, now).await,
        Step::Wait(_) => {
            announce_run(io, owner, &run, now).await?;
            Ok("early")
        }
        Step::Nothing => Ok("nothing due"),
    }
}

async fn start(io: &Io, owner: &OwnerId, run: &Run, now: Time) -> Outcome {
    let slot = io.challenge(owner).await?;
    let Some(held) = slot.session_for(run.id, now) else {
        return record_event(io, owner, run, Some(&slot), &RunEvent::StartTooLate, now).await;
    };
    let claimed = match write(io, owner, run, Some(&slot), &RunEvent::StartClaimed, now).await {
        Ok(Some(claimed)) => claimed,
        Ok(None) | Err(Error::Store(StoreError::Conflict(_))) => return Ok("stale"),
        Err(error) => return Err(error),
    };
    let call = StartQuery {
        run: run.id,
        patient: run.patient.clone(),
        proofed: held.proofed_identity.clone(),
        session: held.session.clone(),
        sources: run.sources.kinds().collect(),
    };
    let answer = io.upstream(Call::StartQuery(Box::new(call))).await;
    let now = io.now().await;
    let event = event(io, answer, now);
    let rejected = RunEvent::StartRefused {
        reason: Reason::IdentityRejected,
    };
    if event == rejected {
        // The function logs a failure, and goes on.
        drop(reject(io, owner, held, now).await);
    }
    record_event(io, owner, &claimed, Some(&slot), &event, now).await
}

fn event(io: &Io, answer: Result<Answer, UpstreamError>, now: Time) -> RunEvent {
    let error = match answer {
        Ok(Answer::Query(request, report)) => return RunEvent::Started { request, report },
        Ok(other) => unreachable!("{other:?}"),
        Err(error) => error,
    };
    match (error.kind(), error.effect()) {
        (UpstreamErrorKind::RateLimited { retry_after }, _) => {
            let until = now.plus(io.timing.busy_pause(retry_after));
            RunEvent::StartDeferred {
                cause: Deferral::RateLimited,
                until,
            }
        }
        (_, Effect::NotSent) => not_sent(io, now),
        (_, Effect::Unknown) if io.is(Sabotage::AmbiguousStartRepeated) => not_sent(io, now),
        (_, Effect::Refused) => RunEvent::StartRefused { reason: reason(&error) },
        (_, Effect::Unknown) => RunEvent::StartUnknown,
    }
}

fn not_sent(io: &Io, now: Time) -> RunEvent {
    RunEvent::StartDeferred {
        cause: Deferral::NotSent,
        until: now.plus(io.timing.retry_pause()),
    }
}

fn reason(error: &UpstreamError) -> Reason {
    if error.mentions_aal2() {
        Reason::Aal2SessionRejected
    } else if error.rejects_identity() {
        Reason::IdentityRejected
    } else {
        Reason::UpstreamRefused
    }
}

async fn reject(io: &Io, owner: &OwnerId, held: &Held, now: Time) -> Result<(), StoreError> {
    super::super::people::reject_identity(io, owner, &held.proofed_identity, now).await
}

async fn poll(io: &Io, owner: &OwnerId, run: &Run, now: Time) -> Outcome {
    let Some(request) = &run.request else {
        let until = now.plus(io.timing.poll_gap(run.polls + 1)).min(run.expires_at);
        return record_event(io, owner, run, None, &RunEvent::PollFailed { until }, now).await;
    };
    let event = match io.upstream(Call::ReadQuery(request.clone())).await {
        Ok(Answer::Report(report)) => RunEvent::Polled { report },
        Ok(other) => unreachable!("{other:?}"),
        Err(error) => {
            let gap = io.timing.poll_gap(run.polls + 1);
            let gap = gap.max(error.retry_after().unwrap_or_default());
            RunEvent::PollFailed {
                until: now.plus(gap).min(run.expires_at),
            }
        }
    };
    record_event(io, owner, run, None, &event, now).await
}

async fn check_record(io: &Io, owner: &OwnerId, run: &Run, now: Time) -> Outcome {
    let event = match final_record(io, owner, run).await? {
        Some(record) if record.state.is_terminal() => RunEvent::RecordEnded {
            available: record.is_served(),
        },
        Some(_) if run.due_at.is_some_and(|due_at| now < due_at) => return Ok("record awaited"),
        Some(_) => RunEvent::RecordAwaited {
            until: now.plus(io.timing.poll_gap(run.polls + 1)),
        },
        None => RunEvent::RecordEnded { available: false },
    };
    let outcome = record_event(io, owner, run, None, &event, now).await?;
    if matches!(event, RunEvent::RecordAwaited { .. })
        && let Some(record) = final_record(io, owner, run).await?
    {
        announce_end(io, io, owner, &record).await?;
    }
    Ok(outcome)
}

async fn final_record(io: &Io, owner: &OwnerId, run: &Run) -> Result<Option<Record>, Error> {
    match run.final_record {
        Some(record) => Ok(io.record(owner, record).await?),
        None => Ok(None),
    }
}

async fn record_event(
    io: &Io,
    owner: &OwnerId,
    run: &Run,
    mut challenge: Option<&ChallengeSlot>,
    event: &RunEvent,
    now: Time,
) -> Outcome {
    let mut run = run.clone();
    for _ in 0..ATTEMPTS {
        match write(io, owner, &run, challenge, event, now).await {
            Ok(Some(_)) => return Ok("advanced"),
            Ok(None) => return Ok("unchanged"),
            Err(Error::Store(StoreError::Conflict(_))) => match io.run(owner, run.id).await? {
                Some(current) => (run, challenge) = (current, None),
                None => return Ok("stale"),
            },
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict(Vec::new()).into())
}

async fn write(
    io: &Io,
    owner: &OwnerId,
    run: &Run,
    challenge: Option<&ChallengeSlot>,
    event: &RunEvent,
    now: Time,
) -> Result<Option<Run>, Error> {
    let Some(change) = run.apply(event, now, io.timing, ids::spare(run.id, run.version + 1)) else {
        return Ok(None);
    };
    let record = change.new_record(now, io.timing);
    let write = RunWrite {
        event,
        change: &change,
        record: record.as_ref(),
        challenge,
        now,
    };
    io.write_run(owner, write, None).await?;
    announce_change(io, owner, Some(&change.run), record.as_ref(), now).await?;
    Ok(Some(change.run))
}

/// The identity as it is to be put over the version before.
pub(crate) fn put_identity(owner: &OwnerId, identity: shared::domain::identity::Identity) -> Write {
    let read = Require::Version(identity.version.saturating_sub(1));
    let key = Key::Identity(owner.clone());
    Write::put(Condition::IdentityAsRead, read, key, Item::Identity(identity))
}
