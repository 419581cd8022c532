//! Opens the hosted IAL2 page. A session that was open is superseded: one that is lost on the way costs nothing but
//! itself, since nobody has its link.

use serde::Serialize;
use shared::domain::budget::{Allowance, Budget};
use shared::domain::identity::{OpenSession, Standing};
use shared::domain::{IdentitySessionId, OwnerId, Time};
use shared::http::{Code, Problem};
use shared::metriport::{Metadata, OpenIdentitySession, UpstreamError};
use shared::redirects;
use shared::store::{ReadIdentity, ReadPatient, WriteIdentity, WritePatient};
use shared::webhook::IDENTITY_MARK;
use shared::{Error, clock};

use tokio::try_join;
use uuid::Uuid;

use crate::Deps;

/// The opened session. The link is for the person's browser, once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    session_id: IdentitySessionId,
    session_url: String,
    expires_at: String,
    status: &'static str,
    /// When the link stops working.
    #[serde(skip)]
    pub link_expires_at: Time,
}

/// Opens a session for the caller; `mark` is a new id, echoed by the event that confirms the session.
///
/// How the rate budget stands then comes back with it.
///
/// # Errors
/// Refuses a redirect URL that is not allowed, a caller without a patient, one who is verified already, and a call that
/// the rate budget has no place for.
pub async fn open(
    deps: &Deps,
    owner: &OwnerId,
    redirect_url: &str,
    mark: Uuid,
    now: Time,
) -> Result<(Opened, Allowance), Error> {
    let redirect = redirects::allowed(&deps.redirects, redirect_url)?;
    let (slot, identity) = try_join!(deps.table.patient(owner), deps.table.identity(owner))?;
    let link = slot.settled()?;
    if let Standing::Verified(_) = identity.standing(&link.patient, &link.demographics, now, deps.timing) {
        return Err(Problem::new(Code::IdentityAlreadyVerified).into());
    }
    let mark = mark.simple().to_string();
    let metadata = Metadata::new([(IDENTITY_MARK, mark.as_str()), ("env", &deps.stage)]);
    let metadata = metadata.map_err(|_malformed| Error::Internal("metadata of an identity session"))?;
    let allowance = deps.budget.place(Budget::Identity).await?;
    let answer = deps
        .metriport
        .open_identity_session(&link.patient, &redirect, &metadata)
        .await;
    let session = match deps.budget.heeded(Budget::Identity, answer, clock::now()).await {
        Err(error) if is_gone(&error) => {
            // Deleted upstream: the person starts anew, and `PUT /v1/patient` creates the patient again.
            deps.table.end_change(owner, &slot.clone().unlink(), now).await?;
            return Err(Problem::new(Code::PatientNotLinked).into());
        }
        opened => opened?,
    };
    let open = OpenSession {
        id: session.id.clone(),
        patient: link.patient.clone(),
        demographics: link.demographics.clone(),
        expires_at: session.expires_at,
        mark,
    };
    let next = identity.open(open.clone());
    deps.table
        .open_identity_session(owner, &next, &open, &slot, now)
        .await?;
    let opened = Opened {
        session_id: session.id,
        session_url: session.url.expose().to_owned(),
        expires_at: session.expires_at.to_string(),
        status: "pending",
        link_expires_at: session.expires_at,
    };
    Ok((opened, allowance))
}

/// Whether the patient does not exist upstream any more.
pub(crate) const fn is_gone(error: &UpstreamError) -> bool {
    error.kind().is_absence()
}
