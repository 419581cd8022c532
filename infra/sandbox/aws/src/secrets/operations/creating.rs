//! `CreateSecret`.

use super::{Context, Named, ValueInput, version_id};
use crate::ambient;
use crate::secrets::refusal::Refusal;
use crate::secrets::store::NewSecret;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateInput {
    name: String,
    client_request_token: Option<String>,
    #[serde(flatten)]
    value: ValueInput,
}

/// A secret without a value has no version.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Created {
    #[serde(flatten)]
    named: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
}

pub(super) fn create(context: &mut Context<'_>, input: CreateInput) -> Result<Created, Refusal> {
    let (value, token) = (input.value.parse()?, version_id(input.client_request_token));
    let version_id = value.is_some().then(|| token.clone());
    let new = NewSecret {
        name: input.name,
        value,
        token,
    };
    let secret = context
        .store
        .create(new, context.region, ambient::new_id(), context.now_ms)?;
    Ok(Created {
        named: Named {
            arn: secret.arn.clone(),
            name: secret.name.clone(),
        },
        version_id,
    })
}
