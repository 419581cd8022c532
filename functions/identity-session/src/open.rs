//! Opens the hosted IAL2 page and supersedes an open session. If our reply is lost, the opened session does no harm,
//! since the person never gets its link.

use serde::Serialize;
use shared::Error;
use shared::domain::budget::{Allowance, Budget, PersonAsk};
use shared::domain::identity::{OpenSession, Standing};
use shared::domain::log::Actor;
use shared::domain::{IdentitySessionId, OwnerId, Time};
use shared::edge::budget::{PauseCalls, TakeTurn, apply_limits};
use shared::edge::consented;
use shared::edge::http::{Code, Problem};
use shared::metriport::{Metadata, OpenIdentitySession, RedirectUrl, UpstreamError};
use shared::ports::{Clock, ConsentTerms, Stage};
use shared::store::{ReadPerson, ReadRoot, SessionGrounds, WriteIdentity, WritePatient};
use shared::webhook::IDENTITY_MARK;
use uuid::Uuid;

shared::ports! {
    /// Opens an identity session within the rate budget and stores it.
    pub trait Open = ReadPerson + ReadRoot + WritePatient + WriteIdentity + OpenIdentitySession
        + TakeTurn + PauseCalls + ConsentTerms + Clock + Stage;
}

/// The opened session. The link is for one visit of the person's browser.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenedIdentitySession {
    session_id: IdentitySessionId,
    session_url: String,
    expires_at: String,
    status: &'static str,
    /// When the link stops working.
    #[serde(skip)]
    pub link_expires_at: Time,
}

/// Opens a session for the caller. The hosted page returns to `redirect`, a URL that the deployment allows. `mark` is a
/// new id, which Metriport repeats in the event that confirms the session.
///
/// Also returns the state of the person's share.
///
/// # Errors
/// Fails if the caller has not consented, has no settled patient, or is already verified. Also fails if the person's
/// share is used up, or the rate budget has no free place.
pub async fn open(
    io: &impl Open,
    owner: &OwnerId,
    actor: &Actor,
    redirect: &RedirectUrl,
    mark: Uuid,
) -> Result<(OpenedIdentitySession, Allowance), Error> {
    let now = io.now();
    let (slot, identity, root) = io.person(owner).await?;
    consented(&root, io.consent_rule())?;
    let link = slot.settled()?;
    if let Standing::Verified(_) = identity.standing(&link.patient, &link.demographics, now, io.timing()) {
        return Err(Problem::new(Code::IdentityAlreadyVerified).into());
    }
    let mark = mark.simple().to_string();
    let metadata = Metadata::new([(IDENTITY_MARK, mark.as_str()), ("env", io.stage())]);
    let metadata = metadata.map_err(|_malformed| Error::Internal("invalid metadata of an identity session"))?;
    let allowance = io.place(owner, PersonAsk::IdentitySession, io.now()).await?;
    // Read after the charge, so that a withdrawal of consent before this moment prevents the call.
    let grant = consented(&io.root(owner).await?, io.consent_rule())?;
    let answer = io.open_identity_session(&link.patient, redirect, &metadata).await;
    let session = match apply_limits(io, Budget::Identity, answer, io.now()).await {
        Err(error) if is_gone(&error) => {
            // Metriport has deleted the patient. The link is removed, so that the next `PUT /v1/patient` creates the
            // patient again.
            io.end_change(owner, &slot.clone().unlink(), now).await?;
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
    // An event of a session before a withdrawal or an erasure may still arrive, and the identity no longer has it.
    let identity = match grant.has_ended_before() {
        true => identity.after_forgotten_sessions(),
        false => identity,
    };
    let next = identity.open(open.clone());
    let grounds = SessionGrounds { patient: &slot, grant };
    io.put_identity_session(owner, &next, &open, grounds, actor, now)
        .await?;
    let opened = OpenedIdentitySession {
        session_id: session.id,
        session_url: session.url.expose().to_owned(),
        expires_at: session.expires_at.to_string(),
        status: "pending",
        link_expires_at: session.expires_at,
    };
    Ok((opened, allowance))
}

/// Whether the patient no longer exists at Metriport.
pub(crate) const fn is_gone(error: &UpstreamError) -> bool {
    error.kind().is_absence()
}
