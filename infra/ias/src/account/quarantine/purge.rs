//! `ias account quarantine purge`: deletes the objects and items of quarantined records, with the operator's own
//! credentials. No function may delete them. If the command fails midway, the records stay quarantined, and the
//! operator can repeat the command.

use std::collections::BTreeSet;

use clap::Args;
use shared::clock;
use shared::domain::log::Access;
use shared::domain::pull::{Pull, PullEvent};
use shared::domain::quarantine::{Quarantine, QuarantineState};
use shared::domain::record::Record;
use shared::domain::{OwnerId, RecordFolder, RecordId};
use shared::records::{Bucket, DeleteObject};
use shared::store::{EndQuarantine, PullWrite, ReadPatient, ReadQuarantines};

use super::{QUARANTINE, check_version, explain, render_line};
use crate::account::bucket;
use crate::account::operator::{OperatorTable, PersonArgs};
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
    #[arg(long, requires = "version")]
    confirm: bool,
    /// The version that `show`, or this command without --confirm, printed.
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// Delete the records although the bucket has none of their objects, because an earlier purge broke off.
    #[arg(long)]
    objects_gone: bool,
}

pub(super) async fn purge(args: &PurgeArgs) -> Result<(), String> {
    let (operator, owner) = (args.of.open(QUARANTINE).await?, &args.of.owner);
    let (root, quarantine) = operator.read_active(owner).await?;
    operator.note(owner, Access::QuarantineShown, None).await?;
    let pulls = find_pulls(&operator, owner).await?;
    let records = find_records(&operator, owner, &quarantine).await?;
    say_line(&render_line(owner, &quarantine));
    say_line(&format!("version={}", root.version));
    for record in &records {
        say_line(&format!(
            "record={} form={}",
            record.id,
            record.query.conversion.as_str()
        ));
    }
    let Some(seen) = args.version.filter(|_| args.confirm) else {
        say("Nothing was deleted. With --confirm --version N, the command deletes these records.");
        return Ok(());
    };
    check_version(&root, seen)?;
    if root.held_since.is_some() {
        return Err("the person's data are on legal hold: end it first (`ias account hold end`)".to_owned());
    }
    let bucket = bucket::find_records_bucket(&operator.env, &args.of.at.stack, args.bucket.as_deref()).await?;
    if !args.objects_gone {
        check_bucket(&bucket, &records).await?;
    }
    operator.note(owner, Access::QuarantinePurged, None).await?;
    end_pulls(&operator, owner, &pulls).await?;
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

/// The person's pulls. Fails while one is open, because its object would arrive later.
async fn find_pulls(operator: &OperatorTable, owner: &OwnerId) -> Result<Vec<Pull>, String> {
    let pulls = operator.table.all_pulls(owner).await.map_err(explain)?;
    match pulls.iter().find(|pull| pull.state.waits()) {
        Some(open) => Err(format!("the pull {} is open: wait for its end", open.id)),
        None => Ok(pulls),
    }
}

/// Ends the expired pulls, because a late report would make a new record of the same data.
async fn end_pulls(operator: &OperatorTable, owner: &OwnerId, pulls: &[Pull]) -> Result<(), String> {
    let (now, event) = (clock::now(), PullEvent::RecordsPurged);
    let ends = pulls
        .iter()
        .filter_map(|pull| pull.apply(&event, now, operator.timing, RecordId::UNUSED));
    for change in ends {
        let write = PullWrite {
            event: &event,
            change: &change,
            record: None,
            challenge: None,
            now,
        };
        let ended = operator.table.end_pull(owner, write, &operator.actor).await;
        ended.map_err(explain)?;
    }
    Ok(())
}

/// The quarantined records. Fails while an object of one of them may arrive later.
async fn find_records(
    operator: &OperatorTable,
    owner: &OwnerId,
    quarantine: &Quarantine,
) -> Result<Vec<Record>, String> {
    let mut records = operator.table.all_records(owner).await.map_err(explain)?;
    records.retain(|record| quarantine.covers(record));
    let now = clock::now();
    match records.iter().find(|record| record.may_arrive(now, operator.timing)) {
        Some(open) => Err(format!(
            "a transfer of the record {} may still run: run the command again in 16 minutes",
            open.id
        )),
        None => Ok(records),
    }
}

/// Fails if the bucket has none of the stored objects. S3 answers the deletion of a missing object like that of another
/// one, so a wrong bucket would leave the objects without their items.
async fn check_bucket(bucket: &Bucket, records: &[Record]) -> Result<(), String> {
    let objects: Vec<_> = records.iter().filter_map(|record| record.object.as_ref()).collect();
    for object in &objects {
        let found = bucket.has_object(&object.key).await;
        if found.map_err(|error| format!("looking for an object: {error}"))? {
            return Ok(());
        }
    }
    match objects.is_empty() {
        true => Ok(()),
        false => Err("the bucket has no object of these records: is --bucket right? \
             If an earlier purge deleted the objects, add --objects-gone"
            .to_owned()),
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
