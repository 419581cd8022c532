//! `ias account touched` over a large access log: reads, and time, of the sandbox's table.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sandbox_aws::Weight;
use sandbox_machine::Sandbox;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::config::Env;
use shared::domain::log::touched::{TouchedBy, TouchedSpan};
use shared::domain::log::{Access, Actor, LogDay, LogEntry, LogHash, leaf, shard};
use shared::domain::{OwnerId, Time, Timing};
use shared::store::ReadTouched as _;

use crate::Problem;
use crate::cost::DYNAMODB_READ;
use crate::person::{DELAY_MS, unlimited_options};
use crate::relay::OPERATOR;
use crate::table::{Table, number};

const TABLE: &str = "ias-Table";
/// Entries of each person, one an hour. The persons' days begin at different times.
const ENTRIES_EACH: usize = 50;
/// Persons whose items are put at once.
const AT_ONCE: usize = 500;
/// The time that the command may take.
const SECONDS_MAX: f64 = 300.0;
const FIRST: &str = "2026-11-01T00:00:00Z";
const HOUR: Duration = Duration::from_secs(3600);

type Reads = Arc<Mutex<Vec<Weight>>>;

/// Lists everyone in a log of this many entries.
pub async fn measure(entries: usize) -> Result<Table, Problem> {
    let (folder, reads) = (tempfile::tempdir()?, Reads::default());
    let mut options = unlimited_options(DELAY_MS)?;
    options.data_dir = Some(folder.path().to_owned());
    let noted = reads.clone();
    options.meter = Some(Arc::new(move |weight| {
        if weight.call.access_key_id.as_deref() == Some(OPERATOR) {
            noted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(weight.clone());
        }
    }));
    let sandbox = Sandbox::start(options).await?;
    let persons = entries.div_ceil(ENTRIES_EACH);
    fill(&sandbox, persons).await?;
    let (begun, found) = (Instant::now(), list(&sandbox).await?);
    let seconds = begun.elapsed().as_secs_f64();
    sandbox.shutdown().await?;
    if found != (persons, persons) {
        return Err(format!("{found:?} persons and ids were found, not {persons}").into());
    }
    let reads = std::mem::take(&mut *reads.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(report(persons, &reads, seconds))
}

async fn fill(sandbox: &Sandbox, persons: usize) -> Result<(), Problem> {
    for first in (0..persons).step_by(AT_ONCE) {
        let mut items = Vec::new();
        for number in first..persons.min(first + AT_ONCE) {
            items.extend(items_of(number)?);
        }
        sandbox.aws().import(TABLE, items).await?;
    }
    Ok(())
}

/// A linked person's entries and patient, in DynamoDB's own JSON.
fn items_of(number: usize) -> Result<Vec<Value>, Problem> {
    let name = LogHash::of(&[&number.to_be_bytes()]);
    let owner = OwnerId::parse(format!("v1.{name}"))?;
    let first = Time::parse(FIRST)?.plus(HOUR * u32::try_from(number % 24)?);
    let entries = (0..u32::try_from(ENTRIES_EACH)?).map(|hour| entry_item(&owner, first.plus(HOUR * hour)));
    let link = json!({ "externalId": { "S": format!("person-{number}") } });
    let patient = json!({
        "pk": { "S": format!("OWNER#{}", owner.as_str()) }, "sk": { "S": "PATIENT" }, "link": { "M": link },
    });
    Ok(entries.chain([patient]).collect())
}

fn entry_item(owner: &OwnerId, at: Time) -> Value {
    let entry = LogEntry {
        at,
        what: Access::LinkMinted,
        actor: Actor::Person { client: None },
        via: "record-read".to_owned(),
        run: None,
        record: None,
        method: None,
        result: None,
    };
    let (text, day) = (entry.text(), LogDay::of(at, Timing::default()));
    json!({
        "pk": { "S": format!("LOG#{}", owner.as_str()) }, "sk": { "S": entry.sort_key() },
        "logDay": { "S": format!("DAY#{day}#{:x}", shard(owner)) }, "leaf": { "S": leaf(&text).to_string() },
        "entry": { "S": text }, "who": { "S": "person" }, "via": { "S": entry.via }, "what": { "S": entry.what },
    })
}

/// The numbers of persons and of their ids that are found.
async fn list(sandbox: &Sandbox) -> Result<(usize, usize), Problem> {
    let variables = [("AWS_ACCESS_KEY_ID", OPERATOR), ("TABLE_NAME", TABLE)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = Env::from_vars(sandbox.aws().env().into_iter().chain(variables));
    let table = shared::store::Table::read(&Aws::read(&env)?.dynamodb(), &env)?;
    let from = Time::parse(FIRST)?;
    let to = from.plus(HOUR * 24 * 30);
    let span = TouchedSpan { from, to };
    let persons = table.touched(span, &TouchedBy::Anyone, Timing::default()).await?;
    let owners: Vec<OwnerId> = persons.iter().map(|(owner, _)| owner.clone()).collect();
    Ok((owners.len(), table.external_ids(&owners).await?.len()))
}

fn report(persons: usize, reads: &[Weight], seconds: f64) -> Table {
    let entries = persons * ENTRIES_EACH;
    let mut table = Table {
        name: "touched",
        caption: format!(
            "`ias account touched` over 30 days: {} entries of {} persons. The time is that of the sandbox's table.",
            number(entries as f64),
            number(persons as f64)
        ),
        columns: "call | calls | read units | $",
        ..Table::default()
    };
    for operation in ["Query", "BatchGetItem"] {
        let of_kind = || reads.iter().filter(|weight| weight.call.operation == operation);
        let units: f64 = of_kind().map(|weight| weight.read_units).sum();
        let (calls, dollars) = (number(of_kind().count() as f64), units * DYNAMODB_READ.dollars);
        table.rows.push(format!(
            "{operation} | {calls} | {} | {}",
            number(units),
            number(dollars)
        ));
    }
    table.rows.push(format!("seconds | {} |  | ", number(seconds)));
    table.hold("seconds of `ias account touched`", seconds, SECONDS_MAX);
    table
}
