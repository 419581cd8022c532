//! A person was proofed. The event is bound to the person whose session it names, and to nobody else.

use shared::Error;
use shared::domain::identity::{Verdict, Verification};
use shared::domain::{IdentitySessionId, OwnerId, Time};
use shared::queue::dead_letter::Reason;
use shared::store::{Condition, Correlate, ReadIdentity, StoreError};
use shared::webhook::WebhookEvent;

use crate::Deps;
use crate::process::{ATTEMPTS, DUPLICATE, Outcome, UNMATCHED, done, seen};

pub(crate) async fn verify(
    deps: &Deps,
    event: &WebhookEvent,
    verification: &Verification,
    now: Time,
) -> Result<Outcome, Error> {
    let known = sessions(deps, verification).await?;
    let ours: Vec<_> = known.iter().map(|(session, _)| session.clone()).collect();
    let Some(verification) = verification.clone().of_ours(&ours) else {
        return Err(Error::GivenUp(Reason::IdentityEventUnbound));
    };
    let by_session = known.into_iter().next().map(|(_, owner)| owner);
    let Some(owner) = correlate(deps, &verification, by_session).await? else {
        // Without its session it may be somebody's all the same, named where a mended reader looks; and upstream keeps
        // no other copy.
        return match verification.names_its_session() {
            true => Ok(UNMATCHED),
            false => Err(Error::GivenUp(Reason::IdentityEventUnbound)),
        };
    };
    for _ in 0..ATTEMPTS {
        let (identity, verdict) = deps.table.identity(&owner).await?.verify(&verification, now);
        if verdict == Verdict::Unbound {
            return Err(Error::GivenUp(Reason::IdentityEventUnbound));
        }
        if verdict != Verdict::Bound {
            let outcome = word(verdict);
            tracing::warn!(outcome, "an identity event was not bound");
            return done(deps, event, outcome, now).await;
        }
        match deps.table.write_verified(&owner, &identity, &seen(event, now)).await {
            Ok(()) => return Ok("applied"),
            Err(error) if error.lacks(Condition::MessageUnseen) => return Ok(DUPLICATE),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(vec![Condition::IdentityAsRead]).into())
}

/// Our sessions that the event names, each with its owner.
async fn sessions(deps: &Deps, verification: &Verification) -> Result<Vec<(IdentitySessionId, OwnerId)>, Error> {
    let mut ours = Vec::new();
    for session in &verification.sessions {
        if let Some(owner) = deps.table.by_session(session).await? {
            ours.push((session.clone(), owner));
        }
    }
    Ok(ours)
}

/// Finds the person by the session; else by our own mark, which is secret; else by the patient. A mark beside a session
/// of ours is not looked up: the person's own identity says whether the two agree.
async fn correlate(
    deps: &Deps,
    verification: &Verification,
    by_session: Option<OwnerId>,
) -> Result<Option<OwnerId>, Error> {
    if by_session.is_some() {
        return Ok(by_session);
    }
    if let Some(mark) = &verification.mark
        && let Some(owner) = deps.table.by_mark(mark).await?
    {
        return Ok(Some(owner));
    }
    match &verification.patient {
        Some(patient) => Ok(deps.table.by_patient(patient).await?),
        None => Ok(None),
    }
}

const fn word(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Bound => "bound",
        Verdict::Known => "known",
        Verdict::Superseded => "superseded session",
        Verdict::OtherPatient => "another patient",
        Verdict::Unbound => "unbound",
    }
}
