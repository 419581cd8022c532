//! *stream*: what it costs that a record is read while it goes by. The yardstick makes the same transfer and reads
//! nothing; both run in turn, against the same loopback, which keeps nothing.

mod bundle;
mod loopback;
mod record;
mod tables;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use shared::aws::Aws;
use shared::clock;
use shared::config::Env;
use shared::domain::RecordId;
use shared::store::Table as Items;
use tempfile::TempDir;

use crate::Problem;
use crate::bed::environment::{Hosts, Variables, environment};
use crate::bed::process::{Process, Program};
use crate::bed::vitals::Vitals;
use crate::builds::{Builds, Way};
use crate::table::Table;
use bundle::{Bundle, Entries};
use loopback::{LINK, Loopback};
use record::Offered;

const SEED: u64 = 20_261_122;
const MEGABYTE: u64 = 1_000_000;
/// Sizes of the Bundles, in megabytes.
const SIZES: [u64; 4] = [1, 10, 100, 1000];

/// One transfer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    /// From the opened link to the visible object, in megabytes a second.
    pub mb_per_sec: f64,
    /// What the process has used since its start.
    pub used: Vitals,
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
    let bench = Bench::start(profile).await?;
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

/// What came of one event.
struct Done {
    reply: Bytes,
    used: Vitals,
}

struct Bench {
    builds: Builds,
    entries: Arc<Entries>,
    loopback: Loopback,
    items: Items,
    dir: TempDir,
}

impl Bench {
    async fn start(profile: &str) -> Result<Self, Problem> {
        let loopback = Loopback::start().await?;
        let env = Env::from_vars(variables("record-fetch", &loopback));
        Ok(Self {
            builds: Builds::make(profile, &["record-fetch", "record-read"], &[("copy", Way::Deployed)])?,
            entries: Entries::generate(SEED),
            items: Items::read(&Aws::read(&env)?.dynamodb(), &env)?,
            dir: tempfile::tempdir()?,
            loopback,
        })
    }

    /// Whoever goes first finds the machine as the other left it, so they take turns.
    async fn pair(&self, bundle: &Bundle, function_first: bool) -> Result<Pair, Problem> {
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

    async fn fetch(&self, bundle: &Bundle) -> Result<Transfer, Problem> {
        let offered = Offered::new(RecordId::new(clock::new_id()), clock::now())?;
        offered.store(&self.items).await?;
        self.loopback.offer(bundle);
        let event = offered.fetch_event(self.link())?;
        let done = self
            .run("record-fetch", &self.builds.function("record-fetch"), &event)
            .await?;
        let item = self.loopback.item().to_string();
        if !item.contains(&bundle.sha256) || !item.contains("available") {
            return Err(format!("the record was not stored as it is: {item}").into());
        }
        self.transferred(bundle, done.used)
    }

    /// The yardstick takes the place of the function: it is told the link, and replies when it is done.
    async fn copy(&self, bundle: &Bundle) -> Result<Transfer, Problem> {
        self.loopback.offer(bundle);
        let event = serde_json::json!({ "link": self.link() });
        let done = self.run("record-fetch", &self.builds.copy(), &event).await?;
        if serde_json::from_slice::<String>(&done.reply)? != bundle.sha256 {
            return Err("the yardstick copied something else".into());
        }
        self.transferred(bundle, done.used)
    }

    fn link(&self) -> String {
        format!("http://{}{LINK}", self.loopback.host)
    }

    /// One event in a process of its own.
    async fn run(&self, function: &str, binary: &Path, event: &Value) -> Result<Done, Problem> {
        let variables = variables(function, &self.loopback);
        let mut process = Process::start(&Program::new(function, binary), variables, self.dir.path(), None).await?;
        process.init().await?;
        let replied = process.invoke(Bytes::from(event.to_string())).await?;
        let used = process.vitals()?;
        process.kill().await?;
        Ok(Done {
            reply: replied.body,
            used,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes of records")]
    fn transferred(&self, bundle: &Bundle, used: Vitals) -> Result<Transfer, Problem> {
        let seen = self.loopback.seen();
        if seen.bytes != bundle.bytes {
            return Err(format!("{} bytes of {} came into the bucket", seen.bytes, bundle.bytes).into());
        }
        let took = seen.took().ok_or("nothing was transferred")?;
        Ok(Transfer {
            mb_per_sec: bundle.bytes as f64 / 1e6 / took.as_secs_f64(),
            used,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "the size of a reply")]
    async fn look(&self, bytes: u64) -> Result<Look, Problem> {
        let now = clock::now();
        let offered = Offered::new(RecordId::new(clock::new_id()), now)?;
        offered.store_fetched(&self.items, bytes, now).await?;
        let binary = self.builds.function("record-read");
        let done = self.run("record-read", &binary, &offered.read_event()).await?;
        let text = String::from_utf8_lossy(&done.reply);
        if !text.contains("X-Amz-Signature") {
            return Err(format!("no link to the record: {text}").into());
        }
        Ok(Look {
            peak_mb: done.used.peak_mb(),
            reply_bytes: done.reply.len() as f64,
        })
    }
}

/// Everything is at one place, on loopback, where a link may be followed without TLS.
fn variables(function: &str, loopback: &Loopback) -> Variables {
    environment(function, "http", &Hosts::all_at(&loopback.host))
}
