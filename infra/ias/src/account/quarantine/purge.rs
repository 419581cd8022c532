//! `ias account quarantine purge`: deletes the objects and items of quarantined records, with the operator's own
//! credentials. No function may delete them. If the command fails midway, the records stay quarantined, and the
//! operator can repeat the command.

use std::collections::BTreeSet;

use clap::Args;
use shared::clock;
use shared::domain::log::Access;
use shared::domain::quarantine::{Quarantine, QuarantineState};
use shared::domain::record::Record;
use shared::domain::{OwnerId, RecordFolder};
use shared::records::{Bucket, DeleteObject};
use shared::store::{EndQuarantine, ListPulls, ReadPatient, ReadQuarantines};

use super::checklist::PULLS_READ;
use super::{OperatorTable, PersonArgs, explain, render_line};
use crate::account::bucket;
use crate::report::{say, say_line};

/// Options of `account quarantine purge`.
#[derive(Debug, Clone, Args)]
pub struct PurgeArgs {
    #[command(flatten)]
    of: PersonArgs,
    /// Name of the stack's bucket of records, if the stack's name does not identify it.
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Delete the records. Without it, the command only prints what it would delete.
    #[arg(long)]
    confirm: bool,
}

pub(super) async fn purge(args: &PurgeArgs) -> Result<(), String> {
    let (operator, owner) = (args.of.at.open().await?, &args.of.owner);
    let (root, quarantine) = operator.read_active(owner).await?;
    let records = find_records(&operator, owner, &quarantine).await?;
    say_line(&render_line(owner, &quarantine));
    for record in &records {
        say_line(&format!(
            "record={} form={}",
            record.id,
            record.query.conversion.as_str()
        ));
    }
    if !args.confirm {
        say("Nothing was deleted. With --confirm, the command deletes these records.");
        return Ok(());
    }
    let bucket = bucket::find_records_bucket(&operator.env, &args.of.at.stack, args.bucket.as_deref()).await?;
    operator.note(owner, Access::QuarantinePurged, None).await?;
    delete(&operator, owner, &bucket, &records).await?;
    let now = clock::now();
    let next = root.end_quarantine(QuarantineState::Purged, now);
    let next = next.ok_or("this person has no active quarantine")?;
    operator.table.store_purged(owner, &next).await.map_err(explain)?;
    say_line(&format!(
        "purged owner={} records={} at={now}",
        owner.as_str(),
        records.len()
    ));
    Ok(())
}

/// The quarantined records. Fails while one of them or a pull is open, because an object could arrive later.
async fn find_records(
    operator: &OperatorTable,
    owner: &OwnerId,
    quarantine: &Quarantine,
) -> Result<Vec<Record>, String> {
    let pulls = operator.table.pulls(owner, PULLS_READ).await.map_err(explain)?;
    if let Some(open) = pulls.iter().find(|pull| pull.state.waits()) {
        return Err(format!("the pull {} is open: wait for its end", open.id));
    }
    let mut records = operator.table.all_records(owner).await.map_err(explain)?;
    records.retain(|record| quarantine.covers(record));
    match records.iter().find(|record| !record.state.is_terminal()) {
        Some(open) => Err(format!("the record {} is open: wait for its end", open.id)),
        None => Ok(records),
    }
}

/// Deletes each object before its item, so that a repeated command finds what is left.
async fn delete(operator: &OperatorTable, owner: &OwnerId, bucket: &Bucket, records: &[Record]) -> Result<(), String> {
    let slot = operator.table.patient(owner).await.map_err(explain)?;
    for record in records {
        for key in object_keys(record, slot.folder) {
            bucket.delete_object(&key).await.map_err(|error| error.to_string())?;
        }
        operator.table.delete_record(owner, record).await.map_err(explain)?;
    }
    Ok(())
}

/// The stored key, and the key under which a transfer without a known end may have left an object.
fn object_keys(record: &Record, folder: Option<RecordFolder>) -> BTreeSet<String> {
    let stored = record.object.as_ref().map(|object| object.key.clone());
    let possible = Bucket::key(folder, record.id, record.query.conversion);
    stored.into_iter().chain([possible]).collect()
}
