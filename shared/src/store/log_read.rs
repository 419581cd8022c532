//! Reads the access log: one person's entries for the person, and the keys and leaves of a day for its seal.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{StreamExt as _, TryStreamExt as _};

use super::table::{Item, refused, text};
use super::{Result, StoreError, Table, keys};
use crate::domain::log::export::StoredEntry;
use crate::domain::log::seal::ShardEntries;
use crate::domain::log::{LogDay, LogHash, SHARDS};
use crate::domain::{OwnerId, Time};
use crate::ports::port;

/// A person's entries in the order of their sort keys.
pub struct LogEntries {
    /// The entries.
    pub entries: Vec<StoredEntry>,
    /// Whether others follow.
    pub more: bool,
}

/// A part of a person's log.
#[derive(Debug, Clone)]
pub struct LogSpan {
    /// The first time.
    pub from: Time,
    /// The sort key after which the part begins, if that is later.
    pub after: Option<String>,
    /// The time before which the part ends.
    pub until: Time,
    /// The maximum number of entries.
    pub max: u16,
}

port! {
    /// Reads the entries of one person.
    pub trait ReadLog via HasStore {
        /// The entries of the span, strongly consistent. DynamoDB answers with at most one megabyte, so fewer entries
        /// than the maximum may come although others follow.
        async fn read_log_entries(&self, owner: &OwnerId, span: LogSpan) -> Result<LogEntries>;
    }
}

port! {
    /// Reads the keys and leaves of all persons' entries, by day. Only `log-seal` has this port.
    pub trait ReadLogDays via HasStore {
        /// The leaves of one shard of a day. The index is read eventually consistent.
        async fn read_log_shard(&self, day: LogDay, shard: u8) -> Result<ShardEntries>;
        /// Whether the day has an entry.
        async fn has_log_entries(&self, day: LogDay) -> Result<bool>;
    }
}

impl ReadLog for Table {
    async fn read_log_entries(&self, owner: &OwnerId, span: LogSpan) -> Result<LogEntries> {
        let from = span.from.to_string();
        // The next possible key: no character of a sort key precedes `!`.
        let after = span.after.map(|after| format!("{after}!"));
        let from = after.filter(|after| *after > from).unwrap_or(from);
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let call = call
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
            .projection_expression("sk, entry")
            .expression_attribute_values(":pk", text(keys::log_partition_of(owner)))
            .expression_attribute_values(":from", text(from))
            // An entry of this time has a longer key, so it is left out.
            .expression_attribute_values(":until", text(span.until.to_string()))
            .limit(span.max.into());
        let answer = call.send().await.map_err(|error| refused(&error))?;
        let items = answer.items.unwrap_or_default();
        Ok(LogEntries {
            entries: items.iter().map(read_entry).collect::<Result<_>>()?,
            more: answer.last_evaluated_key.is_some(),
        })
    }
}

impl ReadLogDays for Table {
    async fn read_log_shard(&self, day: LogDay, shard: u8) -> Result<ShardEntries> {
        let call = self.client.query().table_name(&self.name).index_name("day");
        let call = call
            .key_condition_expression("logDay = :day")
            .projection_expression("pk, leaf")
            .expression_attribute_values(":day", text(keys::log_shard(day, shard)));
        let (mut entries, mut items) = (ShardEntries::default(), call.into_paginator().items().send());
        while let Some(item) = items.next().await {
            let (owner, leaf) = read_leaf(&item.map_err(|error| refused(&error))?)?;
            entries.add(owner, leaf);
        }
        Ok(entries)
    }

    async fn has_log_entries(&self, day: LogDay) -> Result<bool> {
        let shards = (0..SHARDS).map(|shard| self.has_entries_in(keys::log_shard(day, shard)));
        let shards = futures_util::stream::iter(shards).buffer_unordered(SHARDS.into());
        shards.try_any(async |has_entries| has_entries).await
    }
}

impl Table {
    async fn has_entries_in(&self, partition: String) -> Result<bool> {
        let call = self.client.query().table_name(&self.name).index_name("day");
        let call = call
            .key_condition_expression("logDay = :day")
            .expression_attribute_values(":day", text(partition))
            .limit(1);
        let answer = call.send().await.map_err(|error| refused(&error))?;
        Ok(!answer.items.unwrap_or_default().is_empty())
    }
}

fn attribute<'i>(item: &'i HashMap<String, AttributeValue>, name: &str) -> Option<&'i String> {
    item.get(name)?.as_s().ok()
}

fn read_entry(item: &Item) -> Result<StoredEntry> {
    let read = || {
        Some(StoredEntry::new(
            attribute(item, "sk")?.clone(),
            attribute(item, "entry")?.clone(),
        ))
    };
    read().ok_or(StoreError::Unreadable("entry of the access log"))
}

fn read_leaf(item: &Item) -> Result<(OwnerId, LogHash)> {
    let read = || {
        let owner = keys::read_log_owner(attribute(item, "pk")?)?;
        Some((owner, LogHash::try_from(attribute(item, "leaf")?.clone()).ok()?))
    };
    read().ok_or(StoreError::Unreadable("leaf of the access log"))
}
