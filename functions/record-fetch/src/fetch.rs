//! Claims, streams and stores one record.

use std::time::Duration;

use shared::Error;
use shared::domain::patient::{DifferentField, PatientComparison, PatientSlot};
use shared::domain::record::{Record, RecordEvent, RecordReason, StoredObject};
use shared::domain::{OwnerId, Time};
use shared::edge::{announce_end, announce_record};
use shared::message::{FetchRecord, Link};
use shared::ports::Clock as _;
use shared::records::{Bucket, OpenLink, RecordsError, ScanError, TIDYING_MAX, transfer};
use shared::store::{StoreError, claim_record, settle_record};
use tokio::time::Instant;
use tokio::try_join;

use crate::quarantine::store_different_record;
use crate::{Deps, Ports};

/// Time that remains after a transfer: enough to abort its upload and to write the failure.
const LEFT: Duration = TIDYING_MAX.saturating_add(Duration::from_secs(10));

/// The outcome of a message, as a word for the log.
pub type FetchOutcome = &'static str;

const STALE: FetchOutcome = "stale";

/// Stores the file behind a link.
pub trait KeepObject {
    /// Transfers the file into the bucket as the object of a record, until `end` at the latest; an unfinished upload is
    /// then aborted. The file's Patients are compared with the person's patient, `slot`.
    fn keep_object(
        &self,
        slot: &PatientSlot,
        record: &Record,
        link: &Link,
        end: Time,
    ) -> impl Future<Output = Result<StoredObject, RecordsError>> + Send;
}

impl KeepObject for Deps {
    async fn keep_object(
        &self,
        slot: &PatientSlot,
        record: &Record,
        link: &Link,
        end: Time,
    ) -> Result<StoredObject, RecordsError> {
        let until = Instant::now() + self.now().until(end);
        let form = record.query.conversion;
        let key = Bucket::key(slot.folder, record.id, form);
        let expected = slot.expected_patient(&record.patient, record.created_at);
        transfer(self.links.open(link), &self.bucket, (&key, form), expected, until).await
    }
}

/// Fetches the record of a message. Lambda ends the invocation at `end_of_function`.
///
/// # Errors
/// Fails if the table or the queue fails; SQS redelivers the message.
pub async fn fetch(io: &impl Ports, message: &FetchRecord, end_of_function: Time) -> Result<FetchOutcome, Error> {
    let (owner, now) = (&message.owner, io.now());
    let (record, slot) = try_join!(io.record(owner, message.record), io.patient(owner))?;
    let record = record.filter(|record| record.due_seq == message.due_seq);
    let Some(record) = record else { return Ok(STALE) };
    // Written before the transfer, so that a duplicate message is stale and fetches nothing.
    let claimed = match claim_record(io, owner, &record, &RecordEvent::FetchClaimed, (now, io.timing())).await {
        Ok(Some(claimed)) => claimed,
        Ok(None) | Err(StoreError::Conflict(_)) => return Ok(STALE),
        Err(StoreError::GrantEnded) => {
            return end(
                io,
                owner,
                &record,
                (&RecordEvent::ConsentWithdrawn, "consent withdrawn"),
            )
            .await;
        }
        Err(error) => return Err(error.into()),
    };
    let until = until(claimed.due_at, end_of_function);
    let (event, outcome) = match receive(io, &slot, &claimed, &message.link, until).await {
        Ok(object) => {
            log_stored(&record, &object);
            (RecordEvent::Stored(object), "stored")
        }
        Err(error) => {
            tracing::warn!(record = %record.id, context = %error, "record not stored");
            failed(&error)
        }
    };
    end(io, owner, &claimed, (&event, outcome)).await
}

/// Writes the end of the work on a record, and announces the work that follows.
async fn end(
    io: &impl Ports,
    owner: &OwnerId,
    record: &Record,
    (event, outcome): (&RecordEvent, FetchOutcome),
) -> Result<FetchOutcome, Error> {
    let now = io.now();
    let settled = match event {
        RecordEvent::Stored(object) if object.comparison != PatientComparison::NotComparable => {
            store_different_record(io, owner, record, object).await?
        }
        event => settle_record(io, owner, record, event, (now, io.timing())).await?,
    };
    let Some(written) = settled else {
        return Ok(STALE);
    };
    // Sent after the write, so that the messages find the new state.
    announce_record(io, owner, &written, now).await?;
    announce_end(io, owner, &written).await?;
    Ok(outcome)
}

/// The time by which a transfer must end: `LEFT` before the function's `end`, or the record's due time if that is
/// earlier. From the due time on, other processes count the transfer as lost.
fn until(due_at: Option<Time>, end: Time) -> Time {
    due_at.unwrap_or(end).min(end.minus(LEFT))
}

async fn receive(
    io: &impl KeepObject,
    slot: &PatientSlot,
    record: &Record,
    link: &Link,
    end: Time,
) -> Result<StoredObject, RecordsError> {
    if link.is_removed() {
        return Err(RecordsError::Broken("the link was removed from a dead letter"));
    }
    io.keep_object(slot, record, link, end).await
}

/// Logs the size, and the names of different fields.
fn log_stored(record: &Record, object: &StoredObject) {
    tracing::info!(record = %record.id, bytes = object.bytes, "record stored");
    let different: Vec<&str> = object.comparison.different().map(DifferentField::as_str).collect();
    if !different.is_empty() {
        tracing::warn!(record = %record.id, different = different.join(","), "a patient of the record differs");
    }
}

/// The event that follows from a failed transfer. The record is requested again if the server behind the link did not
/// answer 200, the transfer broke, or a call to the bucket failed. The record fails if we refuse the link
/// ([`RecordsError::Link`]) or cannot use the file.
const fn failed(error: &RecordsError) -> (RecordEvent, FetchOutcome) {
    match error {
        RecordsError::Link(_) => (RecordEvent::FetchRefused(RecordReason::LinkRefused), "link refused"),
        RecordsError::TooLarge | RecordsError::Swollen => {
            (RecordEvent::FetchRefused(RecordReason::TooLarge), "too large")
        }
        RecordsError::Unreadable(ScanError::Truncated(_))
        | RecordsError::Dead(_)
        | RecordsError::Broken(_)
        | RecordsError::Bucket(_) => (RecordEvent::FetchBroken, "broken"),
        RecordsError::Unreadable(_) => (RecordEvent::FetchRefused(RecordReason::NotABundle), "not a bundle"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_ends_before_its_function_and_its_due_time() {
        let end = Time::from_millis(900_000);
        for (due, until_millis) in [(None, 880_000), (Some(960_000), 880_000), (Some(8_000), 8_000)] {
            assert_eq!(until(due.map(Time::from_millis), end), Time::from_millis(until_millis));
        }
    }
}
