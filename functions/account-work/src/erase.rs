//! Erases one person, step by step.

use shared::Error;
use shared::domain::budget::{Budget, Turn};
use shared::domain::consent;
use shared::domain::erasure::{
    BucketEntry, Erasure, ErasureId, ErasureStep, ReceiptContext, ReceiptStatement, SignedReceipt, SweepInput,
};
use shared::domain::log::Actor;
use shared::domain::{OwnerId, PatientId, Time};
use shared::edge::budget::{DeleteInTurn, PauseCalls, apply_limits};
use shared::metrics::{Metric, Metrics};
use shared::metriport::{DeletePatient, PatientDeletion};
use shared::ports::{Clock, StackName};
use shared::records::{Bucket, EraseObjects};
use shared::seals::SignSeal;
use shared::store::{
    Condition, EraseItems, ItemsToErase, ReadErasure, ReadExport, ReadPatient, ReadRoot, StoreError, StoredItem,
    WithdrawConsent, WithdrawalWrite, WriteErasure,
};

use crate::objects::{delete, loose_keys};
use crate::remaining::remaining;
use crate::{LogRetention, STEP_MAX};

shared::ports! {
    /// Erases a person.
    pub trait Erase = ReadErasure + WriteErasure + EraseItems + ReadRoot + ReadPatient + ReadExport + WithdrawConsent
        + EraseObjects + DeletePatient + DeleteInTurn + PauseCalls + SignSeal + StackName + LogRetention + Clock;
}

/// Maximum number of transactions that end open work in one step.
const WITHDRAWALS_MAX: u32 = 64;

const ERASED: &str = "erased";
const WAITS: &str = "waits";
const SUPERSEDED: &str = "another worker continues";

/// Works on an erasure until it finishes or waits, or until `STEP_MAX` before `end`. Returns the outcome for the log.
///
/// # Errors
/// Fails if the table, the bucket or the key fails. SQS redelivers the message, and the next worker goes on from the
/// stored stage. A failure of Metriport is stored, and the call is made again later.
pub async fn erase(io: &impl Erase, metrics: &Metrics, id: ErasureId, end: Time) -> Result<&'static str, Error> {
    let Some(mut job) = io.erasure(id).await? else {
        return Ok("unknown");
    };
    while io.now() < end.minus(STEP_MAX) {
        let now = io.now();
        let Some(owner) = job.owner.clone() else {
            return Ok(ERASED);
        };
        let stepped = match job.next_step(now) {
            ErasureStep::Nothing => return Ok(ERASED),
            ErasureStep::Wait(_) => return Ok(WAITS),
            ErasureStep::EndWork => end_work(io, &owner, &job).await,
            ErasureStep::DeletePatient(patient) => delete_patient(io, &job, patient).await,
            ErasureStep::Sweep => sweep(io, &owner, &job).await,
            ErasureStep::SweepAgain => write(io, job.sweep_again(now, io.timing())).await,
            ErasureStep::Sign => finish(io, metrics, &owner, &job).await,
        };
        job = match stepped {
            // Another worker wrote the job, and goes on with it.
            Err(Error::Store(error)) if error.lacks(Condition::ErasureAsRead) => return Ok(SUPERSEDED),
            stepped => stepped?,
        };
    }
    Ok("time ended")
}

async fn write(io: &impl WriteErasure, job: Erasure) -> Result<Erasure, Error> {
    io.write_erasure(&job).await?;
    Ok(job)
}

/// Ends open pulls and records, as a withdrawal of consent does. Afterwards no transfer can begin.
async fn end_work(
    io: &(impl WithdrawConsent + ReadPatient + ReadExport + WriteErasure + Clock),
    owner: &OwnerId,
    job: &Erasure,
) -> Result<Erasure, Error> {
    for _ in 0..WITHDRAWALS_MAX {
        let (open, now) = (io.open_work(owner).await?, io.now());
        let Some(withdrawal) = consent::withdraw(&open, now, io.timing()) else {
            let slot = io.patient(owner).await?;
            // The request that began the change may still link a patient.
            if let Some(change) = slot.intent.as_ref().filter(|change| now < change.until) {
                return write(io, job.wait_for_change(change.until, now, io.timing())).await;
            }
            let exports = io.exports(owner).await?;
            let exported = exports.iter().map(|export| Bucket::export_prefix(export.id));
            let mut loose_keys = loose_keys(&open.records, slot.folder.map(Bucket::prefix).as_deref());
            loose_keys.extend(exported);
            let left = SweepInput {
                loose_keys,
                may_arrive: open.records.iter().any(|record| record.may_arrive(now, io.timing()))
                    || exports.iter().any(|export| export.may_arrive(now, io.timing())),
            };
            return write(io, job.begin_sweep(&slot, left, now, io.timing())).await;
        };
        let write = WithdrawalWrite {
            open: &open,
            withdrawal: &withdrawal,
            actor: &Actor::Function,
            now,
        };
        match io.write_withdrawal(owner, write).await {
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(vec![Condition::PullAsRead]).into())
}

/// Deletes the patient at Metriport. A refusal is stored with the time of the next call.
async fn delete_patient(
    io: &(impl DeletePatient + DeleteInTurn + PauseCalls + WriteErasure + Clock),
    job: &Erasure,
    patient: PatientId,
) -> Result<Erasure, Error> {
    let timing = io.timing();
    match io.turn_of_deletion(io.now()).await? {
        Turn::Granted(_) => {}
        Turn::Busy(until) | Turn::DayOver(until) => {
            let (now, secs) = (io.now(), io.now().until(until).as_secs());
            tracing::info!(secs, "the deletion of a patient waits for the rate budget");
            return write(io, job.postpone_patient(until, now, timing)).await;
        }
    }
    let deletion = PatientDeletion {
        patient,
        facility: None,
    };
    let answer = io.delete_patient(&deletion).await;
    let now = io.now();
    match apply_limits(io, Budget::PatientWrites, answer, now).await {
        Ok(()) => write(io, job.apply_patient_answer(true, now, timing)).await,
        Err(error) if error.kind().is_absence() => write(io, job.apply_patient_answer(false, now, timing)).await,
        Err(error) => {
            let late = job.is_late(now, timing);
            tracing::warn!(context = %error, late, "Metriport did not delete a patient");
            write(io, job.retry_patient(now, timing)).await
        }
    }
}

/// One step of a sweep: deletes entries of the bucket or, if none is left, items of the table.
async fn sweep(
    io: &(impl EraseObjects + EraseItems + WriteErasure + Clock),
    owner: &OwnerId,
    job: &Erasure,
) -> Result<Erasure, Error> {
    let timing = io.timing();
    // These are counted. A worker may have died before it deleted them.
    delete(io, &job.planned).await?;
    let entries = entries(io, job).await?;
    if !entries.is_empty() {
        // Written before the deletion, so that a worker that dies in between forgets nothing.
        let job = write(io, job.plan(entries, io.now(), timing)).await?;
        delete(io, &job.planned).await?;
        return Ok(job);
    }
    let ItemsToErase { items, more } = io.items_to_erase(owner, job.owned_patient()).await?;
    let kinds = items.iter().map(StoredItem::kind);
    let counted = match more {
        true => job.count(kinds, io.now(), timing),
        false => job.end_sweep(kinds, io.now(), timing),
    };
    match io.erase_items(owner, &items, &counted).await {
        Ok(()) => Ok(counted),
        // An item ended by itself, for example a lock. The next step lists the items again.
        Err(error) if error.lacks(Condition::StillStored) => Ok(job.clone()),
        Err(error) => Err(error.into()),
    }
}

/// Some of the entries in the person's folder, or of the objects outside it.
async fn entries(io: &impl EraseObjects, job: &Erasure) -> Result<Vec<BucketEntry>, Error> {
    let folder = job.folder.map(Bucket::prefix);
    for prefix in folder.iter().chain(&job.loose_keys) {
        let found = io.entries_to_erase(prefix).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Signs the receipt, and leaves of the person only what the receipt names.
async fn finish(
    io: &(impl ReadRoot + EraseItems + SignSeal + StackName + LogRetention + Clock),
    metrics: &Metrics,
    owner: &OwnerId,
    job: &Erasure,
) -> Result<Erasure, Error> {
    let key = io.seal_public_key().await?;
    let (root, now) = (io.root(owner).await?, io.now());
    let context = ReceiptContext {
        stack: io.stack_name(),
        key: &key,
        remaining: remaining(io, now),
    };
    let statement = ReceiptStatement::of(job, context, now).text();
    let receipt = SignedReceipt {
        signature: io.sign_seal(&statement).await?,
        statement,
    };
    let finished = job.finish(receipt);
    io.finish_erasure(owner, &root.erased(), &finished, now).await?;
    metrics.put(&[Metric::erasure_finished(job.requested_at.until(now))]);
    Ok(finished)
}
