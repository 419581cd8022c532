//! Stores a record whose Patients differ from the person, and quarantines the person's records in the same transaction.
//! Such an object is in the bucket before that. If its record no longer takes it, the quarantine is written alone.

use shared::Error;
use shared::domain::OwnerId;
use shared::domain::quarantine::QuarantineCause;
use shared::domain::record::{Record, RecordEvent, StoredObject};
use shared::edge::read_origin;
use shared::ports::Clock;
use shared::store::{
    Condition, ListPulls, QuarantineWrite, ReadPull, ReadRecord, ReadRoot, RecordWrite, StoreError, WriteQuarantine,
    WriteRecord,
};

/// Maximum number of attempts to write. An attempt fails if another process writes the record or the root.
const ATTEMPTS: u32 = 8;

shared::ports! {
    /// Stores a different record under quarantine.
    pub trait StoreDifferent = ReadRecord + ReadRoot + ReadPull + ListPulls + WriteRecord
        + WriteQuarantine + Clock;
}

/// Stores the record under quarantine. Returns `None` if the record has ended, no longer exists, or another transfer
/// has begun. Then only the quarantine is stored, because the object is in the bucket nevertheless.
///
/// # Errors
/// Fails if the table fails, or if another process writes first at every attempt. The record is then not available.
pub async fn store_different_record(
    io: &impl StoreDifferent,
    owner: &OwnerId,
    record: &Record,
    object: &StoredObject,
) -> Result<Option<Record>, Error> {
    let origin = read_origin(io, owner, record).await?;
    let cause = QuarantineCause::of_comparison(record.id, origin, &object.comparison);
    let event = RecordEvent::Stored(object.clone());
    let mut current = Some(record.clone());
    for _ in 0..ATTEMPTS {
        let (root, now) = (io.root(owner).await?, io.now());
        let change = current
            .as_ref()
            .and_then(|current| current.apply(&event, now, io.timing()));
        let next = root.quarantine_for(&cause, now, io.timing());
        let quarantine = QuarantineWrite {
            read: &root,
            next: next.as_ref(),
            cause: &cause,
        };
        let written = match &change {
            // The end of a transfer takes no lock.
            Some(change) => {
                let (lock_until, quarantine) = (now, Some(quarantine));
                let write = RecordWrite {
                    change,
                    now,
                    lock_until,
                    quarantine,
                };
                io.write_record(owner, write).await
            }
            None => io.put_quarantine(owner, record, quarantine, now).await,
        };
        match written {
            Err(StoreError::Conflict(_)) => {
                let found = io.record(owner, record.id).await?;
                current = found.filter(|found| found.attempts == record.attempts);
            }
            written => {
                written?;
                return Ok(change.map(|change| change.record));
            }
        }
    }
    Err(StoreError::Conflict(vec![Condition::RootAsRead]).into())
}
