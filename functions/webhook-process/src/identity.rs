//! A person was proofed. The event is bound to the person whose session it names, and to nobody else.

use shared::Error;
use shared::domain::identity::{Verdict, Verification};
use shared::domain::{OwnerId, Time};
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
    let Some(owner) = correlate(deps, verification).await? else {
        return done(deps, event, UNMATCHED, now).await;
    };
    for _ in 0..ATTEMPTS {
        let (identity, verdict) = deps.table.identity(&owner).await?.verify(verification, now);
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

/// By the session, which is ours alone; else by the patient. An event that names neither cannot be anybody's: it is
/// kept, like one whose ids cannot be read.
async fn correlate(deps: &Deps, verification: &Verification) -> Result<Option<OwnerId>, Error> {
    if verification.session.is_none() && verification.patient.is_none() {
        return Err(Error::Internal("an identity event names neither session nor patient"));
    }
    if let Some(session) = &verification.session
        && let Some(owner) = deps.table.by_session(session).await?
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
