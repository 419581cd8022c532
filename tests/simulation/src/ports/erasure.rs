//! The ports of `account-work` outside the table: the bucket, the deletion of a patient, and the key of the receipts.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::domain::Time;
use shared::domain::budget::Turn;
use shared::domain::erasure::BucketEntry;
use shared::domain::log::SealPublicKey;
use shared::edge::budget::DeleteInTurn;
use shared::metriport::{DeletePatient, PatientDeletion, UpstreamError};
use shared::ports::StackName;
use shared::records::{EraseObjects, RecordsError};
use shared::seals::{SealsError, SignSeal};
use shared::store::StoreError;

use crate::io::{Io, Op, Reply, Start};
use crate::upstream::Call;

/// A key on P-256. No rule verifies the signatures.
const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWclxetNgjVWxRs9iXlJTUda6qIHNhTYvPSFS7w2ORZF3uXKwlnP3DMsqnWqR5NYmqk3TT88MshElU9PFvUBHkA==";

static KEY: LazyLock<SealPublicKey> = LazyLock::new(|| {
    let der = STANDARD.decode(SPKI).unwrap_or_else(|error| unreachable!("{error}"));
    SealPublicKey::from_spki(&der).unwrap_or_else(|error| unreachable!("{error}"))
});

fn failed() -> RecordsError {
    RecordsError::Bucket("fault".to_owned())
}

impl EraseObjects for Io {
    async fn entries_to_erase(&self, prefix: &str) -> Result<Vec<BucketEntry>, RecordsError> {
        self.entries(prefix).await.ok_or_else(failed)
    }

    async fn erase_entry(&self, entry: &BucketEntry) -> Result<(), RecordsError> {
        match self.call(Op::EraseEntry(entry.clone())).await {
            Reply::Erased(true) => Ok(()),
            Reply::Erased(false) => Err(failed()),
            other => unreachable!("{other:?}"),
        }
    }
}

impl DeleteInTurn for Io {
    /// A deletion has no slot, so a later turn only names a time to try again.
    async fn turn_of_deletion(&self, now: Time) -> Result<Turn, StoreError> {
        match self.turn(Start { now, by: None }).await? {
            Turn::Granted(at) if at > now => Ok(Turn::Busy(at)),
            turn => Ok(turn),
        }
    }
}

impl DeletePatient for Io {
    async fn delete_patient(&self, deletion: &PatientDeletion) -> Result<(), UpstreamError> {
        self.upstream(Call::DeletePatient(deletion.patient.clone()))
            .await
            .map(drop)
    }
}

impl SignSeal for Io {
    async fn seal_public_key(&self) -> Result<SealPublicKey, SealsError> {
        Ok(KEY.clone())
    }

    async fn sign_seal(&self, _text: &str) -> Result<String, SealsError> {
        Ok("a signature".to_owned())
    }
}

impl StackName for Io {
    fn stack_name(&self) -> &str {
        "simulated"
    }
}

impl account_work::LogRetention for Io {
    fn access_log_days(&self) -> u16 {
        2200
    }

    fn log_days(&self) -> u16 {
        400
    }
}
