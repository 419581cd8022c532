//! Stores a record whose Patients differ from the person, and quarantines the person's records in the same transaction.

use shared::Error;
use shared::domain::OwnerId;
use shared::domain::quarantine::QuarantineCause;
use shared::domain::record::{Record, RecordEvent, StoredObject};
use shared::edge::read_origin;
use shared::ports::Clock;
use shared::store::{
    Condition, ListPulls, QuarantineWrite, ReadPull, ReadRecord, ReadRoot, RecordWrite, StoreError, WriteRecord,
};

/// Maximum number of attempts to write. An attempt fails if another process writes the record or the root.
const ATTEMPTS: u32 = 8;

shared::ports! {
    /// Stores a different record under quarantine.
    pub trait StoreDifferent = ReadRecord + ReadRoot + ReadPull + ListPulls + WriteRecord + Clock;
}

/// Stores the record under quarantine. Returns `None` if the record no longer exists or another transfer has begun.
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
    let mut record = record.clone();
    for _ in 0..ATTEMPTS {
        let (root, now) = (io.root(owner).await?, io.now());
        let Some(change) = record.apply(&event, now, io.timing()) else {
            return Ok(None);
        };
        let next = root.quarantine_for(&cause, now, io.timing());
        let quarantine = QuarantineWrite {
            read: &root,
            next: next.as_ref(),
            cause: &cause,
        };
        let write = RecordWrite {
            change: &change,
            now,
            // The end of a transfer takes no lock.
            lock_until: now,
            quarantine: Some(quarantine),
        };
        match io.write_record(owner, write).await {
            Err(StoreError::Conflict(_)) => match io.record(owner, record.id).await? {
                Some(current) if current.attempts == record.attempts => record = current,
                Some(_) | None => return Ok(None),
            },
            written => {
                written?;
                return Ok(Some(change.record));
            }
        }
    }
    Err(StoreError::Conflict(vec![Condition::RootAsRead]).into())
}
