//! Overdue work of all persons. The read is not scoped to a person; it returns keys and numbers only.

use serde::Deserialize;

use super::table::{Item, from_item, number, refused, text};
use super::{Result, StoreError, Table, keys};
use crate::domain::{OwnerId, PullId, RecordId, Time};
use crate::message::{AccountSubject, Advance, Subject, VERSION};
use crate::ports::port;

/// A pull or record that is overdue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The message that advances it.
    pub advance: Advance,
    /// When it was due.
    pub due_at: Time,
}

port! {
    /// Reads overdue work.
    pub trait ReadDue via HasStore {
        /// The work that was due at or before `before`: at most `limit` items of each shard, the oldest first within a
        /// shard.
        async fn overdue(&self, before: Time, limit: i32) -> Result<Vec<Due>>;
    }
}

port! {
    /// Reads due work of `account-work`, except erasures.
    pub trait ReadDueAccountWork via HasStore {
        /// The work that was due at or before `before`, the oldest first, from at most `limit` items.
        async fn due_account_work(&self, before: Time, limit: i32) -> Result<Vec<AccountSubject>>;
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueRow {
    pk: String,
    sk: String,
    due_at: Time,
    due_seq: u64,
}

impl ReadDue for Table {
    async fn overdue(&self, before: Time, limit: i32) -> Result<Vec<Due>> {
        let shards = (0..keys::DUE_SHARDS).map(|shard| self.shard(keys::due_shard_name(shard), before, limit));
        let found = futures_util::future::try_join_all(shards).await?;
        let found = found.into_iter().flatten();
        Ok(found.filter_map(|item| readable(read_due(item))).collect())
    }
}

impl ReadDueAccountWork for Table {
    async fn due_account_work(&self, before: Time, limit: i32) -> Result<Vec<AccountSubject>> {
        let found = self.shard(keys::DUE_ACCOUNT_WORK.to_owned(), before, limit).await?;
        let found = found.into_iter();
        Ok(found.filter_map(|item| readable(read_account_work(item))).collect())
    }
}

impl Table {
    async fn shard(&self, shard: String, before: Time, limit: i32) -> Result<Vec<Item>> {
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("due")
            .limit(limit);
        let answer = call
            .key_condition_expression("dueShard = :shard AND dueAt <= :before")
            .expression_attribute_values(":shard", text(shard))
            .expression_attribute_values(":before", number(before.millis()))
            .send()
            .await
            .map_err(|error| refused(&error))?;
        Ok(answer.items.unwrap_or_default())
    }
}

/// An unreadable item is logged and skipped, so that it does not block the others.
fn readable<T>(read: Result<T>) -> Option<T> {
    match read {
        Ok(due) => Some(due),
        Err(error) => {
            let context = error.to_string();
            tracing::error!(context, "an item of the due index cannot be read");
            None
        }
    }
}

fn read_due(item: Item) -> Result<Due> {
    let row: DueRow = from_item(item, "due item")?;
    let subject = row
        .sk
        .strip_prefix(keys::PULL)
        .and_then(|id| PullId::parse(id).ok())
        .map(Subject::Pull);
    let subject = subject.or_else(|| {
        row.sk
            .strip_prefix(keys::RECORD)
            .and_then(|id| RecordId::parse(id).ok())
            .map(Subject::Record)
    });
    match (keys::read_owner(&row.pk), subject) {
        (Some(owner), Some(subject)) => Ok(Due {
            advance: advance(owner, subject, row.due_seq),
            due_at: row.due_at,
        }),
        _ => Err(StoreError::Unreadable("due item")),
    }
}

const fn advance(owner: OwnerId, subject: Subject, due_seq: u64) -> Advance {
    Advance {
        version: VERSION,
        owner,
        subject,
        due_seq,
    }
}

#[derive(Deserialize)]
struct DueAccountRow {
    pk: String,
    sk: String,
}

fn read_account_work(item: Item) -> Result<AccountSubject> {
    let row: DueAccountRow = from_item(item, "due account work")?;
    let owner = keys::read_owner(&row.pk).ok_or(StoreError::Unreadable("due account work"))?;
    match (row.sk.as_str(), keys::read_export(&row.sk)) {
        (keys::RETENTION, _) => Ok(AccountSubject::Retention(owner)),
        (_, Some(number)) => Ok(AccountSubject::Export { owner, number }),
        _ => Err(StoreError::Unreadable("due account work")),
    }
}
