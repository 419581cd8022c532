//! `ListSecrets`: all data of the secrets except their values, sorted by name, in one page.

use super::{Context, epoch_secs};
use crate::secrets::refusal::Refusal;
use crate::secrets::store::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListInput {
    filters: Option<Vec<Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    secret_list: Vec<ListedSecret>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListedSecret {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    created_date: Value,
    last_changed_date: Value,
    tags: Vec<ListedTag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListedTag {
    key: String,
    value: String,
}

pub(super) fn list(context: &Context<'_>, input: ListInput) -> Result<Listed, Refusal> {
    if input.filters.is_some_and(|filters| !filters.is_empty()) {
        return Err(Refusal::InvalidParameter("Filters are not supported.".to_owned()));
    }
    Ok(Listed {
        secret_list: context.store.iter().map(present).collect(),
    })
}

fn present(secret: &Secret) -> ListedSecret {
    ListedSecret {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        created_date: epoch_secs(secret.created_at_ms),
        last_changed_date: epoch_secs(secret.changed_at_ms),
        tags: secret.tags.iter().map(present_tag).collect(),
    }
}

fn present_tag((key, value): (&String, &String)) -> ListedTag {
    ListedTag {
        key: key.clone(),
        value: value.clone(),
    }
}
