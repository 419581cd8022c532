//! The operations of Secrets Manager, from JSON to JSON.

mod creating;
mod listing;
mod values;

use super::refusal::Refusal;
use super::store::Store;
use super::version::SecretValue;
use crate::ambient;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) struct Context<'a> {
    pub(super) store: &'a mut Store,
    pub(super) region: &'a str,
    pub(super) now_ms: u64,
}

pub(super) fn writes(operation: &str) -> bool {
    !matches!(operation, "GetSecretValue" | "ListSecrets")
}

pub(super) fn run(context: &mut Context<'_>, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
    match operation {
        "GetSecretValue" => answer(values::get(context, parse(body)?)),
        "PutSecretValue" => answer(values::put(context, parse(body)?)),
        "CreateSecret" => answer(creating::create(context, parse(body)?)),
        "ListSecrets" => answer(listing::list(context, parse(body)?)),
        other => Err(Refusal::NotEmbedded(other.to_owned())),
    }
}

/// The fields that identify a secret in an output.
#[derive(Serialize)]
struct Named {
    #[serde(rename = "ARN")]
    arn: String,
    #[serde(rename = "Name")]
    name: String,
}

/// The value in a request: text or bytes, not both.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ValueInput {
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

impl ValueInput {
    fn parse(self) -> Result<Option<SecretValue>, Refusal> {
        match (self.secret_string, self.secret_binary) {
            (Some(text), None) => Ok(Some(SecretValue::Text(text))),
            (None, Some(base64)) => Ok(Some(SecretValue::Base64(base64))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                let reason = "You can't specify both SecretString and SecretBinary.";
                Err(Refusal::InvalidParameter(reason.to_owned()))
            }
        }
    }
}

/// The new version's id: the caller's token, or a random id. SDKs send a token; plain HTTP clients may omit it.
fn version_id(token: Option<String>) -> String {
    token.unwrap_or_else(|| ambient::new_id().to_string())
}

/// Secrets Manager writes timestamps in seconds with a fraction.
fn epoch_secs(at_ms: u64) -> Value {
    let (secs, millis) = (at_ms / 1_000, at_ms % 1_000);
    format!("{secs}.{millis:03}")
        .parse()
        .map(Value::Number)
        .unwrap_or(Value::Null)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Refusal::InvalidParameter("A parameter is missing or has another type.".to_owned())
        }
        _ => Refusal::Serialization,
    })
}

fn answer<T: Serialize>(output: Result<T, Refusal>) -> Result<Value, Refusal> {
    serde_json::to_value(output?).map_err(|error| Refusal::InvalidRequest(error.to_string()))
}
