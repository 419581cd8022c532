//! Seals the days that have ended and are not sealed, oldest first.

use shared::Error;
use shared::domain::log::seal::{DayShards, SealContext, SealHash, ShardEntries, SignedSeal, StoredSeal, seal_day};
use shared::domain::log::{LogDay, SHARDS, SealPublicKey};
use shared::metrics::{Metric, Metrics};
use shared::seals::{PutSeals, ReadSeals, find_last_sealed};
use shared::store::ReadLogDays;

use crate::Ports;

/// Maximum number of days that one invocation seals; the next one seals the rest. A day of a million entries takes
/// about a minute, of the 15 that Lambda gives.
const DAYS_MAX: usize = 10;
/// Days in a row without an entry after which the search for the oldest entry ends.
const EMPTY_DAYS: i64 = 40;

/// Seals up to ten days. Returns how many days it sealed. A failure leaves the days before it sealed, and the
/// next invocation continues there.
///
/// # Errors
/// Fails if the table, the bucket or the key fails.
pub async fn seal_days(io: &impl Ports, metrics: &Metrics) -> Result<usize, Error> {
    let (now, timing) = (io.now(), io.timing());
    let ended = LogDay::ended_before(now.minus(timing.seal_grace()), timing);
    let mut last = read_last(io, ended).await?;
    let sealed = seal_after(io, &mut last, ended).await;
    // The metric is also put after a failure, so that missing seals show.
    let age = last.map(|last| last.day.next().begin().until(now));
    metrics.put(&age.map(Metric::seal_age).into_iter().collect::<Vec<_>>());
    sealed
}

/// The hash of the last seal.
async fn read_last(io: &impl ReadSeals, ended: LogDay) -> Result<Option<SealHash>, Error> {
    match find_last_sealed(io, ended).await? {
        Some(day) => Ok(Some(SealHash::new(day, &io.read_seal(day).await?.seal.statement))),
        None => Ok(None),
    }
}

/// Seals the days after `last`, and moves `last` on.
async fn seal_after(io: &impl Ports, last: &mut Option<SealHash>, ended: LogDay) -> Result<usize, Error> {
    let mut day = match *last {
        Some(last) => last.day.next(),
        None => find_first_day(io, ended).await?,
    };
    if day > ended {
        return Ok(0);
    }
    let (key, mut sealed) = (io.seal_public_key().await?, 0);
    while day <= ended && sealed < DAYS_MAX {
        *last = Some(seal_one(io, day, *last, &key).await?);
        sealed += 1;
        day = day.next();
    }
    Ok(sealed)
}

/// The first day that a stack seals: the oldest day with an entry, or the last ended day. The search goes back until 40
/// days in a row have no entry. So no entry is left out if a stack had a log before it had seals, and nothing needs to
/// be stored before the first seal.
async fn find_first_day(io: &impl ReadLogDays, ended: LogDay) -> Result<LogDay, Error> {
    let (mut first, mut day) = (ended, ended);
    while day.days_to(first) <= EMPTY_DAYS {
        if io.has_log_entries(day).await? {
            first = day;
        }
        day = day.previous();
    }
    Ok(first)
}

/// Seals a day and returns the hash of its seal. If another invocation has sealed the day meanwhile, its seal counts.
async fn seal_one(
    io: &impl Ports,
    day: LogDay,
    previous: Option<SealHash>,
    key: &SealPublicKey,
) -> Result<SealHash, Error> {
    let shards = put_shards(io, day).await?;
    let stack = io.stack_name();
    let context = SealContext { stack, previous, key };
    let statement = seal_day(day, &shards, &context, io.now());
    let (entries, persons, statement) = (statement.entries, statement.persons, statement.text());
    let signature = io.sign_seal(&statement).await?;
    let seal = SignedSeal { statement, signature };
    // The seal is put last, so that every file to which it leads exists.
    let seal = StoredSeal { seal, shards };
    if io.put_seal(day, &seal).await? {
        tracing::info!(%day, entries, persons, "day of the access log sealed");
        return Ok(SealHash::new(day, &seal.seal.statement));
    }
    tracing::info!(%day, "day of the access log was sealed already");
    Ok(SealHash::new(day, &io.read_seal(day).await?.seal.statement))
}

/// Reads the shards of a day one after another, so that only one is in memory, and puts their files. An empty shard has
/// no file.
async fn put_shards(io: &(impl ReadLogDays + PutSeals), day: LogDay) -> Result<DayShards, Error> {
    let mut shards = [ShardEntries::default().seal(day).summary(); SHARDS as usize];
    for (shard, summary) in (0..SHARDS).zip(&mut shards) {
        let entries = io.read_log_shard(day, shard).await?;
        *summary = entries.seal(day).summary();
        if summary.persons > 0 {
            io.put_shard(day, shard, summary.root, entries.file(day)).await?;
        }
    }
    Ok(shards)
}
