//! Starts the network query at most once, within the rate budget. The intent is written before the call. If the call
//! has no result, the pull waits for a webhook that proves the start, and the start is never repeated.

use shared::Error;
use shared::domain::budget::{Budget, Turn};
use shared::domain::challenge::{ChallengeSlot, Held};
use shared::domain::pull::{Deferral, FailureReason, Pull, PullEvent, QueryReport, SourceOutcome};
use shared::domain::{OwnerId, Time, Timing};
use shared::edge::budget::{CountCall, PauseCalls, StartInTurn, apply_limits};
use shared::metriport::{
    Effect, IasStart, Mentions, Metadata, NetworkQuery, RequestedSources, SourceReport, StartNetworkQuery,
    UpstreamError, UpstreamErrorKind,
};
use shared::ports::Stage;
use shared::store::{ReadChallenge, ReadIdentity, RejectIdentity, StoreError, reject_identity};
use shared::webhook::PULL_MARK;

use super::{SettlePull, write, write_pull_event};
use crate::{DispatchOutcome, STALE};

shared::ports! {
    pub(super) trait StartPull = SettlePull + ReadChallenge + ReadIdentity + RejectIdentity + StartNetworkQuery
        + StartInTurn + CountCall + PauseCalls + Stage;
}

pub(super) async fn start(
    io: &impl StartPull,
    owner: &OwnerId,
    pull: &Pull,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let slot = io.challenge(owner).await?;
    let Some(held) = slot.session_for(pull.id, now) else {
        return put_off(io, owner, pull, &slot, &PullEvent::StartTooLate, now).await;
    };
    let call = call(io.stage(), pull, held)?;
    if let Some(event) = out_of_turn(io, pull, now).await? {
        return put_off(io, owner, pull, &slot, &event, now).await;
    }
    // Written before the call, so that after a crash no process starts the query again, and only while the person's
    // grant holds.
    let claimed = unless_moved_on(io, owner, pull, &slot, &PullEvent::StartClaimed, now).await;
    if !matches!(claimed, Ok(Some(_))) {
        // The turn has counted a call of the day, but the call is not made.
        io.uncount_call(io.now()).await;
    }
    let claimed = match claimed {
        Err(Error::Store(StoreError::GrantEnded)) => {
            return write_pull_event(io, owner, pull, Some(&slot), &PullEvent::ConsentWithdrawn, now).await;
        }
        claimed => claimed?,
    };
    let Some(claimed) = claimed else { return Ok(STALE) };
    let answer = io.start_network_query(&call).await;
    let now = io.now();
    let answer = apply_limits(io, Budget::QueryStarts, answer, now).await;
    let event = event(answer, pull, io.timing(), now);
    let rejected = PullEvent::StartRefused {
        reason: FailureReason::IdentityRejected,
    };
    // Written before the pull ends, because no later step writes it. A failure here must not keep the pull from ending.
    if event == rejected
        && let Err(error) = reject_identity(io, owner, &held.proofed_identity, now).await
    {
        tracing::error!(run = %pull.id, context = %error, "the rejected identity could not be stored as rejected");
    }
    write_pull_event(io, owner, &claimed, Some(&slot), &event, now).await
}

/// Writes why the start is not made now.
async fn put_off(
    io: &impl SettlePull,
    owner: &OwnerId,
    pull: &Pull,
    slot: &ChallengeSlot,
    event: &PullEvent,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let written = unless_moved_on(io, owner, pull, slot, event, now).await?;
    Ok(written.map_or(STALE, |_| "advanced"))
}

/// Writes a decision about a pull that waits for its start, and returns the changed pull. Returns `None`, without a
/// write, if the pull has changed. A duplicate message may have claimed the start, and this older decision would undo
/// the claim.
async fn unless_moved_on(
    io: &impl SettlePull,
    owner: &OwnerId,
    pull: &Pull,
    slot: &ChallengeSlot,
    event: &PullEvent,
    now: Time,
) -> Result<Option<Pull>, Error> {
    match write(io, owner, pull, Some(slot), event, now).await {
        Err(Error::Store(StoreError::Conflict(_))) => Ok(None),
        written => written,
    }
}

/// `None` if the start may be made now. Otherwise the event that postpones or fails it: its slot or a place comes
/// later, or not before the session expires. The event is then written instead of the claim.
async fn out_of_turn(io: &impl StartInTurn, pull: &Pull, now: Time) -> Result<Option<PullEvent>, Error> {
    Ok(match io.turn_of_query(pull.start_at, now, pull.start_by).await? {
        Turn::Granted(at) if at <= now => None,
        Turn::Granted(until) => Some(PullEvent::StartDeferred {
            cause: Deferral::Budget,
            until,
        }),
        Turn::Busy(_) | Turn::DayOver(_) => Some(PullEvent::StartTooLate),
    })
}

fn call(stage: &str, pull: &Pull, held: &Held) -> Result<IasStart, Error> {
    let metadata = Metadata::new([(PULL_MARK, pull.id.to_string()), ("env", stage.to_owned())]);
    Ok(IasStart {
        patient: pull.patient.clone(),
        proofed_identity: held.proofed_identity.clone(),
        aal2_session: held.session.clone(),
        sources: RequestedSources::new(pull.sources.kinds()).ok_or(Error::Internal("a pull has no sources"))?,
        metadata: metadata.map_err(|_malformed| Error::Internal("invalid metadata of a pull"))?,
    })
}

fn event(answer: Result<NetworkQuery, UpstreamError>, pull: &Pull, timing: Timing, now: Time) -> PullEvent {
    let error = match answer {
        Ok(query) => {
            if let Some(reason) = refused_by_all(&query, pull) {
                return PullEvent::StartRefused { reason };
            }
            return PullEvent::Started {
                report: QueryReport::from(&query),
                request: query.request,
            };
        }
        Err(error) => error,
    };
    tracing::warn!(run = %pull.id, context = %error, "the start of the network query got no usable answer");
    match (error.kind(), error.effect()) {
        (UpstreamErrorKind::RateLimited { retry_after }, _) => {
            let until = now.plus(timing.busy_pause(retry_after));
            PullEvent::StartDeferred {
                cause: Deferral::RateLimited,
                until,
            }
        }
        (_, Effect::NotSent) => PullEvent::StartDeferred {
            cause: Deferral::NotSent,
            until: now.plus(timing.retry_pause()),
        },
        (_, Effect::Refused) => PullEvent::StartRefused { reason: reason(&error) },
        (_, Effect::Unknown) => PullEvent::StartUnknown,
    }
}

/// Metriport may refuse a session or an identity for each source instead of for the whole call. If no source started
/// and one source names a reason, the start failed for that reason. A source that the answer does not list may have
/// started.
fn refused_by_all(query: &NetworkQuery, pull: &Pull) -> Option<FailureReason> {
    let failed = |source: &SourceReport| source.state.outcome() == Some(SourceOutcome::Failed);
    let has_failed = |kind| query.sources.get(&kind).is_some_and(failed);
    if !query.sources.values().all(failed) || !pull.sources.kinds().all(has_failed) {
        return None;
    }
    let blames = |about: fn(&Mentions) -> bool| query.sources.values().any(|source| about(&source.mentions));
    if blames(|mentions| mentions.aal2) {
        Some(FailureReason::Aal2SessionRejected)
    } else if blames(|mentions| mentions.identity) {
        Some(FailureReason::IdentityRejected)
    } else {
        None
    }
}

/// The person is asked for a new challenge before a new proofing. If the identity is the cause, Metriport's answer to
/// the new challenge shows that.
fn reason(error: &UpstreamError) -> FailureReason {
    if error.mentions_aal2() {
        FailureReason::Aal2SessionRejected
    } else if error.rejects_identity() {
        FailureReason::IdentityRejected
    } else {
        FailureReason::UpstreamRefused
    }
}
