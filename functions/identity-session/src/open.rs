//! Opens the hosted IAL2 page. A session that was open is superseded: one that is lost on the way costs nothing but
//! itself, since nobody has its link.

use serde::{Deserialize, Serialize};
use shared::Error;
use shared::domain::identity::{OpenSession, Standing};
use shared::domain::{IdentitySessionId, OwnerId, Time};
use shared::http::{Code, Problem};
use shared::metriport::{Metadata, OpenIdentitySession};
use shared::redirects;
use shared::store::{ReadIdentity, ReadPatient, WriteIdentity};

use crate::Deps;

/// `POST /v1/identity-sessions`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenRequest {
    redirect_url: String,
}

/// The opened session. The link is for the person's browser, once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    session_id: IdentitySessionId,
    session_url: String,
    expires_at: String,
    status: &'static str,
}

/// Opens a session for the caller.
///
/// # Errors
/// Refuses a redirect URL that is not allowed, a caller without a patient, and one who is verified already.
pub async fn open(deps: &Deps, owner: &OwnerId, request: &OpenRequest, now: Time) -> Result<Opened, Error> {
    let redirect = redirects::allowed(&deps.redirects, &request.redirect_url)?;
    let link = deps
        .table
        .patient(owner)
        .await?
        .ok_or_else(|| Problem::new(Code::PatientNotLinked))?;
    let identity = deps.table.identity(owner).await?;
    if let Standing::Verified(_) = identity.standing(&link.patient, &link.demographics, now, deps.timing) {
        return Err(Problem::new(Code::IdentityAlreadyVerified).into());
    }
    let metadata = Metadata::new([("env", &deps.stage)]).map_err(|_stage| Error::Internal("stage as metadata"))?;
    let session = deps
        .metriport
        .open_identity_session(&link.patient, &redirect, &metadata)
        .await?;
    let open = OpenSession {
        id: session.id.clone(),
        patient: link.patient.clone(),
        demographics: link.demographics.clone(),
        expires_at: session.expires_at,
    };
    let next = identity.open(open.clone());
    deps.table
        .open_identity_session(owner, &next, &open, &link, now)
        .await?;
    Ok(Opened {
        session_id: session.id,
        session_url: session.url.expose().to_owned(),
        expires_at: session.expires_at.to_string(),
        status: "pending",
    })
}
