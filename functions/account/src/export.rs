//! Exports the person's access log, page by page. Sealed days have their proofs; the days after them are the tail.

use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use shared::Error;
use shared::domain::log::export::{
    ExportPage, ExportPosition, LogRange, PAGE_DAYS_MAX, PAGE_ENTRIES_MAX, PageBuilder, SealedDay,
};
use shared::domain::log::proof::DayProof;
use shared::domain::log::seal::{SealedShard, StoredSeal, prove_shard};
use shared::domain::log::shard_file::{bytes_of_persons, read_leaves};
use shared::domain::log::{Access, Actor, LogDay, shard};
use shared::domain::{OwnerId, Time};
use shared::ports::{Clock, StackName};
use shared::seals::{ReadSeals, ReadShards, SealsError, find_last_sealed};
use shared::store::{LogSpan, NoteHour, ReadLog};

/// Number of days whose seals are read at once.
const AT_ONCE: usize = 8;

shared::ports! {
    /// Reads a page of a person's log.
    pub trait ReadPage = ReadLog + NoteHour + ReadSeals + ReadShards + StackName + Clock;
}

/// The page that a caller asks for.
#[derive(Debug, Clone)]
pub enum PageRequest {
    /// The first page.
    First(LogRange),
    /// The page at this position.
    At(ExportPosition),
}

/// A page, and the position of the next one. The page's own entry is written before anything is read.
///
/// # Errors
/// Fails if the entry cannot be written, or if the table or the bucket of seals cannot be read.
pub async fn export(
    io: &impl ReadPage,
    owner: &OwnerId,
    actor: &Actor,
    ask: PageRequest,
    now: Time,
) -> Result<(ExportPage, Option<ExportPosition>), Error> {
    io.note_hour(owner, Access::LogRead, actor, now).await?;
    let position = match ask {
        PageRequest::At(position) => position,
        PageRequest::First(range) => {
            let today = LogDay::of(now, io.timing());
            ExportPosition::begin(range, find_last_sealed(io, today).await?, now)
        }
    };
    let mut page = PageBuilder::new(position.clone());
    if let Some((first, last)) = position.sealed_range() {
        add_days(io, owner, &position, (first, last), &mut page).await?;
    }
    if let Some(next) = page.next().filter(|next| next.day.is_none()).cloned() {
        add_tail(io, owner, next, &mut page).await?;
    }
    Ok(page.finish(position.head(owner, io.stack_name())))
}

async fn add_days(
    io: &impl ReadPage,
    owner: &OwnerId,
    position: &ExportPosition,
    (first, last): (LogDay, LogDay),
    page: &mut PageBuilder,
) -> Result<(), Error> {
    let days = io.sealed_days(first, last, PAGE_DAYS_MAX).await?;
    let (Some(begin), Some(end)) = (days.first().copied(), days.last().copied()) else {
        page.add_days(Vec::new(), Vec::new(), false, false);
        return Ok(());
    };
    let skipped = |day: LogDay| if position.day == Some(day) { position.leaves } else { 0 };
    let read = days.into_iter().map(|day| read_day(io, owner, day, skipped(day)));
    let read = futures_util::stream::iter(read).buffered(AT_ONCE).try_collect().await?;
    let span = LogSpan {
        from: begin.begin(),
        after: position.after.clone(),
        until: end.next().begin(),
        max: PAGE_ENTRIES_MAX,
    };
    let found = io.read_log_entries(owner, span).await?;
    page.add_days(read, found.entries, found.more, end < last);
    Ok(())
}

/// Reads a day's seal, and from the file of the person's shard the persons and this person's leaves.
async fn read_day(
    io: &(impl ReadSeals + ReadShards),
    owner: &OwnerId,
    day: LogDay,
    skipped: u64,
) -> Result<SealedDay, Error> {
    const UNREADABLE: SealsError = SealsError::Unreadable("shard");
    let StoredSeal { seal, shards } = io.read_seal(day).await?;
    let number = shard(owner);
    let proof = prove_shard(&shards, number).ok_or(UNREADABLE)?;
    let part = async |bytes| io.read_shard(day, number, proof.root, bytes).await;
    let sealed = match proof.persons {
        0 => SealedShard::default(),
        persons => SealedShard::read_persons(&part(bytes_of_persons(persons)).await?).map_err(|_bytes| UNREADABLE)?,
    };
    if sealed.summary().root != proof.root {
        return Err(UNREADABLE.into());
    }
    let leaves = match sealed.bytes_of_leaves(owner, day, skipped, PAGE_ENTRIES_MAX.into()) {
        Some(bytes) => read_leaves(&part(bytes).await?).map_err(|_bytes| UNREADABLE)?,
        None => Vec::new(),
    };
    Ok(SealedDay {
        day,
        count: sealed.count_of(owner, day),
        proof: DayProof {
            seal,
            shard: proof,
            person: sealed.prove(owner, day),
        },
        leaves,
    })
}

async fn add_tail(
    io: &impl ReadLog,
    owner: &OwnerId,
    position: ExportPosition,
    page: &mut PageBuilder,
) -> Result<(), Error> {
    let (Some((from, until)), max @ 1..) = (position.tail(), page.room()) else {
        return Ok(());
    };
    let span = LogSpan {
        from,
        after: position.after,
        until,
        max,
    };
    let found = io.read_log_entries(owner, span).await?;
    page.add_tail(found.entries, found.more);
    Ok(())
}
