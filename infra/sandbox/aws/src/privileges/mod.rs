//! What a request asks of its caller's policies, in their own words: actions, resources and condition keys
//! (docs.aws.amazon.com, Service Authorization Reference, "Actions, resources, and condition keys" for Amazon DynamoDB,
//! Amazon SQS, Amazon S3 and AWS Secrets Manager).
//!
//! Who may do what is the [`Authorizer`]'s to decide; this crate knows no policy. It tells what a request needs of the
//! operations that are modelled here, and that it cannot tell of all others.

mod dynamodb;
mod services;

use crate::dynamodb::TableSpec;
use crate::gate::{BODY_BYTES_MAX, Call, Service};
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
    /// Such as `dynamodb:PutItem`.
    pub action: String,
    /// The ARN of what the action is done to.
    pub resource: String,
    /// The condition key `dynamodb:LeadingKeys`: the partition keys of the items that are named. Empty for requests
    /// that name none, which have no such key.
    pub leading_keys: Vec<String>,
}

/// What a caller has no permission for; it is told so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// Such as `dynamodb:PutItem`.
    pub action: String,
    /// The ARN, or `*` where there is none.
    pub resource: String,
}

/// Decides whether a caller has everything that a request needs. `None` stands for a request whose needs cannot be
/// told. It must not block: the caller waits for it.
pub type Authorizer = Arc<dyn Fn(&Call, Option<&[Need]>) -> Result<(), Lacking> + Send + Sync>;

impl Lacking {
    /// All that can be said of a request whose needs cannot be told.
    pub fn untold(call: &Call) -> Lacking {
        Lacking {
            action: format!("{}:{}", call.service, call.operation),
            resource: "*".to_owned(),
        }
    }
}

/// The key attributes of a table, and of its indexes by their names.
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

/// Tables by name. Only those that [`crate::Aws::create_table`] made are known: of others no leading key can be told.
pub(crate) type Tables = Arc<RwLock<BTreeMap<String, PartitionKeys>>>;

/// The authorizer, with what is needed to put requests into its words.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) authorizer: Authorizer,
    pub(crate) region: String,
    pub(crate) tables: Tables,
    pub(crate) secrets: Secrets,
}

impl Authorization {
    /// Asks about one call. The body comes back as it was, or the refusal in its stead.
    pub(crate) async fn check(&self, call: &Call, parts: &Parts, body: Body) -> Result<Body, Response> {
        let (needs, body) = match call.service {
            Service::S3 => (services::s3(&call.operation, &parts.uri), body),
            Service::DynamoDb | Service::Sqs | Service::SecretsManager => self.read(call, body).await?,
        };
        match (self.authorizer)(call, needs.as_deref()) {
            Ok(()) => Ok(body),
            Err(lacking) => {
                refused::read_to_end(body, call.service).await;
                Err(refused::denied(call, &lacking))
            }
        }
    }

    /// The needs of a request that stand in its body, which is small.
    async fn read(&self, call: &Call, body: Body) -> Result<(Option<Vec<Need>>, Body), Response> {
        let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else {
            return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        };
        // What is no JSON is refused by the service, in its own words, to whoever may call it at all.
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
            Service::S3 => None,
        }
    }
}
