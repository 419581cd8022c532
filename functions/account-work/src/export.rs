//! Writes an export, part by part, and deletes it when it has expired.

use sha2::{Digest as _, Sha256};
use shared::Error;
use shared::domain::export::{Export, ExportPart, ExportStep, PartStart};
use shared::domain::log::LogDay;
use shared::domain::log::export::{ExportPosition, LogRange};
use shared::domain::{ExportId, OwnerId, Time};
use shared::edge::{ReadLogPage, begin_log, read_log_page};
use shared::ports::Clock;
use shared::records::{Bucket, EraseObjects, PutExport};
use shared::store::{Condition, ReadExport, ReadStates, WriteExport};

use crate::LogRetention;
use crate::erase::{STEP_MAX, delete};

/// A part is complete once it has this many bytes. The last page in it can have as many again.
const PART_BYTES: usize = 4 << 20;

shared::ports! {
    /// Writes and deletes exports.
    pub trait WriteParts = ReadExport + WriteExport + ReadStates + ReadLogPage + PutExport + EraseObjects + LogRetention
        + Clock;
}

/// Works on an export until every part is stored, or until `STEP_MAX` before `end`. Deletes an export that has expired.
/// Returns the outcome for the log.
///
/// # Errors
/// Fails if the table or a bucket fails. SQS redelivers the message, and the next worker goes on after the last stored
/// part.
pub async fn export(io: &impl WriteParts, owner: &OwnerId, id: ExportId, end: Time) -> Result<&'static str, Error> {
    let Some(mut job) = io.export(owner, id).await? else {
        return Ok("unknown");
    };
    while io.now() < end.minus(STEP_MAX) {
        job = match job.step(io.now()) {
            ExportStep::Nothing => return Ok("exported"),
            ExportStep::Delete => return expire(io, owner, &job).await,
            ExportStep::Write(start) => match write_part(io, owner, &job, start).await? {
                Some(next) => next,
                None => return Ok("another worker or an erasure came first"),
            },
        };
    }
    Ok("time ended")
}

/// Stores one part, and the export that names it. `None` if the export has changed or ended meanwhile.
async fn write_part(
    io: &impl WriteParts,
    owner: &OwnerId,
    job: &Export,
    start: PartStart,
) -> Result<Option<Export>, Error> {
    let content = start.content();
    let (lines, next) = match start {
        PartStart::States(after) => states(io, owner, after).await?,
        PartStart::AccessLog(position) => log_pages(io, owner, position).await?,
    };
    let part = ExportPart {
        content,
        lines: lines.count,
        bytes: lines.text.len() as u64,
        sha256: hex::encode(Sha256::digest(&lines.text)),
    };
    let key = Bucket::export_key(job.id, &part);
    io.put_part(job.id, &part, lines.text.into()).await?;
    let written = job.with_part(part, next, io.now(), io.timing());
    match io.write_export(owner, &written).await {
        Ok(()) => Ok(Some(written)),
        Err(error) if error.lacks(Condition::ExportAsRead) || error.lacks(Condition::NotErasing) => {
            // An erasure or the expiry may have swept the bucket before the part came. Another worker's parts stay.
            if io.export(owner, job.id).await?.is_none() {
                delete(io, &io.entries_to_erase(&key).await?).await?;
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Lines of a part.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    count: u64,
}

impl Lines {
    fn add(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.count += 1;
    }

    const fn is_full(&self) -> bool {
        self.text.len() >= PART_BYTES
    }
}

async fn states(
    io: &impl ReadStates,
    owner: &OwnerId,
    mut after: Option<String>,
) -> Result<(Lines, Option<PartStart>), Error> {
    let mut lines = Lines::default();
    loop {
        let page = io.states(owner, after.as_deref()).await?;
        page.states.iter().for_each(|state| lines.add(state.line().as_bytes()));
        after = page.after;
        if after.is_none() {
            return Ok((lines, Some(PartStart::AccessLog(None))));
        }
        if lines.is_full() {
            return Ok((lines, Some(PartStart::States(after))));
        }
    }
}

async fn log_pages(
    io: &(impl ReadLogPage + LogRetention),
    owner: &OwnerId,
    position: Option<ExportPosition>,
) -> Result<(Lines, Option<PartStart>), Error> {
    let mut position = match position {
        Some(position) => position,
        None => {
            let now = io.now();
            let today = LogDay::of(now, io.timing());
            let earliest = today.minus(i64::from(io.access_log_days()) - 1);
            begin_log(io, LogRange::all(earliest, today), now).await?
        }
    };
    let mut lines = Lines::default();
    loop {
        let (page, next) = read_log_page(io, owner, &position).await?;
        lines.add(&serde_json::to_vec(&page).map_err(|_never| Error::Internal("page of the access log"))?);
        let Some(next) = next else {
            return Ok((lines, None));
        };
        if lines.is_full() {
            return Ok((lines, Some(PartStart::AccessLog(Some(next)))));
        }
        position = next;
    }
}

/// Deletes the parts of an expired export, then its item.
async fn expire(io: &(impl EraseObjects + WriteExport), owner: &OwnerId, job: &Export) -> Result<&'static str, Error> {
    let prefix = Bucket::export_prefix(job.id);
    loop {
        let entries = io.entries_to_erase(&prefix).await?;
        if entries.is_empty() {
            break;
        }
        delete(io, &entries).await?;
    }
    match io.delete_export(owner, job).await {
        Err(error) if error.lacks(Condition::ExportAsRead) => Ok("another worker or an erasure came first"),
        deleted => deleted.map(|()| "deleted").map_err(Error::from),
    }
}
