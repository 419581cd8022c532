//! Shows the state of the identity and the next action. Metriport has no call that reads an identity, so the state
//! comes from our own table.

use serde::Serialize;
use shared::Error;
use shared::domain::identity::{Identity, Standing};
use shared::domain::patient::{PatientSlot, Unsettled};
use shared::domain::person_root::ConsentGap;
use shared::domain::{OwnerId, Time, Timing};
use shared::edge::http::Next;
use shared::ports::{Clock, ConsentTerms};
use shared::store::{ReadIdentity, ReadPerson};

/// `GET /v1/identity`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    patient_linked: bool,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hie_opt_out: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    next: Next,
}

/// Reads the state of the identity. If no consent covers the person's requests, the next action is to give one.
///
/// # Errors
/// Fails if the table cannot be read.
pub async fn show(io: &(impl ReadPerson + ConsentTerms + Clock), owner: &OwnerId, now: Time) -> Result<Shown, Error> {
    let (slot, identity, root) = io.person(owner).await?;
    let shown = standing(&slot, &identity, now, io.timing());
    let next = match root.covering(io.consent_rule()) {
        Ok(_grant) => shown.next,
        Err(ConsentGap::Erasing) => Next::WAIT,
        Err(_gap) => Next::GIVE_CONSENT,
    };
    Ok(Shown { next, ..shown })
}

/// Reads the state of the identity. `slot` is the person's patient as the caller has read or written it.
///
/// # Errors
/// Fails like [`show`].
pub async fn read(
    io: &(impl ReadIdentity + Clock),
    owner: &OwnerId,
    slot: &PatientSlot,
    now: Time,
) -> Result<Shown, Error> {
    Ok(standing(slot, &io.identity(owner).await?, now, io.timing()))
}

fn standing(slot: &PatientSlot, identity: &Identity, now: Time, timing: Timing) -> Shown {
    let hie_opt_out = slot.hie_opt_out();
    let unsettled = |patient_linked, status| Shown {
        patient_linked,
        status,
        hie_opt_out,
        expires_at: None,
        next: Next::PUT_PATIENT,
    };
    let link = match slot.settled() {
        Ok(link) => link,
        Err(Unsettled::NotLinked) => return unsettled(false, "not_started"),
        Err(Unsettled::Changing) => return unsettled(true, "patient_changing"),
    };
    let standing = identity.standing(&link.patient, &link.demographics, now, timing);
    let expires_at = match &standing {
        Standing::Pending { expires_at } => Some(expires_at.to_string()),
        _ => None,
    };
    let (status, next) = match standing {
        Standing::NotStarted => ("not_started", Next::VERIFY_IDENTITY),
        Standing::Pending { .. } => ("pending", Next::WAIT_OR_VERIFY_IDENTITY),
        Standing::Confirming => ("confirming", Next::CHECK_OR_VERIFY_IDENTITY),
        Standing::Expired => ("expired", Next::VERIFY_IDENTITY),
        Standing::Verified(_) => ("verified", Next::OPEN_CHALLENGE),
        Standing::DemographicsChanged => ("demographics_changed", Next::VERIFY_IDENTITY),
        Standing::Rejected => ("rejected", Next::VERIFY_IDENTITY),
    };
    Shown {
        patient_linked: true,
        status,
        hie_opt_out,
        expires_at,
        next,
    }
}
