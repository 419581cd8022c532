//! `ias account touched` lists the persons with entries in the access log within a span of time, for a notice of a
//! breach (16 CFR 318.5). It reads the log's index `day` and the persons' external ids, and nothing else about persons.
//! An entry that names the operator is written before anything is read.

use std::collections::HashMap;

use clap::Args;
use clap::builder::PossibleValuesParser;
use sandbox_machine::functions::FUNCTION_NAMES;
use secrecy::ExposeSecret;
use shared::clock;
use shared::config::Env;
use shared::domain::log::touched::{TouchedBy, TouchedPersons, TouchedSpan, Touches};
use shared::domain::log::{Access, Actor};
use shared::domain::{ExternalId, OwnerId, Time, Timing};
use shared::owner::OwnerKey;
use shared::store::{NoteCommand, ReadTouched, StoreError, Table};

use super::operator::LogArgs;
use super::{StackSecret, StackSecrets, operator, table};
use crate::report::{say, say_line};

/// Number of persons from which the Federal Trade Commission is notified at the same time as the persons (16 CFR
/// 318.5(c)).
const MANY: usize = 500;

/// Options of `account touched`.
#[derive(Debug, Clone, Args)]
pub struct TouchedArgs {
    /// Name of the stack.
    #[arg(long, env = "STACK_NAME", default_value = "ias", value_name = "NAME")]
    stack: String,
    /// The beginning of the span, such as 2026-11-25T10:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = |text: &str| Time::parse(text))]
    from: Time,
    /// The end of the span. Entries of the last seconds can be missing.
    #[arg(long, value_name = "TIME", value_parser = |text: &str| Time::parse(text))]
    to: Time,
    /// Only accesses by this function.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(FUNCTION_NAMES))]
    function: Option<String>,
    /// Only accesses through this app: the claim azp or client_id of its tokens. Needs --issuer.
    #[arg(long, value_name = "ID", requires = "issuer", conflicts_with = "function")]
    client: Option<String>,
    /// The issuer of the app's tokens, exactly as in their claim iss.
    #[arg(long, value_name = "ISSUER", requires = "client")]
    issuer: Option<String>,
    /// Name of the stack's table, if the stack's name does not identify it.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    #[command(flatten)]
    log: LogArgs,
}

pub(super) async fn touched(args: &TouchedArgs) -> Result<(), String> {
    let span = span(args)?;
    let (env, timing) = (Env::of_process(), args.log.timing());
    let by = touched_by(args, &env).await?;
    let table = table::find(&env, &args.stack, args.table.as_deref()).await?;
    let table = args.log.table(table, "touched")?;
    let actor = Actor::Operator {
        arn: operator::arn(&env).await?,
    };
    let noted = table.note_command(Access::TouchedListed, &actor, clock::now()).await;
    noted.map_err(|error| error.to_string())?;
    let (persons, ids) = read(&table, span, &by, timing)
        .await
        .map_err(|error| error.to_string())?;
    for (owner, touches) in persons.iter() {
        say_line(&line(owner, ids.get(owner), touches));
    }
    say(&conclusion(persons.iter().len()));
    Ok(())
}

fn span(args: &TouchedArgs) -> Result<TouchedSpan, String> {
    let span = TouchedSpan {
        from: args.from,
        to: args.to,
    };
    let is_forward = args.from <= args.to;
    is_forward
        .then_some(span)
        .ok_or_else(|| "--from is later than --to".to_owned())
}

/// The entries that count. The log names an app by a hash under the owner key.
async fn touched_by(args: &TouchedArgs, env: &Env) -> Result<TouchedBy, String> {
    match (&args.function, &args.client, &args.issuer) {
        (Some(function), _, _) => Ok(TouchedBy::Via(function.clone())),
        (None, Some(client), Some(issuer)) => {
            let secret = StackSecrets::of(env, &args.stack)?.read(StackSecret::OwnerKey).await?;
            let key = OwnerKey::parse(secret.expose_secret()).map_err(|error| error.to_string())?;
            let client = key.client(issuer, client).map_err(|error| error.to_string())?;
            Ok(TouchedBy::Client(client))
        }
        _ => Ok(TouchedBy::Anyone),
    }
}

async fn read(
    table: &Table,
    span: TouchedSpan,
    by: &TouchedBy,
    timing: Timing,
) -> Result<(TouchedPersons, HashMap<OwnerId, ExternalId>), StoreError> {
    let persons = table.touched(span, by, timing).await?;
    let owners: Vec<OwnerId> = persons.iter().map(|(owner, _)| owner.clone()).collect();
    let ids = table.external_ids(&owners).await?;
    Ok((persons, ids))
}

/// One person. A person without an external id is not linked, or was erased.
fn line(owner: &OwnerId, id: Option<&ExternalId>, touches: &Touches) -> String {
    let (owner, id) = (owner.as_str(), id.map_or("-", ExternalId::as_str));
    format!(
        "owner={owner} external_id={id} entries={} first={} last={}",
        touches.entries, touches.first, touches.last
    )
}

fn conclusion(persons: usize) -> String {
    let notice = match persons {
        0 => "no person has such an entry",
        1..MANY => "fewer than 500",
        MANY.. => "500 or more: notify the Federal Trade Commission at the same time (docs/runbook.md, \"Breach\")",
    };
    format!("persons={persons}: {notice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_hundred_persons_are_many() {
        assert!(conclusion(0).ends_with("no person has such an entry"));
        assert!(conclusion(499).ends_with("fewer than 500"));
        assert!(conclusion(500).contains("Federal Trade Commission"));
    }
}
