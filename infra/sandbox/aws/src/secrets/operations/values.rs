//! Reads and writes values: `GetSecretValue` and `PutSecretValue`.

use super::{Context, ValueInput, epoch_secs, version_id};
use crate::secrets::refusal::Refusal;
use crate::secrets::version::{CURRENT, SecretValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetInput {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ValueOutput {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    version_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_binary: Option<String>,
    version_stages: BTreeSet<String>,
    created_date: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutInput {
    secret_id: String,
    client_request_token: Option<String>,
    version_stages: Option<Vec<String>>,
    #[serde(flatten)]
    value: ValueInput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutOutput {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    version_id: String,
    version_stages: BTreeSet<String>,
}

pub(super) fn get(context: &Context<'_>, input: GetInput) -> Result<ValueOutput, Refusal> {
    let secret = context.store.find(&input.secret_id)?;
    let found = secret
        .versions
        .find(input.version_id.as_deref(), input.version_stage.as_deref());
    let (version_id, version) = found?;
    let (secret_string, secret_binary) = match &version.value {
        SecretValue::Text(text) => (Some(text.clone()), None),
        SecretValue::Base64(base64) => (None, Some(base64.clone())),
    };
    Ok(ValueOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        version_id: version_id.to_owned(),
        secret_string,
        secret_binary,
        version_stages: version.stages.clone(),
        created_date: epoch_secs(version.created_at_ms),
    })
}

pub(super) fn put(context: &mut Context<'_>, input: PutInput) -> Result<PutOutput, Refusal> {
    let now_ms = context.now_ms;
    let secret = context.store.find_mut(&input.secret_id)?;
    let missing = || Refusal::InvalidRequest("You must provide either SecretString or SecretBinary.".to_owned());
    let value = input.value.parse()?.ok_or_else(missing)?;
    let id = version_id(input.client_request_token);
    let stages = input.version_stages.unwrap_or_else(|| vec![CURRENT.to_owned()]);
    secret.versions.put(&id, value, &stages, &secret.name, now_ms)?;
    secret.changed_at_ms = now_ms;
    let (_, version) = secret.versions.find(Some(&id), None)?;
    let version_stages = version.stages.clone();
    Ok(PutOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        version_id: id,
        version_stages,
    })
}
