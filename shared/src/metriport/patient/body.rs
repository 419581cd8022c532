//! The body of create and update.

use serde::Serialize;

use crate::domain::{Demographics, ExternalId};

/// The demographics, unchanged, our id of the person, and their opt-out. Other fields that Metriport would drop or act
/// on are not sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PatientBody<'a> {
    #[serde(flatten)]
    pub(super) demographics: &'a Demographics,
    pub(super) external_id: &'a ExternalId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<PatientStatus>,
}

/// The newer place of the opt-out (docs.metriport.com, page `patient/create-patient`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PatientStatus {
    hie_opt_out: bool,
}

impl PatientStatus {
    /// The status with an opt-out; `None` for no opt-out.
    pub(super) fn of(hie_opt_out: Option<bool>) -> Option<Self> {
        Some(Self {
            hie_opt_out: hie_opt_out?,
        })
    }
}
