//! Opens a challenge for the caller's proofed identity.

use serde::Serialize;
use shared::Error;
use shared::domain::budget::{Allowance, Budget, PersonAsk};
use shared::domain::challenge::{ChallengeSlot, Pending};
use shared::domain::{ChallengeId, OwnerId, Time};
use shared::edge::budget::heeded;
use shared::edge::http::{Code, Problem};
use shared::edge::verified;
use shared::metriport::{Aal2Method, RedirectUrl};
use shared::store::{ReadChallenge, StoreError, WriteChallenge, reject_identity};
use tokio::try_join;

use crate::Ports;

/// How often the challenge is written again when others write the same item.
const ATTEMPTS: u32 = 8;

/// The opened challenge. The link is for the person's browser, once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    challenge_id: ChallengeId,
    challenge_url: String,
    expires_at: String,
    method: String,
    /// When the link stops working.
    #[serde(skip)]
    pub link_expires_at: Time,
}

/// Opens a challenge, whose page returns to `redirect`, a URL that the deployment allows. One that was pending is
/// superseded.
///
/// Returns how the person's share stands then, too.
///
/// # Errors
/// Refuses a caller who is not verified, with us or upstream, one who has used up their share, and a call that the rate
/// budget has no place for.
pub async fn open(io: &impl Ports, owner: &OwnerId, redirect: &RedirectUrl) -> Result<(Opened, Allowance), Error> {
    let now = io.now();
    let ((slot, identity), challenges) = try_join!(io.person(owner), io.challenge(owner))?;
    let (link, proofed) = verified(&slot, &identity, now, io.timing())?;
    let allowance = io.place(owner, PersonAsk::Challenge, io.now()).await?;
    let answer = io.open_aal2_challenge(&proofed, redirect).await;
    let challenge = match heeded(io, Budget::Identity, answer, io.now()).await {
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
    keep(io, owner, challenges, pending).await?;
    let opened = Opened {
        challenge_id: challenge.id,
        challenge_url: challenge.url.expose().to_owned(),
        expires_at: challenge.expires_at.to_string(),
        method: word(&challenge.method),
        link_expires_at: challenge.expires_at,
    };
    Ok((opened, allowance))
}

/// Stores the challenge over whatever is there: the one before is superseded, and the session that another process
/// takes out of the same item meanwhile, because its query has started, is none of this one's concern. `read` is what
/// was there a moment ago.
async fn keep(
    io: &(impl ReadChallenge + WriteChallenge),
    owner: &OwnerId,
    mut read: ChallengeSlot,
    pending: Pending,
) -> Result<(), StoreError> {
    let mut tries = 1;
    loop {
        match io.put_challenge(owner, &read.open(pending.clone())).await {
            Err(StoreError::Conflict(_)) if tries < ATTEMPTS => tries += 1,
            written => return written,
        }
        read = io.challenge(owner).await?;
    }
}

fn word(method: &Aal2Method) -> String {
    method.as_str().to_owned()
}
