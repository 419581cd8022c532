//! Metriport's answer about a patient, and whether the patient is ours.
//!
//! The answer's demographics are not read, because nothing depends on them and data that is not held cannot leak.

use serde::Deserialize;

use crate::domain::{ExternalId, FacilityId, PatientId};
use crate::metriport::send::UpstreamReply;
use crate::metriport::{UpstreamError, tolerant};

/// A patient that carries our id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Metriport's id.
    pub id: PatientId,
    /// The facilities it belongs to.
    pub facilities: Vec<FacilityId>,
    /// Whether the person opted out of the exchanges, if the answer states it.
    pub hie_opt_out: Option<bool>,
}

/// A patient that may be another person's. A create may answer 201 with an existing patient that has similar
/// demographics and its own `externalId`. Only the `externalId` therefore shows whose patient it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedPatient {
    patient: Patient,
    external_id: Option<ExternalId>,
}

/// The patient does not carry our id. The caller must stop, and a human must look at the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the patient does not carry the expected external id")]
pub struct ForeignPatient;

impl UnverifiedPatient {
    /// A patient, with the external id of the answer.
    #[must_use]
    pub fn new(patient: Patient, external_id: Option<ExternalId>) -> Self {
        Self { patient, external_id }
    }

    /// Returns the patient if it carries exactly this id.
    ///
    /// # Errors
    /// [`ForeignPatient`] if it carries another id, or no readable one.
    pub fn verify(self, ours: &ExternalId) -> Result<Patient, ForeignPatient> {
        if self.external_id.as_ref() == Some(ours) {
            Ok(self.patient)
        } else {
            Err(ForeignPatient)
        }
    }

    /// Whether the patient has this id.
    #[must_use]
    pub fn has_id(&self, id: &PatientId) -> bool {
        self.patient.id == *id
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "tolerant::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::text")]
    external_id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::list")]
    facility_ids: Vec<String>,
    #[serde(default, deserialize_with = "tolerant::flag")]
    hie_opt_out: Option<bool>,
    #[serde(default, deserialize_with = "tolerant::object")]
    status: Option<WireStatus>,
}

/// The newer place of the opt-out. Metriport still sends the older field at the top level too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStatus {
    #[serde(default, deserialize_with = "tolerant::flag")]
    hie_opt_out: Option<bool>,
}

/// Reads the answer of create, get, update and lookup.
pub(super) fn patient(reply: &UpstreamReply) -> Result<UnverifiedPatient, UpstreamError> {
    let wire: Wire = reply.json()?;
    let id = reply.required(wire.id.and_then(|id| PatientId::parse(id).ok()))?;
    let patient = Patient {
        id,
        facilities: wire
            .facility_ids
            .into_iter()
            .filter_map(|id| FacilityId::parse(id).ok())
            .collect(),
        hie_opt_out: wire.status.and_then(|status| status.hie_opt_out).or(wire.hie_opt_out),
    };
    Ok(UnverifiedPatient::new(
        patient,
        wire.external_id.and_then(|id| ExternalId::parse(id).ok()),
    ))
}
