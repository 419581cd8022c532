//! `ias verify-receipt` checks the receipt of an erasure with nothing but the public key.

use std::path::PathBuf;

use clap::Args;
use shared::domain::erasure::{PatientOutcome, ReceiptFault, ReceiptStatement, verify_receipt as verify};
use shared::domain::log::SealPublicKey;

use crate::report::say_line;
use crate::verify_log::read_key;

/// Options of `verify-receipt`.
#[derive(Debug, Clone, Args)]
pub struct VerifyReceiptArgs {
    /// The receipt: the member `receipt` of `GET /v1/erasures/{receipt}`, as JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The public key of the stack's seals, in PEM. May be given more than once if the key was changed.
    #[arg(long = "key", value_name = "PUBLIC.pem", required = true)]
    keys: Vec<PathBuf>,
}

pub(crate) fn verify_receipt(args: &VerifyReceiptArgs) -> Result<(), String> {
    let keys = args.keys.iter().map(|path| read_key(path));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let text = std::fs::read_to_string(&args.file).map_err(|error| format!("{}: {error}", args.file.display()))?;
    let statement = check(&text, &keys).map_err(|fault| fault.to_string())?;
    for line in render(&statement) {
        say_line(&line);
    }
    Ok(())
}

/// Checks the receipt with the key that it names.
fn check(text: &str, keys: &[SealPublicKey]) -> Result<ReceiptStatement, ReceiptFault> {
    let mut verified = Err(ReceiptFault::OtherKey);
    for key in keys {
        verified = verify(text, key);
        if verified != Err(ReceiptFault::OtherKey) {
            break;
        }
    }
    verified
}

fn render(statement: &ReceiptStatement) -> Vec<String> {
    let deleted = &statement.deleted;
    let items: u64 = deleted.items.values().sum();
    let mut lines = vec![
        format!(
            "erased by stack {}: requested at {}, finished at {}",
            statement.stack, statement.requested_at, statement.finished_at
        ),
        format!(
            "deleted: {items} items, {} objects of {} bytes, {} unfinished uploads",
            deleted.objects, deleted.bytes, deleted.uploads
        ),
    ];
    lines.extend(deleted.items.iter().map(|(kind, count)| format!("  {kind}: {count}")));
    lines.push(format!("patient at Metriport: {}", explain(statement.patient)));
    lines.extend(statement.remaining.iter().map(|remaining| {
        format!(
            "remains in {} until {}: {}",
            remaining.store, remaining.until, remaining.content
        )
    }));
    lines
}

const fn explain(outcome: PatientOutcome) -> &'static str {
    match outcome {
        PatientOutcome::NotLinked => "none was linked",
        PatientOutcome::NotCreatedHere => "stays, because this stack did not create it",
        PatientOutcome::Uncertain => "uncertain, because a creation had begun and its outcome is unknown",
        PatientOutcome::Deleted => "deleted",
        PatientOutcome::Absent => "did not exist any more",
    }
}
