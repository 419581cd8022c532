//! Transfers records of several sizes through `record-fetch`. Its peak memory has a limit; its processor time per
//! megabyte is compared with that of SHA-256 alone.

use std::iter::repeat_n;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use sandbox_fhir::{Entry, NetworkRecord, RecordFilter, Source, bundle_text, read_entries};
use sandbox_machine::Sandbox;
use sha2::{Digest, Sha256};

use crate::builds::Builds;
use crate::person::{DELAY_MS, Person, unlimited_options};
use crate::relay::{Kind, Measurement, Relay, Run};
use crate::table::{Spread, Table, number};
use crate::{Args, Part, Problem};

/// Sizes of the records, in megabytes.
const SIZES_MB: [usize; 4] = [1, 10, 100, 1000];
const MB: usize = 1_000_000;
/// Maximum peak memory of a transfer, in MiB.
const PEAK_MIB_MAX: f64 = 64.0;

#[derive(Debug, Clone, Copy)]
struct Transfer {
    secs: f64,
    /// Processor time per megabyte in milliseconds, of the transfer and of SHA-256 alone.
    cpu_ms: f64,
    hash_ms: f64,
    peak_mib: f64,
}

/// Starts the function with the event, and writes the measurement.
pub async fn relay(relay: &Relay, event: &Bytes) -> Result<Bytes, Problem> {
    let (run, reply) = relay.run(Kind::Function, event).await?;
    relay.note(&run)?;
    Ok(reply)
}

/// Measures each size `runs` times.
pub async fn measure(args: &Args) -> Result<Table, Problem> {
    Builds::of(&args.profile)?.make(&["record-fetch"], false)?;
    let entries = entries().await?;
    let mut transfers = vec![Vec::new(); SIZES_MB.len()];
    for _ in 0..args.runs {
        for (size, transfers) in SIZES_MB.iter().zip(&mut transfers) {
            transfers.push(transfer(args, &entries, size * MB).await?);
        }
    }
    table(&transfers, args.runs)
}

/// The entries of one record that the stand-in invents, without its Patient, who is not the person of the measurement.
async fn entries() -> Result<Vec<Entry>, Problem> {
    let sandbox = Sandbox::start(unlimited_options(DELAY_MS)?).await?;
    let person = Person::ready(&sandbox, 0).await?;
    let bundle = person.download(&person.pull().await?).await?;
    sandbox.shutdown().await?;
    let mut entries = read_entries(&bundle)?;
    entries.retain(|entry| !entry.is_patient());
    Ok(entries)
}

/// The same entries, repeated to about this size. The function does not compare entries, so it does not notice the
/// repeats.
fn repeated(entries: &[Entry], bytes: usize) -> NetworkRecord {
    let once: usize = entries.iter().map(|entry| entry.resource().get().len()).sum();
    let copies = (bytes / once.max(1)).max(1);
    repeat_n(entries, copies).flatten().cloned().collect()
}

async fn transfer(args: &Args, entries: &[Entry], bytes: usize) -> Result<Transfer, Problem> {
    let record = repeated(entries, bytes);
    let (hash, bytes, hashing) = hashed(record.clone());
    let mut options = unlimited_options(DELAY_MS)?;
    options.stand_in.record = Some(record);
    // The record stays byte for byte, so that its hash can be compared.
    options.stand_in.replace_patient = false;
    let measurement = Measurement::start(Part::Stream, args, options).await?;
    let person = Person::ready(&measurement.sandbox, 0).await?;
    let stored = person.pull().await?;
    if stored.text("/sha256") != hash || stored.number("/bytes") != bytes as u64 {
        return Err(format!("a record of {bytes} bytes was stored with other bytes: {}", stored.body).into());
    }
    let runs: Vec<Run> = measurement.end().await?;
    let run = runs.last().ok_or("no record was fetched")?;
    let per_mb = |millis: f64| millis * MB as f64 / bytes as f64;
    Ok(Transfer {
        secs: (run.first_ms - run.init_ms) / 1e3,
        cpu_ms: per_mb((run.replied.cpu_us - run.polled.cpu_us) / 1e3),
        hash_ms: per_mb(hashing.as_secs_f64() * 1e3),
        peak_mib: run.replied.peak_mib,
    })
}

/// SHA-256 and size of a record as the stand-in sends it, and the time of the hash alone.
fn hashed(record: NetworkRecord) -> (String, usize, Duration) {
    let (mut hash, mut bytes, mut took) = (Sha256::new(), 0, Duration::ZERO);
    for chunk in bundle_text(record.into(), &Source::ALL, &RecordFilter::default()) {
        let begun = Instant::now();
        hash.update(&chunk);
        took += begun.elapsed();
        bytes += chunk.len();
    }
    (hex::encode(hash.finalize()), bytes, took)
}

fn table(transfers: &[Vec<Transfer>], runs: usize) -> Result<Table, Problem> {
    let mut table = Table {
        name: "stream",
        caption: format!("Medians of {runs} transfers (smallest–largest), each in its own process."),
        columns: "record | transfer, s | CPU, ms/MB | ÷ SHA-256 alone | peak memory, MiB",
        ..Table::default()
    };
    for (size, transfers) in SIZES_MB.iter().zip(transfers) {
        let spread = |figure: fn(&Transfer) -> f64| Spread::of(transfers.iter().map(figure));
        let (secs, cpu) = (spread(|transfer| transfer.secs)?, spread(|transfer| transfer.cpu_ms)?);
        let of_hash = number(spread(|transfer| transfer.cpu_ms / transfer.hash_ms)?.median);
        let peak = spread(|transfer| transfer.peak_mib)?;
        table.hold(&format!("record-fetch on {size} MB, peak MiB"), peak.max, PEAK_MIB_MAX);
        table
            .rows
            .push(format!("{size} MB | {secs} | {cpu} | {of_hash} | {peak}"));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_record_has_about_the_requested_size() {
        let bundle = br#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic","id":"1"}}]}"#;
        let record = repeated(&read_entries(bundle).unwrap(), 10_000);
        let (_, bytes, _) = hashed(record);
        assert!((10_000..25_000).contains(&bytes), "{bytes}");
    }
}
