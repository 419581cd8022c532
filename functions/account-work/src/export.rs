//! Writes an export, part by part, and deletes it when it is no longer shown.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use shared::Error;
use shared::domain::export::{Export, ExportPart, ExportStep, PartStart};
use shared::domain::log::LogDay;
use shared::domain::log::export::{ExportPosition, LogRange};
use shared::domain::{OwnerId, Time};
use shared::edge::{ReadLogPage, begin_log, read_log_page};
use shared::ports::Clock;
use shared::records::{Bucket, EraseObjects, PutExport};
use shared::store::{ReadExport, ReadRoot, ReadStates, StoreError, WriteExport};

use crate::objects::delete;
use crate::{LogRetention, STEP_MAX};

/// A part ends once it has this many bytes. The last page can make it twice as large.
const PART_BYTES: usize = 4 << 20;
/// A part ends once it took this long, so that a lease never ends before its part.
const PART_TIME: Duration = Duration::from_secs(30);

shared::ports! {
    /// Writes and deletes exports.
    pub trait WorkOnExport = ReadExport + WriteExport + ReadRoot + ReadStates + ReadLogPage + PutExport + EraseObjects
        + LogRetention + Clock;
}

/// Works on the export with this number until every part is stored, or until `STEP_MAX` before `end`. Deletes an export
/// that is no longer shown. Returns the outcome for the log.
///
/// # Errors
/// Fails if the table or a bucket fails; after the lease, another worker goes on after the last stored part. Also fails
/// if a stored item cannot be read. The export has then failed, too.
pub async fn export(io: &impl WorkOnExport, owner: &OwnerId, number: u8, end: Time) -> Result<&'static str, Error> {
    let stored = io.export(owner, number).await?;
    let Some(job) = stored.and_then(|stored| stored.claim(io.now(), io.timing())) else {
        return Ok("stale");
    };
    match go_on(io, owner, job, end.minus(STEP_MAX)).await {
        Err(Error::Store(StoreError::Conflict(_))) => Ok("another worker or an erasure came first"),
        ended => ended,
    }
}

async fn go_on(io: &impl WorkOnExport, owner: &OwnerId, mut job: Export, end: Time) -> Result<&'static str, Error> {
    io.write_export(owner, &job).await?;
    while io.now() < end {
        let start = match job.step(io.now(), io.timing()) {
            ExportStep::Write(start) => start,
            ExportStep::Delete => return delete_export(io, owner, &job).await,
            ExportStep::Nothing => {
                io.write_export(owner, &job.await_deletion(io.timing())).await?;
                return Ok("nothing to write until the deletion");
            }
        };
        job = match write_part(io, owner, &job, start).await {
            Err(error) if !error.retryable() => {
                io.write_export(owner, &job.fail(io.timing())).await?;
                return Err(error);
            }
            written => written?,
        };
    }
    Ok("time ended")
}

/// Stores one part, and the export that names it.
async fn write_part(io: &impl WorkOnExport, owner: &OwnerId, job: &Export, start: PartStart) -> Result<Export, Error> {
    let content = start.content();
    let (lines, next) = match start {
        PartStart::States(after) => read_states(io, owner, after).await?,
        PartStart::AccessLog(position) => read_log_pages(io, owner, position).await?,
    };
    let part = (lines.count > 0).then(|| ExportPart {
        content,
        lines: lines.count,
        bytes: lines.text.len() as u64,
        sha256: hex::encode(Sha256::digest(&lines.text)),
    });
    if let Some(part) = &part {
        io.put_part(job.id, part, lines.text.into()).await?;
    }
    let written = job.with_part(part, next, io.now(), io.timing());
    io.write_export(owner, &written).await?;
    Ok(written)
}

/// Lines of a part.
struct Lines {
    text: Vec<u8>,
    count: u64,
    until: Time,
}

impl Lines {
    fn begin(now: Time) -> Self {
        Self {
            text: Vec::new(),
            count: 0,
            until: now.plus(PART_TIME),
        }
    }

    fn add(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.count += 1;
    }

    fn is_full(&self, now: Time) -> bool {
        self.text.len() >= PART_BYTES || self.until <= now
    }
}

async fn read_states(
    io: &(impl ReadStates + ReadRoot + Clock),
    owner: &OwnerId,
    mut after: Option<String>,
) -> Result<(Lines, Option<PartStart>), Error> {
    let mut lines = Lines::begin(io.now());
    loop {
        let page = io.states(owner, after.as_deref()).await?;
        // Newer than the page, so it shows each quarantine of its records.
        let root = io.root(owner).await?;
        page.states
            .iter()
            .for_each(|state| lines.add(state.line(&root).as_bytes()));
        after = page.after;
        if after.is_none() {
            return Ok((lines, Some(PartStart::AccessLog(None))));
        }
        if lines.is_full(io.now()) {
            return Ok((lines, Some(PartStart::States(after))));
        }
    }
}

async fn read_log_pages(
    io: &(impl ReadLogPage + LogRetention),
    owner: &OwnerId,
    position: Option<ExportPosition>,
) -> Result<(Lines, Option<PartStart>), Error> {
    let mut position = match position {
        Some(position) => position,
        None => begin_whole_log(io).await?,
    };
    let mut lines = Lines::begin(io.now());
    loop {
        let (page, next) = read_log_page(io, owner, &position).await?;
        lines.add(&serde_json::to_vec(&page).map_err(|_never| Error::Internal("page of the access log"))?);
        let Some(next) = next else {
            return Ok((lines, None));
        };
        if lines.is_full(io.now()) {
            return Ok((lines, Some(PartStart::AccessLog(Some(next)))));
        }
        position = next;
    }
}

/// The beginning of the log, as far back as entries are kept.
async fn begin_whole_log(io: &(impl ReadLogPage + LogRetention)) -> Result<ExportPosition, Error> {
    let now = io.now();
    let today = LogDay::of(now, io.timing());
    let range = LogRange::all(today.first_kept(io.access_log_days()), today);
    begin_log(io, range, now).await
}

/// Deletes the parts of an export, then its item.
async fn delete_export(
    io: &(impl EraseObjects + WriteExport),
    owner: &OwnerId,
    job: &Export,
) -> Result<&'static str, Error> {
    let prefix = Bucket::export_prefix(job.id);
    loop {
        let entries = io.entries_to_erase(&prefix).await?;
        if entries.is_empty() {
            io.delete_export(owner, job).await?;
            return Ok("deleted");
        }
        delete(io, &entries).await?;
    }
}
