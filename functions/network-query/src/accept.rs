//! Accepts a pull. One transaction uses the challenge, remembers the AAL2 session, locks the patient and writes the
//! run; a refusal consumes nothing.

use shared::Error;
use shared::domain::budget::PersonAsk;
use shared::domain::challenge::{Answer, ChallengeRefusal, Held};
use shared::domain::run::{NewRun, Run};
use shared::domain::{Aal2SessionId, ChallengeId, OwnerId, RunId, SourceKind, Sources, Time};
use shared::edge::budget::{PlanStart, TakeShare, granted};
use shared::edge::http::{Code, Problem};
use shared::edge::{announce_run, verified};
use shared::owner::OwnerKey;
use shared::ports::Clock;
use shared::queue::SendAdvance;
use shared::store::{AcceptRun, Condition, Grounds, ReadChallenge, ReadPerson, ReadRun, StoreError, can_accept};
use tokio::try_join;

use crate::ask_body::AskBody;

shared::ports! {
    /// Writes a pull, in a slot of the rate budget.
    pub trait Place = ReadPerson + ReadChallenge + AcceptRun + TakeShare + PlanStart + Clock;
}

shared::ports! {
    /// Accepts a pull and announces it; reads the one that an earlier attempt has accepted.
    pub trait Accept = Place + ReadRun + SendAdvance;
}

/// How often a pull is tried when what it stands on is written at the same moment.
const ATTEMPTS: u32 = 5;

/// What is asked.
pub struct Ask<'r> {
    /// The header `x-aal2-session`.
    pub session: Option<&'r str>,
    /// The body.
    pub body: AskBody,
    /// The id of the run it becomes.
    pub id: RunId,
    /// Whether an earlier attempt may have accepted that run already, and never said so.
    pub resumed: bool,
}

/// Accepts a pull, and says so to `query-dispatch`. A pull that an earlier attempt has accepted is answered with as it
/// stands: nothing of that attempt can succeed twice, as it used up its challenge and its session.
///
/// The start gets a slot of the rate budget, which the run keeps. `key` hashes the session, which is remembered as used
/// by its hash alone.
///
/// # Errors
/// Refuses another purpose, no source, a missing or malformed session, a caller who is not verified, a challenge that
/// is not the caller's own pending one or was not passed, a session that was used before, a second open run, and a
/// start that has no slot within the session's life.
pub async fn accept(io: &impl Accept, owner: &OwnerId, ask: Ask<'_>, key: &OwnerKey) -> Result<Run, Error> {
    let now = io.now();
    if ask
        .body
        .purpose_of_use
        .as_deref()
        .is_some_and(|purpose| purpose != "ias")
    {
        return Err(Problem::new(Code::PurposeNotSupported).into());
    }
    let asked = Asked {
        id: ask.id,
        sources: sources(ask.body.enabled)?,
        session: session(ask.session)?,
        challenge: ask.body.challenge,
        status: ask.body.aal2_status,
        key,
    };
    let run = match place(io, owner, &asked, now).await {
        Err(refusal) if ask.resumed => io.run(owner, asked.id).await?.ok_or(refusal)?,
        placed => placed?,
    };
    // The run is written: what is lost here, the reconciler sends again. Its slot was taken after `now`; measured from
    // there, one that has come would lie milliseconds ahead, and be waited for a whole second, as queues count.
    if let Err(error) = announce_run(io, owner, &run, io.now()).await {
        tracing::warn!(run = %run.id, context = %error, "the run was accepted but not announced");
    }
    tracing::info!(run = %run.id, "network query accepted");
    Ok(run)
}

/// What is asked, read.
struct Asked<'k> {
    id: RunId,
    sources: Sources,
    session: Aal2SessionId,
    challenge: ChallengeId,
    status: String,
    key: &'k OwnerKey,
}

/// Writes the pull, again if what it stands on is written at the same moment.
async fn place(io: &impl Place, owner: &OwnerId, asked: &Asked<'_>, now: Time) -> Result<Run, Error> {
    let (mut tries, mut slot) = (1, None);
    loop {
        match write(io, owner, asked, &mut slot, now).await {
            Err(Error::Store(error)) if tries < ATTEMPTS && moved(&error) => tries += 1,
            Err(Error::Store(error)) => return Err(conflict(error)),
            written => return written,
        }
    }
}

/// Reads what the pull stands on, and writes it provided that nothing of that has changed. The slot is taken when
/// everything else is well, and kept for the next try.
async fn write(
    io: &impl Place,
    owner: &OwnerId,
    asked: &Asked<'_>,
    slot: &mut Option<Time>,
    now: Time,
) -> Result<Run, Error> {
    let ((patient, identity), challenge) = try_join!(io.person(owner), io.challenge(owner))?;
    let (link, proofed) = verified(&patient, &identity, now, io.timing())?;
    let answer = Answer {
        challenge: &asked.challenge,
        status: &asked.status,
        patient: &link.patient,
        proofed_identity: &proofed,
    };
    challenge
        .check(&answer, now, io.timing().aal2_session())
        .map_err(refused)?;
    let (id, sources, patient_id) = (asked.id, asked.sources.clone(), link.patient.clone());
    let new = NewRun {
        id,
        patient: patient_id,
        sources,
    };
    let run = Run::accept(new, now, io.timing());
    let hash = asked.key.aal2_session(&asked.session)?;
    can_accept(io, &hash, &run.patient, now).await?;
    let start_at = match slot {
        Some(taken) => *taken,
        None => *slot.insert(reserve(io, owner, &run).await?),
    };
    let run = run.in_slot(start_at);
    let held = Held {
        run: run.id,
        session: asked.session.clone(),
        proofed_identity: proofed,
        until: run.start_by,
    };
    let grounds = Grounds {
        patient: &patient,
        identity: &identity,
        challenge: &challenge,
        lock_until: run.lock_until(io.timing()),
    };
    io.accept_run(owner, grounds, &held, &hash, &run).await?;
    Ok(run)
}

/// Takes a slot within the life of the session. The person's share comes first: requests that are sent at once with one
/// challenge take a slot each, and all but one of them lose it.
async fn reserve(io: &(impl TakeShare + PlanStart + Clock), owner: &OwnerId, run: &Run) -> Result<Time, Error> {
    let now = io.now();
    io.share(owner, PersonAsk::Pull, now).await?;
    let turn = io.plan_start(now, run.start_by).await?;
    Ok(granted(turn, now)?)
}

/// Whether something the pull stands on was written at the same moment. That need not be about this challenge: a run
/// that starts gives its own session back in the same item. So it is read again.
fn moved(error: &StoreError) -> bool {
    let grounds = [
        Condition::ChallengeAsRead,
        Condition::PatientAsRead,
        Condition::IdentityAsRead,
    ];
    !error.lacks(Condition::SessionUnused) && grounds.into_iter().any(|condition| error.lacks(condition))
}

fn sources(enabled: Vec<SourceKind>) -> Result<Sources, Error> {
    Sources::pending(enabled).ok_or_else(|| {
        Problem::new(Code::NoSourceEnabled)
            .field("/sources", "at least one enabled source")
            .into()
    })
}

/// API Gateway joins the values of a header that was sent twice with a comma. Two sessions count as malformed.
fn session(header: Option<&str>) -> Result<Aal2SessionId, Error> {
    let text = header.ok_or_else(|| Problem::new(Code::Aal2SessionMissing))?;
    let single = Some(text).filter(|text| !text.contains(','));
    let id = single.and_then(|text| Aal2SessionId::parse(text).ok());
    id.ok_or_else(|| Problem::new(Code::Aal2SessionMalformed).into())
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
        (Condition::NoOpenRun, Code::NetworkQueryOpen),
    ];
    match code.into_iter().find(|(condition, _)| error.lacks(*condition)) {
        Some((_, code)) => Problem::new(code).into(),
        None => error.into(),
    }
}
