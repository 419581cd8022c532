//! The access log. A person's entries have a partition of their own, because they stay after an erasure of the person's
//! data. The index `day` lists the entries of all persons by day.
//!
//! An entry is written in the transaction of its effect, so that neither exists without the other. The entries of lists
//! and commands have no such transaction. An entry is stored as the text that its leaf hash covers. No code serializes
//! an entry again, so a later version cannot invalidate a proof.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::Serialize;

use super::table::{Item, number, refused, to_item};
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, StoreError, Table, keys};
use crate::config::{ConfigError, Env};
use crate::domain::log::{Access, Actor, LogDay, LogEntry, LogHash, leaf};
use crate::domain::{OwnerId, Time, Timing};
use crate::ports::port;

/// Maximum number of a person's apps whose reads of one kind leave an entry within one hour.
const CLIENTS_MAX: u32 = 16;
/// Maximum number of entries of commands that begin in the same millisecond.
const COMMANDS_MAX: u32 = 16;
/// The owner id of entries that concern several persons. A person's owner id begins with `v1.`, so it is never this
/// text.
pub(super) const OPERATORS: &str = "operators";
const MILLISECOND: Duration = Duration::from_millis(1);

/// Makes the entries of one function or command.
#[derive(Debug, Clone)]
pub(super) struct LogWriter {
    via: String,
    retention_days: i64,
    timing: Timing,
}

/// The stored entry. The index `day` has all attributes except the text and the time to live. Its hash key is not named
/// `day`, because other items have such an attribute and must not appear in the index.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRow<'a> {
    entry: String,
    leaf: LogHash,
    log_day: String,
    who: &'a str,
    via: &'a str,
    what: Access,
}

port! {
    /// Logs a kind of read that a person may repeat often.
    pub trait NoteHour via HasStore {
        /// Writes one entry for the hour, the person and their app. The entry's time is the beginning of the hour.
        async fn note_hour(&self, owner: &OwnerId, what: Access, actor: &Actor, now: Time) -> Result<()>;
    }
}

port! {
    /// Logs commands of operators that concern several persons. No function has this port.
    pub trait NoteCommand via HasStore {
        /// Writes one entry, before the command reads anything.
        async fn note_command(&self, what: Access, actor: &Actor, now: Time) -> Result<()>;
    }
}

impl Table {
    /// Lets the table write entries of the access log, which name `via`, the function or command. Reads
    /// `ACCESS_LOG_RETENTION_DAYS`. Other tables refuse every write that has an entry.
    ///
    /// # Errors
    /// Fails if the variable is missing or not a positive whole number.
    pub fn with_log(mut self, env: &Env, via: &str, timing: Timing) -> std::result::Result<Self, ConfigError> {
        self.log = Some(LogWriter {
            via: via.to_owned(),
            retention_days: env.days("ACCESS_LOG_RETENTION_DAYS")?.into(),
            timing,
        });
        Ok(self)
    }

    fn log(&self) -> Result<&LogWriter> {
        let without = || StoreError::Refused("a write with an entry, without an access log".to_owned());
        self.log.as_ref().ok_or_else(without)
    }
}

impl LogWriter {
    fn row<'e>(&self, owner: &OwnerId, entry: &'e LogEntry) -> LogRow<'e> {
        let text = entry.text();
        LogRow {
            leaf: leaf(&text),
            entry: text,
            log_day: keys::log_day(LogDay::of(entry.at, self.timing), owner),
            who: actor_name(&entry.actor),
            via: &entry.via,
            what: entry.what,
        }
    }

    /// When an entry of this time expires, as a time to live.
    fn ttl(&self, at: Time) -> AttributeValue {
        number(at.seconds_ceil() + self.retention_days * 86_400)
    }

    fn item(&self, owner: &OwnerId, entry: &LogEntry) -> Result<Item> {
        let key = keys::log(owner, entry);
        let mut item = to_item(key, &self.row(owner, entry), "entry of the access log")?;
        item.insert("ttl".to_owned(), self.ttl(entry.at));
        Ok(item)
    }
}

/// The app, `person` if the token names no app, `function`, or the operator.
fn actor_name(actor: &Actor) -> &str {
    match actor {
        Actor::Person { client: Some(client) } => client.as_str(),
        Actor::Person { client: None } => "person",
        Actor::Function => "function",
        Actor::Operator { arn } => arn.as_str(),
    }
}

impl Table {
    /// An entry of this function, which names neither a pull nor a record.
    pub(super) fn log_entry(&self, what: Access, actor: &Actor, at: Time) -> Result<LogEntry> {
        Ok(LogEntry {
            at,
            what,
            actor: actor.clone(),
            via: self.log()?.via.clone(),
            run: None,
            record: None,
            method: None,
            result: None,
        })
    }

    /// When an entry of this time expires, as a time to live.
    pub(super) fn log_ttl(&self, at: Time) -> Result<AttributeValue> {
        Ok(self.log()?.ttl(at))
    }

    /// Writes an entry under a new key. If another entry has the key, writes nothing and returns the actor of that
    /// entry.
    async fn write_new_entry(&self, owner: &OwnerId, entry: &LogEntry) -> Result<Option<String>> {
        let put = self.client.put_item().table_name(&self.name);
        let put = put
            .set_item(Some(self.log()?.item(owner, entry)?))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(None),
            Err(error) => stored_actor(&error).map(Some),
        }
    }
}

/// The actor of the stored entry because of which DynamoDB refused a put.
fn stored_actor<R>(error: &SdkError<PutItemError, R>) -> Result<String> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => {
            let who = failed.item().and_then(|item| item.get("who")?.as_s().ok());
            Ok(who.cloned().unwrap_or_default())
        }
        _ => Err(refused(error)),
    }
}

impl Transaction<'_> {
    /// Adds an entry of the access log. Fails if another entry has its key.
    pub(super) fn put_log(self, owner: &OwnerId, entry: &LogEntry) -> Result<Self> {
        let log = self.table.log()?;
        let (key, row, ttl) = (keys::log(owner, entry), log.row(owner, entry), log.ttl(entry.at));
        self.put(Condition::EntryNew, &Replaces::Nothing, key, &row, [("ttl", ttl)])
    }
}

impl NoteHour for Table {
    async fn note_hour(&self, owner: &OwnerId, what: Access, actor: &Actor, now: Time) -> Result<()> {
        let hour = now.log_hour(self.log()?.timing);
        // The first app's entry has the hour's first millisecond, the second app's entry the next one.
        for place in 0..CLIENTS_MAX {
            let entry = self.log_entry(what, actor, hour.plus(MILLISECOND * place))?;
            match self.write_new_entry(owner, &entry).await? {
                Some(other) if other != actor_name(actor) => {}
                _written_now_or_before => return Ok(()),
            }
        }
        Err(StoreError::Conflict(vec![Condition::EntryNew]))
    }
}

impl NoteCommand for Table {
    async fn note_command(&self, what: Access, actor: &Actor, now: Time) -> Result<()> {
        let owner = OwnerId::parse(OPERATORS).map_err(|_never| StoreError::Unreadable("owner id"))?;
        for place in 0..COMMANDS_MAX {
            let entry = self.log_entry(what, actor, now.plus(MILLISECOND * place))?;
            if self.write_new_entry(&owner, &entry).await?.is_none() {
                return Ok(());
            }
        }
        Err(StoreError::Conflict(vec![Condition::EntryNew]))
    }
}
