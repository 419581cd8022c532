//! Reads of the table, and the mapping of DynamoDB's errors.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::Key;
use super::log::LogWriter;
use super::{Result, StoreError};
use crate::config::{ConfigError, Env};
use crate::metrics::Metrics;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The table of one deployment.
#[derive(Clone)]
pub struct Table {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) metrics: Metrics,
    pub(super) log: Option<LogWriter>,
}

impl Table {
    /// Reads `TABLE_NAME`.
    ///
    /// # Errors
    /// Fails if the variable is missing.
    pub fn read(client: &Client, env: &Env) -> std::result::Result<Self, ConfigError> {
        Ok(Self {
            client: client.clone(),
            name: env.required("TABLE_NAME")?.to_owned(),
            metrics: Metrics::off(),
            log: None,
        })
    }

    /// Counts started pulls, ended pulls and ended records, each after the write that starts or ends it.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Reads one item, strongly consistent.
    pub(super) async fn get<T: DeserializeOwned>(&self, key: Key, what: &'static str) -> Result<Option<T>> {
        let call = self.client.get_item().table_name(&self.name).consistent_read(true);
        let answer = call
            .key("pk", text(key.pk))
            .key("sk", text(key.sk))
            .send()
            .await
            .map_err(|e| refused(&e))?;
        answer.item.map(|item| from_item(item, what)).transpose()
    }

    /// Reads those items of a partition whose sort key begins with `prefix`, up to `limit`. They are sorted by id,
    /// newest first if `newest`.
    pub(super) async fn list<T: DeserializeOwned>(&self, page: Page<'_>, what: &'static str) -> Result<Vec<T>> {
        let answer = self
            .query(page.partition, page.prefix)
            .scan_index_forward(!page.newest)
            .limit(page.limit)
            .send()
            .await
            .map_err(|e| refused(&e))?;
        answer
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|item| from_item(item, what))
            .collect()
    }

    /// Reads all items of a partition whose sort key begins with `prefix`, newest first. DynamoDB answers with at most
    /// one megabyte at a time (`Query` in the DynamoDB API Reference).
    pub(super) async fn list_all<T: DeserializeOwned>(
        &self,
        partition: String,
        prefix: &str,
        what: &'static str,
    ) -> Result<Vec<T>> {
        let pages = self.query(partition, prefix).scan_index_forward(false).into_paginator();
        let items = pages.items().send().try_collect().await.map_err(|e| refused(&e))?;
        items.into_iter().map(|item| from_item(item, what)).collect()
    }

    /// Reads all rows of a partition of the due index, the earliest due time first. The index is read eventually
    /// consistent, so a row of the last seconds can be missing.
    pub(super) async fn list_due(&self, shard: &str) -> Result<Vec<Item>> {
        let call = self.client.query().table_name(&self.name).index_name("due");
        let call = call
            .key_condition_expression("dueShard = :shard")
            .expression_attribute_values(":shard", text(shard));
        let items = call.into_paginator().items().send();
        items.try_collect().await.map_err(|e| refused(&e))
    }

    /// Asks for the items of a partition whose sort key begins with `prefix`, strongly consistent.
    fn query(&self, partition: String, prefix: &str) -> QueryFluentBuilder {
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        call.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":prefix", text(prefix))
    }

    /// Reads the items of a partition between two sort keys, both included, into a map by sort key.
    pub(super) async fn between(&self, partition: String, from: &str, to: &str) -> Result<HashMap<String, Item>> {
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let answer = call
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .send()
            .await
            .map_err(|e| refused(&e))?;
        let sort_key = |item: &Item| item.get("sk").and_then(|sk| sk.as_s().ok()).cloned();
        let items = answer.items.unwrap_or_default().into_iter();
        Ok(items.filter_map(|item| Some((sort_key(&item)?, item))).collect())
    }
}

pub(super) struct Page<'a> {
    pub(super) partition: String,
    pub(super) prefix: &'a str,
    pub(super) newest: bool,
    pub(super) limit: i32,
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn from_item<T: DeserializeOwned>(item: Item, what: &'static str) -> Result<T> {
    serde_dynamo::from_item(item).map_err(|_holds_data| StoreError::Unreadable(what))
}

pub(super) fn to_item(key: Key, value: &impl Serialize, what: &'static str) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(|_holds_data| StoreError::Unreadable(what))?;
    item.insert("pk".to_owned(), text(key.pk));
    item.insert("sk".to_owned(), text(key.sk));
    Ok(item)
}

/// Maps an SDK error by its code. A failure is never read as "not found".
pub(super) fn refused<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> StoreError {
    let code = crate::aws::aws_code(error).to_owned();
    let transient = matches!(
        code.as_str(),
        "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "TransactionConflictException"
            | "TransactionInProgressException"
    );
    match error {
        SdkError::ServiceError(_) if !transient => StoreError::Refused(code),
        _ => StoreError::Unavailable(code),
    }
}
