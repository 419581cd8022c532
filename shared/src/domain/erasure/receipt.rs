//! The receipt of an erasure: a statement, signed by the key of the seals.

use serde::{Deserialize, Serialize};

use super::{Deleted, Erasure, ErasureId, PatientErasure};
use crate::domain::Time;
use crate::domain::log::{LogHash, SealPublicKey};
use crate::domain::time::iso;

/// The kind of a statement. It separates receipts from seals, which the same key signs.
const KIND: &str = "ias-erasure-receipt-v1";

/// The outcome at Metriport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatientOutcome {
    /// The person was not linked to a patient.
    NotLinked,
    /// The patient stays, because it existed at Metriport before this stack linked the person to it.
    NotCreatedHere,
    /// The outcome of a creation is unknown. Only the operator can find out whether the patient exists.
    Uncertain,
    /// Metriport deleted the patient.
    Deleted,
    /// Metriport has no such patient: it was gone before, or an earlier call without an answer deleted it.
    Absent,
}

/// Something of the person that remains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Remaining {
    /// The store.
    pub store: String,
    /// The content.
    pub content: String,
    /// When the deployment expects it to be gone.
    #[serde(with = "iso")]
    pub until: Time,
}

/// The claim that is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiptStatement {
    kind: String,
    /// Name of the stack.
    pub stack: String,
    /// The erasure: the hash of the receipt id.
    pub erasure: ErasureId,
    /// When the person asked.
    #[serde(with = "iso")]
    pub requested_at: Time,
    /// When nothing was left but `remaining`.
    #[serde(with = "iso")]
    pub finished_at: Time,
    /// The counts.
    pub deleted: Deleted,
    /// The outcome at Metriport.
    pub patient: PatientOutcome,
    /// When Metriport answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_answered_at: Option<String>,
    /// Everything that remains.
    pub remaining: Vec<Remaining>,
    /// [`SealPublicKey::fingerprint`] of the key that signs.
    pub key: LogHash,
}

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedReceipt {
    /// The text of the statement.
    pub statement: String,
    /// ECDSA signature of that text, in DER and base64.
    pub signature: String,
}

/// The parts of a statement that do not follow from the erasure.
#[derive(Debug, Clone)]
pub struct ReceiptContext<'a> {
    /// Name of the stack.
    pub stack: &'a str,
    /// The key that will sign.
    pub key: &'a SealPublicKey,
    /// Everything that remains.
    pub remaining: Vec<Remaining>,
}

impl ReceiptStatement {
    /// The statement about an erasure that has deleted everything.
    #[must_use]
    pub fn of(erasure: &Erasure, context: ReceiptContext<'_>, now: Time) -> Self {
        let (patient, answered_at) = match &erasure.patient {
            _ if erasure.uncertain => (PatientOutcome::Uncertain, None),
            PatientErasure::Due { .. } => (PatientOutcome::Uncertain, None),
            PatientErasure::NotLinked => (PatientOutcome::NotLinked, None),
            PatientErasure::NotCreatedHere => (PatientOutcome::NotCreatedHere, None),
            PatientErasure::Deleted { at } => (PatientOutcome::Deleted, Some(*at)),
            PatientErasure::Absent { at } => (PatientOutcome::Absent, Some(*at)),
        };
        Self {
            kind: KIND.to_owned(),
            stack: context.stack.to_owned(),
            erasure: erasure.id,
            requested_at: erasure.requested_at,
            finished_at: now,
            deleted: erasure.deleted.clone(),
            patient,
            patient_answered_at: answered_at.map(|at| at.to_string()),
            remaining: context.remaining,
            key: context.key.fingerprint(),
        }
    }

    /// The statement as compact JSON. This text is signed and stored, and never made again.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why a receipt does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// The text is not a receipt.
    #[error("not a receipt: expected the member receipt of GET /v1/erasures/{{receipt}}")]
    Malformed,
    /// The statement names another key.
    #[error("the receipt names another key")]
    OtherKey,
    /// The signature is not that of the statement.
    #[error("the signature does not belong to this statement")]
    Signature,
}

/// Checks a receipt, given as the JSON that the API returned.
///
/// # Errors
/// Fails if the statement or its signature was changed, or if the statement names another key.
pub fn verify_receipt(text: &str, key: &SealPublicKey) -> Result<ReceiptStatement, ReceiptFault> {
    let signed: SignedReceipt = serde_json::from_str(text).map_err(|_shows_the_text| ReceiptFault::Malformed)?;
    let statement: ReceiptStatement =
        serde_json::from_str(&signed.statement).map_err(|_shows_the_text| ReceiptFault::Malformed)?;
    if statement.kind != KIND {
        return Err(ReceiptFault::Malformed);
    }
    if statement.key != key.fingerprint() {
        return Err(ReceiptFault::OtherKey);
    }
    match key.verifies(&signed.statement, &signed.signature) {
        true => Ok(statement),
        false => Err(ReceiptFault::Signature),
    }
}
