//! Overdue work of all persons. The read is not scoped to a person; it returns keys and numbers only.

use serde::Deserialize;

use super::table::{Item, from_item, number, refused, text};
use super::{Result, StoreError, Table, keys};
use crate::domain::{OwnerId, PullId, RecordId, Time};
use crate::message::{Advance, Subject, VERSION};
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
        Ok(found.into_iter().flatten().filter_map(readable).collect())
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
fn readable(item: Item) -> Option<Due> {
    match read_due(item) {
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
