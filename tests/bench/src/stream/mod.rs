//! *stream*: what it costs that a record is read while it goes by. The yardstick makes the same transfer and reads
//! nothing; both run in turn, against the same loopback, which keeps nothing.

mod bundle;
mod loopback;
mod process;
mod record;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use shared::aws::Aws;
use shared::clock;
use shared::config::Env;
use shared::domain::RecordId;
use shared::store::Table as Items;

use crate::Problem;
use crate::builds::Builds;
use crate::table::Table;
use bundle::{Bundle, Entries};
use loopback::{LINK, Loopback};
use process::{Process, Used, environment};
use record::Offered;

const SEED: u64 = 20_261_122;
const MEGABYTE: u64 = 1_000_000;
/// Sizes of the Bundles, in megabytes.
const SIZES: [u64; 4] = [1, 10, 100, 1000];
/// How long one transfer may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// One transfer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    /// From the opened link to the visible object, in megabytes a second.
    pub mb_per_sec: f64,
    /// What the process has used since its start.
    pub used: Used,
}

/// A function and its yardstick, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub function: Transfer,
    pub copy: Transfer,
}

/// One look at a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub peak_mb: f64,
    pub reply_bytes: f64,
}

/// Measures each size `runs` times.
///
/// # Errors
/// When a transfer does not do what it should.
pub async fn measure(profile: &str, runs: usize) -> Result<Vec<Table>, Problem> {
    let mut bench = Bench::start(profile).await?;
    let bundles = SIZES.map(|size| bench.entries.bundle(size * MEGABYTE));
    let (mut fetches, mut looks) = (vec![Vec::new(); SIZES.len()], vec![Vec::new(); SIZES.len()]);
    for run in 0..runs {
        for ((bundle, pairs), seen) in bundles.iter().zip(&mut fetches).zip(&mut looks) {
            pairs.push(bench.pair(bundle, run % 2 == 0).await?);
            seen.push(bench.look(bundle.bytes).await?);
        }
    }
    Ok(vec![tables::fetch(&SIZES, &fetches), tables::read(&SIZES, &looks)])
}

struct Bench {
    builds: Builds,
    entries: Arc<Entries>,
    loopback: Loopback,
    items: Items,
}

impl Bench {
    async fn start(profile: &str) -> Result<Self, Problem> {
        let loopback = Loopback::start().await?;
        let env = Env::from_vars(environment(&loopback.host));
        Ok(Self {
            builds: Builds::make(profile, &["record-fetch", "record-read"], &["copy"])?,
            entries: Entries::generate(SEED),
            items: Items::read(&Aws::read(&env)?.dynamodb(), &env)?,
            loopback,
        })
    }

    /// Whoever goes first finds the machine as the other left it, so they take turns.
    async fn pair(&mut self, bundle: &Bundle, function_first: bool) -> Result<Pair, Problem> {
        let (function, copy);
        if function_first {
            function = self.fetch(bundle).await?;
            copy = self.copy(bundle).await?;
        } else {
            copy = self.copy(bundle).await?;
            function = self.fetch(bundle).await?;
        }
        Ok(Pair { function, copy })
    }

    async fn fetch(&mut self, bundle: &Bundle) -> Result<Transfer, Problem> {
        let offered = Offered::new(RecordId::new(clock::new_id()), clock::now())?;
        offered.store(&self.items).await?;
        self.loopback.offer(bundle);
        let process = Process::start(&self.builds.function("record-fetch"), &self.loopback.host)?;
        let event = offered.fetch_event(format!("http://{}{LINK}", self.loopback.host))?;
        self.loopback.invoke(&event, PATIENCE).await?;
        let item = self.loopback.item().to_string();
        if !item.contains(&bundle.sha256) || !item.contains("available") {
            return Err(format!("the record was not stored as it is: {item}").into());
        }
        self.transferred(bundle, &process)
    }

    /// The yardstick takes the place of the function: it is told the link, and replies when it is done.
    async fn copy(&mut self, bundle: &Bundle) -> Result<Transfer, Problem> {
        self.loopback.offer(bundle);
        let process = Process::start(&self.builds.copy(), &self.loopback.host)?;
        let event = serde_json::json!({ "link": format!("http://{}{LINK}", self.loopback.host) });
        let reply = self.loopback.invoke(&event, PATIENCE).await?;
        if serde_json::from_slice::<String>(&reply)? != bundle.sha256 {
            return Err("the yardstick copied something else".into());
        }
        self.transferred(bundle, &process)
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes of records")]
    fn transferred(&self, bundle: &Bundle, process: &Process) -> Result<Transfer, Problem> {
        let seen = self.loopback.seen();
        if seen.bytes != bundle.bytes {
            return Err(format!("{} bytes of {} came into the bucket", seen.bytes, bundle.bytes).into());
        }
        let took = seen.took().ok_or("nothing was transferred")?;
        Ok(Transfer {
            mb_per_sec: bundle.bytes as f64 / 1e6 / took.as_secs_f64(),
            used: process.used()?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "the size of a reply")]
    async fn look(&mut self, bytes: u64) -> Result<Look, Problem> {
        let now = clock::now();
        let offered = Offered::new(RecordId::new(clock::new_id()), now)?;
        offered.store_fetched(&self.items, bytes, now).await?;
        let process = Process::start(&self.builds.function("record-read"), &self.loopback.host)?;
        let reply = self.loopback.invoke(&offered.read_event(), PATIENCE).await?;
        let text = String::from_utf8_lossy(&reply);
        if !text.contains("X-Amz-Signature") {
            return Err(format!("no link to the record: {text}").into());
        }
        Ok(Look {
            peak_mb: process.used()?.peak_mb,
            reply_bytes: reply.len() as f64,
        })
    }
}
