//! Checks the records of one person: deletes those whose retention has ended, and objects that no record names.

use std::collections::BTreeSet;

use shared::Error;
use shared::domain::erasure::BucketEntry;
use shared::domain::record::Record;
use shared::domain::retention::RetentionRule;
use shared::domain::{OwnerId, RecordFolder, Time};
use shared::ports::{Clock, ConsentTerms, Retention};
use shared::records::{Bucket, EraseObjects, ListObjects, ObjectPage};
use shared::store::{EndRecords, ReadPatient, ReadRetention, ReadRoot, StoreError};
use tokio::try_join;

use crate::STEP_MAX;
use crate::objects::{delete, loose_keys};

shared::ports! {
    /// Checks the records of a person.
    pub trait CheckRecords = ReadRetention + EndRecords + ReadPatient + ReadRoot + ListObjects + EraseObjects
        + ConsentTerms + Retention + Clock;
}

const STALE: &str = "stale";
const CHECKED: &str = "checked";
const SUPERSEDED: &str = "changed meanwhile, to be checked again";
const TIME_ENDED: &str = "time ended, to be continued";

/// Makes a retention check that is due, until `STEP_MAX` before `end`. Returns the outcome for the log.
///
/// # Errors
/// Fails if the table or the bucket fails. SQS redelivers the message, which is stale. The claim expires after an hour,
/// and `reconcile` sends another message. The same happens to a check whose records changed meanwhile, or whose time
/// ended.
pub async fn check_records(io: &impl CheckRecords, owner: &OwnerId, end: Time) -> Result<&'static str, Error> {
    match check(io, owner, end.minus(STEP_MAX)).await {
        Err(Error::Store(StoreError::Conflict(_))) => Ok(SUPERSEDED),
        checked => checked,
    }
}

async fn check(io: &impl CheckRecords, owner: &OwnerId, end: Time) -> Result<&'static str, Error> {
    let due = io.retention_check(owner).await?;
    let Some(claimed) = due.and_then(|due| due.claim(io.now())) else {
        return Ok(STALE);
    };
    io.write_retention_check(owner, &claimed).await?;
    let Some(next) = delete_ended(io, owner, end).await? else {
        return Ok(TIME_ENDED);
    };
    io.write_retention_check(owner, &claimed.finish(next)).await?;
    Ok(CHECKED)
}

/// Deletes what has ended, for each page of the person's folder. Returns the time of the next check; `None` if `end`
/// comes first.
async fn delete_ended(io: &impl CheckRecords, owner: &OwnerId, end: Time) -> Result<Option<Time>, Error> {
    let (consent, days) = (io.consent_rule(), io.record_retention_days());
    let rule = RetentionRule { consent, days };
    let (folder, mut after) = (io.patient(owner).await?.folder, None);
    while io.now() < end {
        // Listed before the records are read, so that an object that arrives meanwhile is not taken for unnamed.
        let page = page(io, folder, after).await?;
        let (root, records) = try_join!(io.root(owner), io.records_to_check(owner))?;
        let now = io.now();
        let (ended, left): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| rule.ends(record, &root, now));
        for record in &ended {
            if io.now() >= end {
                return Ok(None);
            }
            delete_loose(io, record, folder).await?;
            io.end_record(owner, record, &root, io.now()).await?;
        }
        let is_barred = root.bars_deletion();
        if !is_barred {
            let named = named_keys(io, &left, folder, now);
            delete(io, page.objects.iter().filter(|object| !named.contains(&object.key))).await?;
        }
        if is_barred || !page.more {
            return Ok(Some(rule.next_check(&left, &root, now)));
        }
        after = page.objects.into_iter().next_back().map(|last| last.key);
    }
    Ok(None)
}

/// The next objects in the person's folder; none if the person has no folder.
async fn page(io: &impl ListObjects, folder: Option<RecordFolder>, after: Option<String>) -> Result<ObjectPage, Error> {
    let Some(folder) = folder else {
        return Ok(ObjectPage::default());
    };
    let prefix = Bucket::prefix(folder);
    // No object has the prefix as its key.
    let after = after.unwrap_or_else(|| prefix.clone());
    Ok(io.objects_after(&prefix, &after).await?)
}

/// Deletes a record's object if it is outside the folder. Only the record's item names it, so the item is deleted
/// later.
async fn delete_loose(io: &impl EraseObjects, record: &Record, folder: Option<RecordFolder>) -> Result<(), Error> {
    let prefix = folder.map(Bucket::prefix);
    let keys = loose_keys(std::slice::from_ref(record), prefix.as_deref());
    let entries = keys.into_iter().map(|key| BucketEntry {
        key,
        upload: None,
        bytes: 0,
    });
    delete(io, &entries.collect::<Vec<_>>()).await
}

/// The keys of the records' objects, and of those that may still arrive.
fn named_keys(io: &impl Clock, records: &[Record], folder: Option<RecordFolder>, now: Time) -> BTreeSet<String> {
    let named = records.iter().flat_map(|record| {
        let stored = record.object.as_ref().map(|object| object.key.clone());
        let arriving = Bucket::key(folder, record.id, record.query.conversion);
        stored
            .into_iter()
            .chain(record.may_arrive(now, io.timing()).then_some(arriving))
    });
    named.collect()
}
