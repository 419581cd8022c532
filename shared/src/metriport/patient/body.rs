//! The body of create and update.

use serde::Serialize;

use crate::domain::{Demographics, ExternalId};

/// The demographics, unchanged, and our id of the person. Fields that Metriport would drop or act on are not sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PatientBody<'a> {
    #[serde(flatten)]
    pub(super) demographics: &'a Demographics,
    pub(super) external_id: &'a ExternalId,
}
