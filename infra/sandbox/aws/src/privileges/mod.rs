//! Permissions that a request needs, in the terms of IAM policies: actions, resources and condition keys
//! (docs.aws.amazon.com, Service Authorization Reference, "Actions, resources, and condition keys" for Amazon DynamoDB,
//! Amazon SQS, Amazon S3, AWS Secrets Manager, AWS KMS and AWS STS).
//!
//! The [`Authorizer`] decides, because this crate does not know the policies. This module lists the needs of the
//! operations that it models, and reports the needs of all other operations as unknown.

mod dynamodb;
mod services;

use crate::dynamodb::TableSpec;
use crate::gate::{BODY_BYTES_MAX, Call, Service};
use crate::kms::Kms;
use crate::refused;
use crate::secrets::Secrets;
use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// One permission that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// For example `dynamodb:PutItem`.
    pub action: String,
    /// The ARN of the resource that the action works on.
    pub resource: String,
    /// The condition key `dynamodb:LeadingKeys`: the partition keys of the items that the request names. Empty if the
    /// request names no items; the request then lacks this condition key.
    pub leading_keys: Vec<String>,
}

/// A permission that the caller lacks. The refusal names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// For example `dynamodb:PutItem`.
    pub action: String,
    /// The ARN, or `*` if the resource is unknown.
    pub resource: String,
}

/// Decides whether a caller has every permission that a request needs. `None` stands for a request with unknown needs.
/// It must not block: the caller waits for it.
pub type Authorizer = Arc<dyn Fn(&Call, Option<&[Need]>) -> Result<(), Lacking> + Send + Sync>;

impl Lacking {
    /// The refusal of a request with unknown needs.
    pub fn untold(call: &Call) -> Lacking {
        Lacking {
            action: format!("{}:{}", call.service, call.operation),
            resource: "*".to_owned(),
        }
    }
}

/// The partition key attributes of a table, and of its indexes by index name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionKeys {
    table: String,
    indexes: BTreeMap<String, String>,
}

impl PartitionKeys {
    pub(crate) fn of(spec: &TableSpec) -> PartitionKeys {
        let indexes = spec.gsis.iter();
        PartitionKeys {
            table: spec.hash_key.name.clone(),
            indexes: indexes
                .map(|index| (index.name.clone(), index.hash_key.name.clone()))
                .collect(),
        }
    }
}

/// The tables that [`crate::Aws::create_table`] made, by name. The leading keys of other tables are unknown.
pub(crate) type Tables = Arc<RwLock<BTreeMap<String, PartitionKeys>>>;

/// The authorizer, and the data that turns requests into needs.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) authorizer: Authorizer,
    pub(crate) region: String,
    pub(crate) tables: Tables,
    pub(crate) secrets: Secrets,
    pub(crate) kms: Kms,
}

impl Authorization {
    pub(crate) async fn check(&self, call: &Call, parts: &Parts, body: Body) -> Result<Body, Response> {
        let (needs, body) = match call.service {
            Service::S3 => (services::s3(&call.operation, &parts.uri), body),
            Service::Sts => (services::sts(&call.operation), body),
            Service::DynamoDb | Service::Sqs | Service::SecretsManager | Service::Kms => self.read(call, body).await?,
        };
        match (self.authorizer)(call, needs.as_deref()) {
            Ok(()) => Ok(body),
            Err(lacking) => {
                refused::read_to_end(body, call.service).await;
                Err(refused::denied(call, &lacking))
            }
        }
    }

    /// Reads the needs from the request's body, which is small.
    async fn read(&self, call: &Call, body: Body) -> Result<(Option<Vec<Need>>, Body), Response> {
        let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else {
            return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        };
        // A body that is not JSON has unknown needs. If the authorizer nevertheless allows the request, the service
        // refuses the body.
        let needs = serde_json::from_slice(&bytes)
            .ok()
            .and_then(|request| self.needs(call, &request));
        Ok((needs, Body::from(bytes)))
    }

    fn needs(&self, call: &Call, request: &Value) -> Option<Vec<Need>> {
        let operation = call.operation.as_str();
        match call.service {
            Service::DynamoDb => {
                let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
                dynamodb::needs(operation, request, &self.region, &tables)
            }
            Service::Sqs => services::sqs(operation, request, &self.region),
            Service::SecretsManager => services::secrets(operation, request, |id| self.secrets.arn(id)),
            Service::Kms => services::kms(operation, request, |id| self.kms.arn(id)),
            Service::S3 | Service::Sts => None,
        }
    }
}
