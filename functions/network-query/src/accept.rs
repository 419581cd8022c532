//! Accepts a pull. One transaction uses the challenge, marks the AAL2 session as used, locks the patient and writes the
//! pull. A refusal uses up neither the challenge nor the session.

use shared::Error;
use shared::domain::budget::PersonAsk;
use shared::domain::challenge::{ChallengeAnswer, ChallengeRefusal, Held};
use shared::domain::log::Actor;
use shared::domain::pull::{NewPull, Pull};
use shared::domain::{Aal2SessionId, ChallengeId, OwnerId, PullId, SourceKind, Sources, Time};
use shared::edge::budget::{PlanStart, TakeShare, granted};
use shared::edge::http::{Code, Problem};
use shared::edge::{announce_pull, consented, refuse_quarantined, verified};
use shared::owner::OwnerKey;
use shared::ports::{Clock, ConsentTerms};
use shared::queue::SendAdvance;
use shared::store::{AcceptPull, Condition, Grounds, ReadChallenge, ReadPerson, ReadPull, StoreError, can_accept};
use tokio::try_join;

use crate::ask_body::AskBody;

shared::ports! {
    /// Takes a slot of the rate budget, and writes a pull that starts in this slot.
    pub trait PlacePull = ReadPerson + ReadChallenge + AcceptPull + TakeShare + PlanStart + ConsentTerms + Clock;
}

shared::ports! {
    /// Accepts a pull and announces it, or reads the pull that an earlier attempt accepted.
    pub trait Accept = PlacePull + ReadPull + SendAdvance;
}

/// Maximum number of attempts to write a pull. An attempt fails if another process writes an item that the pull depends
/// on.
const ATTEMPTS: u32 = 5;

/// A request for a pull.
pub struct PullAsk<'r> {
    /// The caller, as the access log names them.
    pub actor: &'r Actor,
    /// The header `x-aal2-session`.
    pub session: Option<&'r str>,
    /// The body.
    pub body: AskBody,
    /// The id that the pull gets.
    pub id: PullId,
    /// Whether an earlier attempt under the same idempotency key may have accepted the pull `id`, although the caller
    /// got no answer.
    pub resumed: bool,
}

/// Accepts a pull and announces it to `query-dispatch`. If an earlier attempt accepted the pull, that pull is returned.
/// The earlier attempt used the challenge and the session, so this attempt would be refused.
///
/// The pull stores its slot, the planned time of its start. `key` makes the hash under which the session is marked as
/// used.
///
/// # Errors
/// Refuses the request in these cases:
/// - The purpose of use is not `ias`, or no source is enabled.
/// - The session is missing, malformed or used.
/// - The caller has not consented, or is not verified.
/// - The challenge is not the caller's pending one, has expired or was not passed.
/// - The patient has an open pull.
/// - The person's share is used up.
/// - No slot is free before the session expires, or the day's calls are used up.
pub async fn accept(io: &impl Accept, owner: &OwnerId, ask: PullAsk<'_>, key: &OwnerKey) -> Result<Pull, Error> {
    let now = io.now();
    if ask
        .body
        .purpose_of_use
        .as_deref()
        .is_some_and(|purpose| purpose != "ias")
    {
        return Err(Problem::new(Code::PurposeNotSupported).into());
    }
    let checked = CheckedAsk {
        id: ask.id,
        sources: sources(ask.body.enabled)?,
        session: session(ask.session)?,
        challenge: ask.body.challenge,
        status: ask.body.aal2_status,
        actor: ask.actor,
        key,
    };
    let pull = match place(io, owner, &checked, now).await {
        Err(refusal) if ask.resumed => io.pull(owner, checked.id).await?.ok_or(refusal)?,
        placed => placed?,
    };
    // If the message is lost, `reconcile` sends it again, because the pull is stored. The message's delay is counted
    // from the present time. From the older `now`, a pull that is due would seem to be due in a few milliseconds, and
    // the queue would round this delay up to a second.
    if let Err(error) = announce_pull(io, owner, &pull, io.now()).await {
        tracing::warn!(run = %pull.id, context = %error, "the pull was accepted, but its message was not sent");
    }
    tracing::info!(run = %pull.id, "network query accepted");
    Ok(pull)
}

struct CheckedAsk<'k> {
    id: PullId,
    sources: Sources,
    session: Aal2SessionId,
    challenge: ChallengeId,
    status: String,
    actor: &'k Actor,
    key: &'k OwnerKey,
}

/// Writes the pull. If another process writes an item that the pull depends on, reads all items and tries again.
async fn place(io: &impl PlacePull, owner: &OwnerId, checked: &CheckedAsk<'_>, now: Time) -> Result<Pull, Error> {
    let (mut tries, mut slot) = (1, None);
    loop {
        match write(io, owner, checked, &mut slot, now).await {
            Err(Error::Store(error)) if tries < ATTEMPTS && moved(&error) => tries += 1,
            Err(Error::Store(error)) => return Err(conflict(error)),
            written => return written,
        }
    }
}

/// Reads the items that the pull depends on, and writes the pull on condition that these items are unchanged. The slot
/// is taken after all checks, and `slot` keeps it for the next attempt.
async fn write(
    io: &impl PlacePull,
    owner: &OwnerId,
    checked: &CheckedAsk<'_>,
    slot: &mut Option<Time>,
    now: Time,
) -> Result<Pull, Error> {
    let ((patient, identity, root), challenge) = try_join!(io.person(owner), io.challenge(owner))?;
    let grant = consented(&root, io.consent_rule())?;
    let (link, proofed) = verified(&patient, &identity, now, io.timing())?;
    refuse_quarantined(&root)?;
    let answer = ChallengeAnswer {
        challenge: &checked.challenge,
        status: &checked.status,
        patient: &link.patient,
        proofed_identity: &proofed,
    };
    challenge
        .check(&answer, now, io.timing().aal2_session())
        .map_err(refused)?;
    let (id, sources, patient_id) = (checked.id, checked.sources.clone(), link.patient.clone());
    let new = NewPull {
        id,
        patient: patient_id,
        grant,
        sources,
    };
    let pull = Pull::accept(new, now, io.timing());
    let hash = checked.key.aal2_session(&checked.session)?;
    // Checked before the slot is taken, so that a pull that cannot be accepted takes no slot.
    can_accept(io, &hash, &pull.patient, now).await?;
    let start_at = match slot {
        Some(taken) => *taken,
        None => *slot.insert(reserve(io, owner, &pull).await?),
    };
    let pull = pull.in_slot(start_at);
    let held = Held {
        pull: pull.id,
        session: checked.session.clone(),
        proofed_identity: proofed,
        until: pull.start_by,
    };
    let grounds = Grounds {
        patient: &patient,
        identity: &identity,
        root: &root,
        challenge: &challenge,
        lock_until: pull.lock_until(io.timing()),
    };
    // One transaction, so that a refusal uses up neither the challenge nor the session.
    io.accept_pull(owner, grounds, &held, &hash, &pull, checked.actor)
        .await?;
    Ok(pull)
}

/// Takes a slot in which the session is still valid. If a person sends several requests with one challenge, each
/// request takes a slot, but only one request uses its slot. The person's share is taken first, so that it limits how
/// many slots are lost.
async fn reserve(io: &(impl TakeShare + PlanStart + Clock), owner: &OwnerId, pull: &Pull) -> Result<Time, Error> {
    let now = io.now();
    io.share(owner, PersonAsk::Pull, now).await?;
    let turn = io.plan_start(now, pull.start_by).await?;
    Ok(granted(turn, now)?)
}

/// Whether another process wrote an item that the pull depends on. The pull is then tried again, because the other
/// write does not always rule the pull out. For example, the start of an earlier pull removes its session from the
/// challenge's item.
fn moved(error: &StoreError) -> bool {
    let grounds = [
        Condition::ChallengeAsRead,
        Condition::PatientAsRead,
        Condition::IdentityAsRead,
        Condition::RootAsRead,
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

/// API Gateway joins the values of a repeated header with a comma. Two sessions count as malformed.
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

/// Maps the failed conditions to an answer. If the session is used and a pull is open, the answer names the used
/// session: `NetworkQueryOpen` would suggest that it is unused.
fn conflict(error: StoreError) -> Error {
    let code = [
        (Condition::SessionUnused, Code::Aal2SessionUsed),
        (Condition::NoOpenPull, Code::NetworkQueryOpen),
    ];
    match code.into_iter().find(|(condition, _)| error.lacks(*condition)) {
        Some((_, code)) => Problem::new(code).into(),
        None => error.into(),
    }
}
