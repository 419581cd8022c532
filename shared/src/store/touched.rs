//! Lists persons by their entries in the access log, from its index `day`. No function has this port.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};

use super::log::OPERATORS;
use super::table::{Item, refused, text};
use super::{Result, StoreError, Table, keys};
use crate::domain::log::touched::{TouchedBy, TouchedPersons, TouchedSpan};
use crate::domain::{ExternalId, OwnerId, Time, Timing};
use crate::ports::port;

/// Number of shards that are read at once.
const AT_ONCE: usize = 16;
/// Maximum number of keys in one `BatchGetItem` (docs.aws.amazon.com, DynamoDB API reference, "BatchGetItem").
const BATCH_MAX: usize = 100;

port! {
    /// Lists persons by their entries in the access log.
    pub trait ReadTouched via HasStore {
        /// The persons with an entry of the access log within the span. The index is read eventually consistent, so
        /// entries of the last seconds can be missing.
        async fn touched(&self, span: TouchedSpan, by: &TouchedBy, timing: Timing) -> Result<TouchedPersons>;
        /// The persons' external ids. A person who is not linked is left out.
        async fn external_ids(&self, owners: &[OwnerId]) -> Result<HashMap<OwnerId, ExternalId>>;
    }
}

impl ReadTouched for Table {
    async fn touched(&self, span: TouchedSpan, by: &TouchedBy, timing: Timing) -> Result<TouchedPersons> {
        let partitions = span.days(timing).flat_map(keys::log_shards);
        let reads = partitions.map(|partition| self.touched_in(partition, span, by));
        let reads = futures_util::stream::iter(reads).buffer_unordered(AT_ONCE);
        let all = reads.try_fold(TouchedPersons::default(), async |mut all, persons| {
            all.extend(persons);
            Ok(all)
        });
        all.await
    }

    async fn external_ids(&self, owners: &[OwnerId]) -> Result<HashMap<OwnerId, ExternalId>> {
        let batches = owners.chunks(BATCH_MAX).map(links_of).collect::<Result<Vec<_>>>()?;
        let reads = batches.into_iter().map(|batch| self.external_ids_of(batch));
        let reads = futures_util::stream::iter(reads).buffer_unordered(AT_ONCE);
        reads
            .try_fold(HashMap::new(), async |mut all, some| {
                all.extend(some);
                Ok(all)
            })
            .await
    }
}

impl Table {
    /// The persons of one shard of a day.
    async fn touched_in(&self, partition: String, span: TouchedSpan, by: &TouchedBy) -> Result<TouchedPersons> {
        let call = self.client.query().table_name(&self.name).index_name("day");
        let call = call
            .key_condition_expression("logDay = :day AND sk BETWEEN :from AND :to")
            .projection_expression("pk, sk")
            .expression_attribute_values(":day", text(partition))
            .expression_attribute_values(":from", text(span.from.to_string()))
            // No character of a sort key follows `~`, so entries of the last millisecond are included.
            .expression_attribute_values(":to", text(format!("{}~", span.to)));
        let call = match restriction(by) {
            Some((name, value)) => call
                .filter_expression("#name = :value")
                .expression_attribute_names("#name", name)
                .expression_attribute_values(":value", text(value)),
            None => call,
        };
        let (mut persons, mut items) = (TouchedPersons::default(), call.into_paginator().items().send());
        while let Some(item) = items.next().await {
            let (owner, at) = read_touch(&item.map_err(|error| refused(&error))?)?;
            if owner.as_str() != OPERATORS {
                persons.add(owner, at);
            }
        }
        Ok(persons)
    }

    /// The ids of one batch. If DynamoDB leaves keys unread, they are requested again.
    async fn external_ids_of(&self, batch: KeysAndAttributes) -> Result<HashMap<OwnerId, ExternalId>> {
        let mut found = HashMap::new();
        let mut unread = Some(batch);
        while let Some(keys) = unread {
            let call = self.client.batch_get_item().request_items(&self.name, keys);
            let answer = call.send().await.map_err(|error| refused(&error))?;
            let items = answer.responses.and_then(|mut tables| tables.remove(&self.name));
            found.extend(items.unwrap_or_default().iter().filter_map(read_external_id));
            unread = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
        }
        Ok(found)
    }
}

/// The attribute that an entry must have, and its value.
fn restriction(by: &TouchedBy) -> Option<(&'static str, &str)> {
    match by {
        TouchedBy::Anyone => None,
        TouchedBy::Via(name) => Some(("via", name)),
        TouchedBy::Client(client) => Some(("who", client.as_str())),
    }
}

fn read_touch(item: &Item) -> Result<(OwnerId, Time)> {
    let read = || {
        let owner = keys::read_log_owner(attribute(item, "pk")?)?;
        let (at, _what) = attribute(item, "sk")?.split_once('#')?;
        Some((owner, Time::parse(at).ok()?))
    };
    read().ok_or(StoreError::Unreadable("entry of the access log"))
}

fn attribute<'i>(item: &'i Item, name: &str) -> Option<&'i String> {
    item.get(name)?.as_s().ok()
}

fn links_of(owners: &[OwnerId]) -> Result<KeysAndAttributes> {
    let keys = owners.iter().map(|owner| {
        let key = keys::patient(owner);
        HashMap::from([("pk".to_owned(), text(key.pk)), ("sk".to_owned(), text(key.sk))])
    });
    let keys = KeysAndAttributes::builder().set_keys(Some(keys.collect()));
    // `link` is not a reserved word today, but new ones are added.
    let keys = keys.projection_expression("pk, #link.externalId");
    let keys = keys.expression_attribute_names("#link", "link").build();
    keys.map_err(|_incomplete| StoreError::Refused("incomplete batch".to_owned()))
}

fn read_external_id(item: &Item) -> Option<(OwnerId, ExternalId)> {
    let owner = keys::read_owner(attribute(item, "pk")?)?;
    let link: &HashMap<String, AttributeValue> = item.get("link")?.as_m().ok()?;
    let id = ExternalId::parse(attribute(link, "externalId")?.as_str()).ok()?;
    Some((owner, id))
}
