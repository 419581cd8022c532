//! `DescribeSecret` and `ListSecrets`: everything about secrets but their values.

use super::{Context, OnSecret, epoch_secs};
use crate::secrets::refusal::Refusal;
use crate::secrets::store::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListInput {
    max_results: Option<usize>,
    /// The name of the last secret of the page before.
    next_token: Option<String>,
    #[serde(default)]
    include_planned_deletion: bool,
    filters: Option<Vec<Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    secret_list: Vec<ListedSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListedSecret {
    #[serde(flatten)]
    about: About,
    secret_versions_to_stages: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    #[serde(flatten)]
    about: About,
    version_ids_to_stages: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct About {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
    rotation_enabled: bool,
    created_date: Value,
    last_changed_date: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_date: Option<Value>,
}

pub(super) fn describe(context: &Context<'_>, input: OnSecret) -> Result<Described, Refusal> {
    let secret = context.store.find(&input.secret_id)?;
    Ok(Described {
        about: about(secret),
        version_ids_to_stages: stages(secret),
    })
}

/// By name, in pages. Filters are not supported here.
pub(super) fn list(context: &Context<'_>, input: ListInput) -> Result<Listed, Refusal> {
    if input.filters.is_some_and(|filters| !filters.is_empty()) {
        return Err(Refusal::InvalidParameter("Filters are not supported.".to_owned()));
    }
    let page = input.max_results.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let shown = |secret: &&Secret| input.include_planned_deletion || secret.deletion_at_ms.is_none();
    let after = |secret: &&Secret| input.next_token.as_ref().is_none_or(|last| secret.name > *last);
    let mut rest = context.store.iter().filter(shown).filter(after).peekable();
    let listed: Vec<&Secret> = rest.by_ref().take(page).collect();
    let more = rest.peek().is_some();
    let next_token = listed.last().filter(|_| more).map(|secret| secret.name.clone());
    let present = |secret: &Secret| ListedSecret {
        about: about(secret),
        secret_versions_to_stages: stages(secret),
    };
    Ok(Listed {
        secret_list: listed.into_iter().map(present).collect(),
        next_token,
    })
}

fn about(secret: &Secret) -> About {
    About {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        description: secret.description.clone(),
        kms_key_id: secret.kms_key_id.clone(),
        rotation_enabled: false,
        created_date: epoch_secs(secret.created_at_ms),
        last_changed_date: epoch_secs(secret.changed_at_ms),
        deleted_date: secret.deletion_at_ms.map(epoch_secs),
    }
}

fn stages(secret: &Secret) -> BTreeMap<String, BTreeSet<String>> {
    secret
        .versions
        .iter()
        .map(|(id, version)| (id.clone(), version.stages.clone()))
        .collect()
}
