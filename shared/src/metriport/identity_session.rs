//! `POST /medical/v1/identity/session` (docs.metriport.com, page `ias/create-identity-session`).
//!
//! Opens an identity session, in which a person proves who they are (NIST IAL2) on a hosted page. No call reads a
//! session. Only the webhook `ias.identity.verified` or the clock shows how the session ended.

use std::future::Future;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::call::UpstreamCall;
use super::send::UpstreamReply;
use super::tolerant::{self, wire_word};
use super::{Client, HostedUrl, Metadata, Operation, RedirectUrl, UpstreamError};
use crate::domain::{IdentitySessionId, PatientId, Time};
use crate::ports::port;

port! {
    /// Opens hosted identity sessions.
    pub trait OpenIdentitySession via HasUpstream {
        /// Opens a session. The identity that a person proves in the session becomes the proofed identity of `patient`.
        ///
        /// # Errors
        /// An answer without id, link or expiry is `Garbage`, with unknown effect. See [`UpstreamError`].
        async fn open_identity_session(
            &self,
            patient: &PatientId,
            redirect: &RedirectUrl,
            metadata: &Metadata,
        ) -> Result<IdentitySession, UpstreamError>;
    }
}

/// An open hosted session.
#[derive(Debug, Clone)]
pub struct IdentitySession {
    /// Metriport's id of the session, which the webhook repeats.
    pub id: IdentitySessionId,
    /// The single-use link for the person's browser.
    pub url: HostedUrl,
    /// When the link stops working. The webhook may still arrive later.
    pub expires_at: Time,
    /// The progress; `pending` at first.
    pub status: IdentitySessionStatus,
}

wire_word! {
    /// The progress of a session.
    IdentitySessionStatus {
        /// Waits for the person.
        Pending = "pending",
        /// An identity was proofed.
        Completed = "completed",
        /// The link no longer works.
        Expired = "expired",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    patient_id: &'a PatientId,
    redirect_url: &'a str,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: &'a Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "tolerant::text")]
    session_id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::text")]
    session_url: Option<String>,
    #[serde(default, deserialize_with = "tolerant::time")]
    expires_at: Option<Time>,
    #[serde(default, deserialize_with = "tolerant::text")]
    status: Option<String>,
}

impl OpenIdentitySession for Client {
    async fn open_identity_session(
        &self,
        patient: &PatientId,
        redirect: &RedirectUrl,
        metadata: &Metadata,
    ) -> Result<IdentitySession, UpstreamError> {
        let body = Body {
            patient_id: patient,
            redirect_url: redirect.as_str(),
            metadata,
        };
        let path = ["medical", "v1", "identity", "session"];
        session(
            &self
                .send(UpstreamCall::new(Operation::OpenIdentitySession, Method::POST, path).json(&body))
                .await?,
        )
    }
}

fn session(reply: &UpstreamReply) -> Result<IdentitySession, UpstreamError> {
    let wire: Wire = reply.json()?;
    Ok(IdentitySession {
        id: reply.required(wire.session_id.and_then(|id| IdentitySessionId::parse(id).ok()))?,
        url: reply.required(wire.session_url.as_deref().and_then(HostedUrl::parse))?,
        expires_at: reply.required(wire.expires_at)?,
        status: IdentitySessionStatus::from_wire(wire.status.as_deref().unwrap_or_default()),
    })
}
