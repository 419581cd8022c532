//! Reads a person's access log, page by page. Sealed days have their proofs; the days after them are the tail.
//!
//! If a stored seal is missing or unreadable, the page lacks its day with the entries. If the file of a shard is
//! missing or unreadable, the page has the entries, with a proof that fails. In both cases, every verifier names the
//! day.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::error::Error;
use crate::domain::log::export::{
    ExportPage, ExportPosition, LogRange, PAGE_DAYS_MAX, PAGE_ENTRIES_MAX, PageBuilder, SealedDay, count_days,
    select_days,
};
use crate::domain::log::proof::{DayProof, ShardProof};
use crate::domain::log::seal::{SealedShard, SignedSeal, prove_shard};
use crate::domain::log::shard_file::{bytes_of_persons, read_leaves};
use crate::domain::log::{LogDay, LogHash, shard};
use crate::domain::{OwnerId, Time};
use crate::ports::{Clock, StackName};
use crate::seals::{ReadSeals, ReadShards, SealsError, find_last_sealed};
use crate::store::{LogSpan, ReadLog};

/// Number of days whose seals are read at once.
const AT_ONCE: usize = 8;

crate::ports! {
    /// Reads pages of a person's log.
    pub trait ReadLogPage = ReadLog + ReadSeals + ReadShards + StackName + Clock;
}

/// The position of the first page of these days.
///
/// # Errors
/// Fails if the bucket of seals cannot be listed.
pub async fn begin_log(io: &(impl ReadSeals + Clock), range: LogRange, now: Time) -> Result<ExportPosition, Error> {
    let today = LogDay::of(now, io.timing());
    Ok(ExportPosition::begin(range, find_last_sealed(io, today).await?, now))
}

/// Reads the page at this position. Also returns the position of the next page.
///
/// # Errors
/// Fails if the table or the bucket of seals cannot be read.
pub async fn read_log_page(
    io: &impl ReadLogPage,
    owner: &OwnerId,
    position: &ExportPosition,
) -> Result<(ExportPage, Option<ExportPosition>), Error> {
    let mut page = PageBuilder::new(position.clone());
    if let Some((first, last)) = position.sealed_range() {
        add_days(io, owner, position, (first, last), &mut page).await?;
    }
    if let Some(next) = page.next().filter(|next| next.day.is_none()).cloned() {
        add_tail(io, owner, next, &mut page).await?;
    }
    Ok(page.finish(position.head(owner, io.stack_name())))
}

async fn add_days(
    io: &impl ReadLogPage,
    owner: &OwnerId,
    position: &ExportPosition,
    (first, last): (LogDay, LogDay),
    page: &mut PageBuilder,
) -> Result<(), Error> {
    let days = io.sealed_days(first, last, PAGE_DAYS_MAX).await?;
    let (Some(begin), Some(end)) = (days.first().copied(), days.last().copied()) else {
        page.add_days(Vec::new(), Vec::new(), false, None);
        return Ok(());
    };
    let span = LogSpan {
        from: begin.begin(),
        after: position.after.clone(),
        until: end.next().begin(),
        max: PAGE_ENTRIES_MAX,
    };
    let found = io.read_log_entries(owner, span).await?;
    let seals = select_days(days, &found.entries, found.more);
    let seals = seals.into_iter().map(|day| read_seal(io, owner, day));
    let mut seals: Vec<DaySeal> = stream::iter(seals).buffered(AT_ONCE).try_collect().await?;
    seals.truncate(count_days(seals.iter().map(DaySeal::persons)));
    let next = seals.last().map(|seal| seal.day.next()).filter(|next| *next <= last);
    let skipped = |day: LogDay| if position.day == Some(day) { position.leaves } else { 0 };
    let read = seals.into_iter().filter_map(|DaySeal { day, found }| {
        let (seal, shard) = found?;
        Some(read_day(io, owner, (day, seal, shard), skipped(day)))
    });
    let read = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
    page.add_days(read, found.entries, found.more, next);
    Ok(())
}

/// The seal of a day, with the proof of the person's shard.
struct DaySeal {
    day: LogDay,
    found: Option<(SignedSeal, ShardProof)>,
}

impl DaySeal {
    /// The number of persons in the person's shard.
    fn persons(&self) -> u64 {
        self.found.as_ref().map_or(0, |(_, shard)| shard.persons)
    }
}

async fn read_seal(io: &impl ReadSeals, owner: &OwnerId, day: LogDay) -> Result<DaySeal, Error> {
    let stored = unless_unreadable(day, io.read_seal(day).await)?;
    let found = stored.and_then(|stored| Some((stored.seal, prove_shard(&stored.shards, shard(owner))?)));
    Ok(DaySeal { day, found })
}

/// `None` if a stored object is missing, or is not the one that was stored.
fn unless_unreadable<T>(day: LogDay, read: Result<T, SealsError>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(SealsError::Unreadable(what)) => {
            tracing::error!(%day, what, "a sealed day cannot be proven");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn read_day(
    io: &impl ReadShards,
    owner: &OwnerId,
    (day, seal, shard): (LogDay, SignedSeal, ShardProof),
    skipped: u64,
) -> Result<SealedDay, Error> {
    let read = read_shard(io, owner, (day, &shard), skipped).await;
    let (persons, leaves) = unless_unreadable(day, read)?.unwrap_or_default();
    Ok(SealedDay {
        day,
        count: persons.count_of(owner, day),
        proof: DayProof {
            seal,
            shard,
            person: persons.prove(owner, day),
        },
        leaves,
    })
}

/// Reads from the file of the person's shard the persons and this person's leaves.
async fn read_shard(
    io: &impl ReadShards,
    owner: &OwnerId,
    (day, proof): (LogDay, &ShardProof),
    skipped: u64,
) -> Result<(SealedShard, Vec<LogHash>), SealsError> {
    const UNREADABLE: SealsError = SealsError::Unreadable("shard");
    let part = async |bytes| io.read_shard(day, shard(owner), proof.root, bytes).await;
    let sealed = match proof.persons {
        0 => SealedShard::default(),
        persons => SealedShard::read_persons(&part(bytes_of_persons(persons)).await?).map_err(|_bytes| UNREADABLE)?,
    };
    if sealed.summary().root != proof.root {
        return Err(UNREADABLE);
    }
    let leaves = match sealed.bytes_of_leaves(owner, day, skipped, PAGE_ENTRIES_MAX.into()) {
        Some(bytes) => read_leaves(&part(bytes).await?).map_err(|_bytes| UNREADABLE)?,
        None => Vec::new(),
    };
    Ok((sealed, leaves))
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
