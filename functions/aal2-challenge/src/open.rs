//! Opens a challenge for the caller's proofed identity.

use serde::Serialize;
use shared::Error;
use shared::domain::budget::{Allowance, Budget, PersonAsk};
use shared::domain::challenge::{ChallengeSlot, Pending};
use shared::domain::log::Actor;
use shared::domain::person_root::Grant;
use shared::domain::{ChallengeId, OwnerId, Time};
use shared::edge::budget::apply_limits;
use shared::edge::http::{Code, Problem};
use shared::edge::{consented, refuse_quarantined, verified};
use shared::metriport::RedirectUrl;
use shared::ports::Clock;
use shared::store::{ReadChallenge, StoreError, WriteChallenge, reject_identity};
use tokio::try_join;

use crate::Ports;

/// Maximum number of attempts to write the challenge. An attempt fails if another process writes the same item.
const ATTEMPTS: u32 = 8;

/// The opened challenge. The link is for one visit of the person's browser.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenedChallenge {
    challenge_id: ChallengeId,
    challenge_url: String,
    expires_at: String,
    method: String,
    /// When the link stops working.
    #[serde(skip)]
    pub link_expires_at: Time,
}

/// Opens a challenge and supersedes a pending one. The hosted page returns to `redirect`, a URL that the deployment
/// allows.
///
/// Also returns the state of the person's share.
///
/// # Errors
/// Fails if the caller has not consented, if the identity is not verified, if records are quarantined, or if Metriport
/// rejects the identity. Also fails if
/// the person's share is used up, or the rate budget has no free place.
pub async fn open(
    io: &impl Ports,
    owner: &OwnerId,
    actor: &Actor,
    redirect: &RedirectUrl,
) -> Result<(OpenedChallenge, Allowance), Error> {
    let now = io.now();
    let ((slot, identity, root), challenges) = try_join!(io.person(owner), io.challenge(owner))?;
    consented(&root, io.consent_rule())?;
    let (link, proofed) = verified(&slot, &identity, now, io.timing())?;
    refuse_quarantined(&root)?;
    let allowance = io.place(owner, PersonAsk::Challenge, io.now()).await?;
    // Read after the charge, so that a withdrawal of consent or a quarantine before this moment prevents the call.
    let root = io.root(owner).await?;
    let grant = consented(&root, io.consent_rule())?;
    refuse_quarantined(&root)?;
    let answer = io.open_aal2_challenge(&proofed, redirect).await;
    let challenge = match apply_limits(io, Budget::Identity, answer, io.now()).await {
        Err(error) if error.rejects_identity() => {
            reject_identity(io, owner, &proofed, now).await?;
            return Err(Problem::new(Code::IdentityRejected).into());
        }
        opened => opened?,
    };
    let pending = Pending {
        id: challenge.id.clone(),
        proofed_identity: proofed,
        patient: link.patient.clone(),
        expires_at: challenge.expires_at,
    };
    let opened = OpenedChallenge {
        challenge_id: challenge.id,
        challenge_url: challenge.url.expose().to_owned(),
        expires_at: challenge.expires_at.to_string(),
        method: challenge.method.as_str().to_owned(),
        link_expires_at: challenge.expires_at,
    };
    let about = OpenedFor {
        owner,
        actor,
        grant,
        method: &opened.method,
    };
    keep(io, about, challenges, pending).await?;
    Ok((opened, allowance))
}

/// The person for whom a challenge was opened, the person's grant, and the challenge's second factor.
#[derive(Clone, Copy)]
struct OpenedFor<'a> {
    owner: &'a OwnerId,
    actor: &'a Actor,
    grant: Grant,
    method: &'a str,
}

/// Stores the challenge and supersedes the pending one. If another process writes the item first, for example to remove
/// the session of a started query, the item is read again. `read` is the item as it was read before the call to
/// Metriport.
async fn keep(
    io: &(impl ReadChallenge + WriteChallenge + Clock),
    about: OpenedFor<'_>,
    mut read: ChallengeSlot,
    pending: Pending,
) -> Result<(), StoreError> {
    let mut tries = 1;
    loop {
        let slot = read.open(pending.clone());
        let put = io.put_challenge(about.owner, &slot, about.grant, about.method, about.actor, io.now());
        match put.await {
            Err(StoreError::Conflict(_)) if tries < ATTEMPTS => tries += 1,
            written => return written,
        }
        read = io.challenge(about.owner).await?;
    }
}
