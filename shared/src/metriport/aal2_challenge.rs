//! `POST /medical/v1/identity/aal2/challenge` (docs.metriport.com, page `ias/create-aal2-challenge`).
//!
//! Opens a challenge, in which a person shows two factors on a hosted page. The outcome arrives only through the
//! browser, as `aal2SessionId` and `status`; no call reads it.

use std::future::Future;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::call::UpstreamCall;
use super::send::UpstreamReply;
use super::tolerant::{self, wire_word};
use super::{Client, HostedUrl, Mentions, Operation, RedirectUrl, UpstreamError, UpstreamErrorKind};
use crate::domain::{ChallengeId, ProofedIdentityId, Time};
use crate::ports::port;

port! {
    /// Opens AAL2 challenges.
    pub trait OpenAal2Challenge via HasUpstream {
        /// Opens a challenge for a proofed identity, which must be active.
        ///
        /// # Errors
        /// If the identity must be proofed again, [`UpstreamError::mentions_identity`] is true. An answer without id,
        /// link or expiry is `Garbage`, with unknown effect. See [`UpstreamError`].
        async fn open_aal2_challenge(
            &self,
            identity: &ProofedIdentityId,
            redirect: &RedirectUrl,
        ) -> Result<Aal2Challenge, UpstreamError>;
    }
}

/// An open challenge.
#[derive(Debug, Clone)]
pub struct Aal2Challenge {
    /// Metriport's id of the challenge. The pages do not state that the redirect repeats it.
    pub id: ChallengeId,
    /// The single-use link for the person's browser.
    pub url: HostedUrl,
    /// When the link stops working.
    pub expires_at: Time,
    /// How the person passes the challenge. Metriport chooses the method.
    pub method: Aal2Method,
}

wire_word! {
    /// How a challenge is passed.
    Aal2Method {
        /// A code from an authenticator app.
        Totp = "totp",
        /// A passkey or security key in the browser.
        Webauthn = "webauthn",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    proofed_identity_id: &'a ProofedIdentityId,
    redirect_url: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "tolerant::text")]
    challenge_id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::text")]
    challenge_url: Option<String>,
    #[serde(default, deserialize_with = "tolerant::time")]
    expires_at: Option<Time>,
    #[serde(default, deserialize_with = "tolerant::text")]
    method: Option<String>,
}

impl OpenAal2Challenge for Client {
    async fn open_aal2_challenge(
        &self,
        identity: &ProofedIdentityId,
        redirect: &RedirectUrl,
    ) -> Result<Aal2Challenge, UpstreamError> {
        let body = Body {
            proofed_identity_id: identity,
            redirect_url: redirect.as_str(),
        };
        let path = ["medical", "v1", "identity", "aal2", "challenge"];
        let call = UpstreamCall::new(Operation::OpenAal2Challenge, Method::POST, path).json(&body);
        challenge(&self.send(call).await.map_err(blaming_the_identity)?)
    }
}

fn challenge(reply: &UpstreamReply) -> Result<Aal2Challenge, UpstreamError> {
    let wire: Wire = reply.json()?;
    Ok(Aal2Challenge {
        id: reply.required(wire.challenge_id.and_then(|id| ChallengeId::parse(id).ok()))?,
        url: reply.required(wire.challenge_url.as_deref().and_then(HostedUrl::parse))?,
        expires_at: reply.required(wire.expires_at)?,
        method: Aal2Method::from_wire(wire.method.as_deref().unwrap_or_default()),
    })
}

/// No error of this call is documented. The call names only an identity and our own redirect URL. A refusal that does
/// not mention the redirect therefore counts as the refusal of an identity that is no longer active.
fn blaming_the_identity(error: UpstreamError) -> UpstreamError {
    let of_the_identity = match error.kind() {
        UpstreamErrorKind::BadRequest
        | UpstreamErrorKind::Forbidden
        | UpstreamErrorKind::NotFound
        | UpstreamErrorKind::Conflict => !error.mentions().redirect,
        UpstreamErrorKind::Unsendable
        | UpstreamErrorKind::Connect
        | UpstreamErrorKind::Timeout
        | UpstreamErrorKind::Interrupted
        | UpstreamErrorKind::Garbage
        | UpstreamErrorKind::Auth
        | UpstreamErrorKind::NoRoute
        | UpstreamErrorKind::PatientNotFound
        | UpstreamErrorKind::PatientOptedOut
        | UpstreamErrorKind::NoTreatmentRelationship
        | UpstreamErrorKind::VersionMismatch
        | UpstreamErrorKind::Locked
        | UpstreamErrorKind::RateLimited { .. }
        | UpstreamErrorKind::Refused
        | UpstreamErrorKind::Server => false,
    };
    if of_the_identity {
        error.with_mentions(Mentions {
            identity: true,
            ..error.mentions()
        })
    } else {
        error
    }
}
