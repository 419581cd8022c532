//! `CreateSecret`, `UpdateSecret`, `DeleteSecret` and `RestoreSecret`.

use super::{Context, Named, OnSecret, ValueInput, epoch_secs, version_id};
use crate::ambient;
use crate::secrets::refusal::Refusal;
use crate::secrets::store::NewSecret;
use crate::secrets::version::CURRENT;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const DAY_MS: u64 = 86_400_000;
const RECOVERY_DAYS_DEFAULT: u64 = 30;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateInput {
    name: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    #[serde(flatten)]
    value: ValueInput,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateInput {
    secret_id: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    #[serde(flatten)]
    value: ValueInput,
}

/// Creating and updating answer alike; without a value there is no version.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Written {
    #[serde(flatten)]
    named: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteInput {
    secret_id: String,
    recovery_window_in_days: Option<u64>,
    #[serde(default)]
    force_delete_without_recovery: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Deleted {
    #[serde(flatten)]
    named: Named,
    deletion_date: Value,
}

pub(super) fn create(context: &mut Context<'_>, input: CreateInput) -> Result<Written, Refusal> {
    let (value, token) = (input.value.parse()?, version_id(input.client_request_token));
    let version_id = value.is_some().then(|| token.clone());
    let new = NewSecret {
        name: input.name,
        description: input.description,
        kms_key_id: input.kms_key_id,
        value,
        token,
    };
    let secret = context
        .store
        .create(new, context.region, ambient::new_id(), context.now_ms)?;
    Ok(Written {
        named: Named {
            arn: secret.arn.clone(),
            name: secret.name.clone(),
        },
        version_id,
    })
}

pub(super) fn update(context: &mut Context<'_>, input: UpdateInput) -> Result<Written, Refusal> {
    let now_ms = context.now_ms;
    let secret = context.store.find_mut(&input.secret_id)?;
    secret.check_alive()?;
    let version = input
        .value
        .parse()?
        .map(|value| (version_id(input.client_request_token), value));
    let written = version.as_ref().map(|(id, _)| id.clone());
    if let Some((id, value)) = version {
        secret
            .versions
            .put(&id, value, &[CURRENT.to_owned()], &secret.name, now_ms)?;
    }
    secret.description = input.description.or(secret.description.take());
    secret.kms_key_id = input.kms_key_id.or(secret.kms_key_id.take());
    secret.changed_at_ms = now_ms;
    Ok(Written {
        named: Named {
            arn: secret.arn.clone(),
            name: secret.name.clone(),
        },
        version_id: written,
    })
}

pub(super) fn delete(context: &mut Context<'_>, input: DeleteInput) -> Result<Deleted, Refusal> {
    let now_ms = context.now_ms;
    let days = input.recovery_window_in_days.unwrap_or(RECOVERY_DAYS_DEFAULT);
    if !(7..=30).contains(&days) {
        let reason = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).";
        return Err(Refusal::InvalidParameter(reason.to_owned()));
    }
    let secret = context.store.find_mut(&input.secret_id)?;
    let named = Named {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
    };
    if input.force_delete_without_recovery {
        context.store.remove(&named.name);
        return Ok(Deleted {
            named,
            deletion_date: epoch_secs(now_ms),
        });
    }
    secret.check_alive()?;
    let at_ms = now_ms + days * DAY_MS;
    secret.deletion_at_ms = Some(at_ms);
    Ok(Deleted {
        named,
        deletion_date: epoch_secs(at_ms),
    })
}

pub(super) fn restore(context: &mut Context<'_>, input: OnSecret) -> Result<Named, Refusal> {
    let secret = context.store.find_mut(&input.secret_id)?;
    secret.deletion_at_ms = None;
    Ok(Named {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
    })
}
