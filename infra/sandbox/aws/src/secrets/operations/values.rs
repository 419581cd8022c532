//! Reading and writing values: `GetSecretValue`, `BatchGetSecretValue`, `PutSecretValue` and
//! `UpdateSecretVersionStage`.

use super::{Context, Named, ValueInput, epoch_secs, version_id};
use crate::secrets::refusal::Refusal;
use crate::secrets::store::Secret;
use crate::secrets::version::{CURRENT, SecretValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

const BATCH_MAX: usize = 20;

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
pub(super) struct BatchInput {
    #[serde(default)]
    secret_id_list: Vec<String>,
    filters: Option<Vec<Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchOutput {
    secret_values: Vec<ValueOutput>,
    errors: Vec<BatchError>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchError {
    secret_id: String,
    error_code: &'static str,
    message: String,
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MoveInput {
    secret_id: String,
    version_stage: String,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

pub(super) fn get(context: &Context<'_>, input: GetInput) -> Result<ValueOutput, Refusal> {
    let secret = context.store.find(&input.secret_id)?;
    read(secret, input.version_id.as_deref(), input.version_stage.as_deref())
}

/// One answer per id: what cannot be read is an error of its own. Filters are not supported here.
pub(super) fn batch_get(context: &Context<'_>, input: BatchInput) -> Result<BatchOutput, Refusal> {
    if input.filters.is_some() || !(1..=BATCH_MAX).contains(&input.secret_id_list.len()) {
        return Err(Refusal::InvalidParameter(
            "SecretIdList must have 1 to 20 entries, and no Filters.".to_owned(),
        ));
    }
    let mut output = BatchOutput {
        secret_values: Vec::new(),
        errors: Vec::new(),
    };
    for id in input.secret_id_list {
        match context.store.find(&id).and_then(|secret| read(secret, None, None)) {
            Ok(value) => output.secret_values.push(value),
            Err(refusal) => output.errors.push(BatchError {
                secret_id: id,
                error_code: refusal.code(),
                message: refusal.to_string(),
            }),
        }
    }
    Ok(output)
}

pub(super) fn put(context: &mut Context<'_>, input: PutInput) -> Result<PutOutput, Refusal> {
    let now_ms = context.now_ms;
    let secret = context.store.find_mut(&input.secret_id)?;
    secret.check_alive()?;
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

pub(super) fn move_stage(context: &mut Context<'_>, input: MoveInput) -> Result<Named, Refusal> {
    let secret = context.store.find_mut(&input.secret_id)?;
    secret.check_alive()?;
    let (from, to) = (
        input.remove_from_version_id.as_deref(),
        input.move_to_version_id.as_deref(),
    );
    secret.versions.move_stage(&input.version_stage, from, to)?;
    secret.changed_at_ms = context.now_ms;
    Ok(Named {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
    })
}

fn read(secret: &Secret, id: Option<&str>, stage: Option<&str>) -> Result<ValueOutput, Refusal> {
    secret.check_alive()?;
    let (version_id, version) = secret.versions.find(id, stage)?;
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
