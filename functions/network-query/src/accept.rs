//! Accepts a pull. One transaction uses the challenge, remembers the AAL2 session, locks the patient and writes the run;
//! a refusal consumes nothing.

use serde::Deserialize;
use shared::Error;
use shared::domain::challenge::{Answer, ChallengeRefusal, Held};
use shared::domain::identity::Standing;
use shared::domain::run::{NewRun, Run};
use shared::domain::{Aal2SessionId, ChallengeId, OwnerId, RunId, SourceKind, Sources, Time};
use shared::http::{Code, Problem};
use shared::queue::announce_run;
use shared::store::{AcceptRun, Condition, Grounds, ReadChallenge, ReadIdentity, ReadPatient, StoreError};

use crate::Deps;

/// `POST /v1/network-queries`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskBody {
    challenge_id: String,
    aal2_status: String,
    sources: AskedSources,
    #[serde(default)]
    purpose_of_use: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedSources {
    #[serde(default)]
    hie: Option<AskedSource>,
    #[serde(default)]
    pharmacy: Option<AskedSource>,
    #[serde(default)]
    lab: Option<AskedSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedSource {
    enabled: bool,
}

/// What is asked.
pub struct Ask<'r> {
    /// The header `x-aal2-session`.
    pub session: Option<&'r str>,
    /// The body.
    pub body: AskBody,
    /// The id of the run it becomes.
    pub id: RunId,
}

/// Accepts a pull, and says so to `query-dispatch`.
///
/// # Errors
/// Refuses another purpose, no source, a missing or malformed session, a caller who is not verified, a challenge that is
/// not the caller's own pending one or was not passed, a session that was used before, and a second open run.
pub async fn accept(deps: &Deps, owner: &OwnerId, ask: Ask<'_>, now: Time) -> Result<Run, Error> {
    if ask
        .body
        .purpose_of_use
        .as_deref()
        .is_some_and(|purpose| purpose != "ias")
    {
        return Err(Problem::new(Code::PurposeNotSupported).into());
    }
    let sources = sources(&ask.body.sources)?;
    let session = session(ask.session)?;
    let challenge = ChallengeId::parse(ask.body.challenge_id)
        .map_err(|_malformed| Problem::new(Code::InvalidRequest).field("/challengeId", "the id of a challenge"))?;
    let patient = deps.table.patient(owner).await?;
    let link = patient.settled()?;
    let identity = deps.table.identity(owner).await?;
    let Standing::Verified(proofed) = identity.standing(&link.patient, &link.demographics, now, deps.timing) else {
        return Err(Problem::new(Code::IdentityNotVerified).into());
    };
    let slot = deps.table.challenge(owner).await?;
    let answer = Answer {
        challenge: &challenge,
        status: &ask.body.aal2_status,
        patient: &link.patient,
        proofed_identity: &proofed,
    };
    slot.check(&answer, now, deps.timing.aal2_session()).map_err(refused)?;
    let run = Run::accept(
        NewRun {
            id: ask.id,
            patient: link.patient.clone(),
            sources,
        },
        now,
        deps.timing,
    );
    let hash = deps.owner_key.aal2_session(&session)?;
    let held = Held {
        run: run.id,
        session,
        proofed_identity: proofed,
        until: run.start_by,
    };
    let grounds = Grounds {
        patient: &patient,
        identity: &identity,
        challenge: &slot,
    };
    deps.table
        .accept_run(owner, grounds, &held, &hash, &run)
        .await
        .map_err(conflict)?;
    // The run is written: what is lost here, the reconciler sends again.
    if let Err(error) = announce_run(&deps.advances, owner, &run, now).await {
        tracing::warn!(run = %run.id, context = %error, "the run was accepted but not announced");
    }
    tracing::info!(run = %run.id, "network query accepted");
    Ok(run)
}

fn sources(asked: &AskedSources) -> Result<Sources, Error> {
    let kinds = [
        (SourceKind::Hie, &asked.hie),
        (SourceKind::Pharmacy, &asked.pharmacy),
        (SourceKind::Lab, &asked.lab),
    ];
    let enabled = kinds
        .into_iter()
        .filter(|(_, source)| source.as_ref().is_some_and(|source| source.enabled));
    Sources::pending(enabled.map(|(kind, _)| kind)).ok_or_else(|| {
        Problem::new(Code::NoSourceEnabled)
            .field("/sources", "at least one enabled source")
            .into()
    })
}

fn session(header: Option<&str>) -> Result<Aal2SessionId, Error> {
    let text = header.ok_or_else(|| Problem::new(Code::Aal2SessionMissing))?;
    Aal2SessionId::parse(text).map_err(|_malformed| Problem::new(Code::Aal2SessionMalformed).into())
}

fn refused(refusal: ChallengeRefusal) -> Problem {
    Problem::new(match refusal {
        ChallengeRefusal::NotVerified => Code::Aal2NotVerified,
        ChallengeRefusal::Expired => Code::ChallengeExpired,
        ChallengeRefusal::NotPending | ChallengeRefusal::OtherIdentity => Code::ChallengeNotPending,
    })
}

/// Which condition failed decides the answer; the gravest first, since "the session was not used" must be true.
fn conflict(error: StoreError) -> Error {
    let code = [
        (Condition::SessionUnused, Code::Aal2SessionUsed),
        (Condition::ChallengeAsRead, Code::ChallengeNotPending),
        (Condition::NoOpenRun, Code::NetworkQueryOpen),
    ];
    match code.into_iter().find(|(condition, _)| error.lacks(*condition)) {
        Some((_, code)) => Problem::new(code).into(),
        None => error.into(),
    }
}
