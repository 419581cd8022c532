//! Handles the event that a person was proofed. The identity is bound only if the event fits an identity session of the
//! person.

use shared::Error;
use shared::domain::identity::{IdentityVerdict, Verification};
use shared::domain::{IdentitySessionId, OwnerId, Time};
use shared::message::dead_letter::DeadLetterReason;
use shared::message::webhook::WebhookEvent;
use shared::store::{BindIdentity, Condition, Correlate, ReadIdentity, RememberMessage};

use crate::outcome::{APPLIED, UNMATCHED, WebhookOutcome, remember, retry_conflicts, seen_message};

shared::ports! {
    pub(crate) trait SettleIdentity = ReadIdentity + BindIdentity + RememberMessage;
}

pub(crate) async fn verify(
    io: &(impl SettleIdentity + Correlate),
    event: &WebhookEvent,
    verification: &Verification,
    now: Time,
) -> Result<WebhookOutcome, Error> {
    let known = sessions(io, verification).await?;
    let ours: Vec<_> = known.iter().map(|(session, _)| session.clone()).collect();
    let Some(verification) = verification.clone().of_ours(&ours) else {
        return Err(Error::GivenUp(DeadLetterReason::IdentityEventUnbound));
    };
    let by_session = known.into_iter().next().map(|(_, owner)| owner);
    let Some(owner) = correlate(io, &verification, by_session).await? else {
        // An event that names no session may nevertheless name its person, in a field that only a later version reads.
        // It becomes a dead letter, because Metriport keeps no copy.
        return match verification.names_its_session() {
            true => Ok(UNMATCHED),
            false => Err(Error::GivenUp(DeadLetterReason::IdentityEventUnbound)),
        };
    };
    retry_conflicts(Condition::IdentityAsRead, || {
        apply(io, event, &owner, &verification, now)
    })
    .await
}

/// The sessions that the event names and that we opened, each with its owner.
async fn sessions(
    io: &impl Correlate,
    verification: &Verification,
) -> Result<Vec<(IdentitySessionId, OwnerId)>, Error> {
    let mut ours = Vec::new();
    for session in &verification.sessions {
        if let Some(owner) = io.by_session(session).await? {
            ours.push((session.clone(), owner));
        }
    }
    Ok(ours)
}

/// Finds the person by the session, otherwise by our mark, which is secret, otherwise by the patient. If the session is
/// ours, the mark is not looked up: the person's stored identity shows whether the two agree.
async fn correlate(
    io: &impl Correlate,
    verification: &Verification,
    by_session: Option<OwnerId>,
) -> Result<Option<OwnerId>, Error> {
    if by_session.is_some() {
        return Ok(by_session);
    }
    if let Some(mark) = &verification.mark
        && let Some(owner) = io.by_mark(mark).await?
    {
        return Ok(Some(owner));
    }
    match &verification.patient {
        Some(patient) => Ok(io.by_patient(patient).await?),
        None => Ok(None),
    }
}

async fn apply(
    io: &impl SettleIdentity,
    event: &WebhookEvent,
    owner: &OwnerId,
    verification: &Verification,
    now: Time,
) -> Result<WebhookOutcome, Error> {
    let (identity, verdict) = io.identity(owner).await?.verify(verification, now);
    let outcome = match verdict {
        IdentityVerdict::Bound => {
            io.write_verified(owner, &identity, &seen_message(event, now)).await?;
            return Ok(APPLIED);
        }
        IdentityVerdict::Unbound => return Err(Error::GivenUp(DeadLetterReason::IdentityEventUnbound)),
        IdentityVerdict::Known => "known",
        IdentityVerdict::Superseded => "superseded session",
        IdentityVerdict::OtherPatient => "another patient",
    };
    tracing::warn!(outcome, "the identity of an event was not bound");
    remember(io, event, outcome, now).await
}
