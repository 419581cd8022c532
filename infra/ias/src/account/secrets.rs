//! The secrets of a stack, found by CloudFormation's tags (docs.aws.amazon.com, "Resource tags"), so that the operator
//! need not copy ARNs. Without tags, as in an emulator, a secret is found by its name.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::types::SecretListEntry;
use secrecy::{ExposeSecret, SecretString};
use shared::config::Env;
use shared::secrets::{self, SecretError};

const STACK_TAG: &str = "aws:cloudformation:stack-name";
const RESOURCE_TAG: &str = "aws:cloudformation:logical-id";
/// The template sets this tag to the value of `AcceptUnboundDemographics`.
const UNBOUND_TAG: &str = "individual-access:accept-unbound-demographics";

/// A secret of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackSecret {
    /// Metriport's API key.
    ApiKey,
    /// The webhook keys.
    WebhookKeys,
    /// The owner key.
    OwnerKey,
}

impl StackSecret {
    const fn logical_id(self) -> &'static str {
        match self {
            Self::ApiKey => "MetriportApiKeySecret",
            Self::WebhookKeys => "WebhookKeysSecret",
            Self::OwnerKey => "OwnerKeySecret",
        }
    }

    /// The variable by which the functions find the secret.
    const fn variable(self) -> &'static str {
        match self {
            Self::ApiKey => "METRIPORT_API_KEY_SECRET",
            Self::WebhookKeys => "WEBHOOK_KEYS_SECRET",
            Self::OwnerKey => "OWNER_KEY_SECRET",
        }
    }
}

/// The secrets of one stack.
pub struct StackSecrets {
    client: Client,
    stack: String,
}

impl StackSecrets {
    /// Takes the region and the credentials from `env`.
    ///
    /// # Errors
    /// Fails if a variable is missing.
    pub fn of(env: &Env, stack: &str) -> Result<Self, String> {
        let aws = shared::aws::Aws::read(env).map_err(|error| error.to_string())?;
        Ok(Self {
            client: aws.secrets(),
            stack: stack.to_owned(),
        })
    }

    /// Reads a secret as the functions do.
    pub(crate) async fn read(&self, secret: StackSecret) -> Result<SecretString, String> {
        let read = self.text(secret).await?;
        read.map_err(|error| render_secret_error(secret, &error))
    }

    /// Reads a secret; `None` if it has no value yet.
    pub(crate) async fn read_if_any(&self, secret: StackSecret) -> Result<Option<SecretString>, String> {
        match self.text(secret).await? {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_nothing() => Ok(None),
            Err(error) => Err(render_secret_error(secret, &error)),
        }
    }

    async fn text(&self, secret: StackSecret) -> Result<Result<SecretString, SecretError>, String> {
        let env = Env::from_vars([(secret.variable().to_owned(), self.arn(secret).await?)]);
        Ok(secrets::text(&self.client, &env, secret.variable()).await)
    }

    /// Stores a new value in a secret.
    ///
    /// # Errors
    /// Fails if the secret is not found, or if Secrets Manager refuses the value.
    pub async fn store(&self, secret: StackSecret, value: &SecretString) -> Result<(), String> {
        let call = self.client.put_secret_value().secret_id(self.arn(secret).await?);
        let stored = call.secret_string(value.expose_secret()).send().await;
        stored.map(drop).map_err(|error| failed("storing the secret", &error))
    }

    /// Whether the stack accepts demographics without a binding claim; `None` if its template is too old to set the
    /// tag.
    pub(crate) async fn accepts_unbound_demographics(&self) -> Result<Option<bool>, String> {
        let entry = self.entry(StackSecret::ApiKey).await?;
        Ok(tag(&entry, UNBOUND_TAG).map(|accepts| accepts == "true"))
    }

    async fn arn(&self, secret: StackSecret) -> Result<String, String> {
        Ok(self.entry(secret).await?.arn.unwrap_or_default())
    }

    async fn entry(&self, secret: StackSecret) -> Result<SecretListEntry, String> {
        let (mut found, mut pages) = (Vec::new(), self.client.list_secrets().into_paginator().send());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("listing secrets", &error))?;
            let entries = page.secret_list.unwrap_or_default().into_iter();
            found.extend(entries.filter(|entry| entry.arn().is_some() && self.is_ours(entry, secret)));
        }
        let what = format!("secret {} of the stack {}", secret.logical_id(), self.stack);
        match (found.pop(), found.is_empty()) {
            (Some(entry), true) => Ok(entry),
            (Some(_), false) => Err(format!("there is more than one {what}")),
            (None, _) => Err(format!(
                "there is no {what}: are the stack's name and the region right?"
            )),
        }
    }

    fn is_ours(&self, entry: &SecretListEntry, secret: StackSecret) -> bool {
        match (tag(entry, STACK_TAG), tag(entry, RESOURCE_TAG)) {
            (None, None) => entry.name() == Some(&format!("{}-{}", self.stack, secret.logical_id())),
            (stack, resource) => stack == Some(&self.stack) && resource == Some(secret.logical_id()),
        }
    }
}

fn tag<'e>(entry: &'e SecretListEntry, key: &str) -> Option<&'e str> {
    entry.tags().iter().find(|tag| tag.key() == Some(key))?.value()
}

fn render_secret_error(secret: StackSecret, error: &SecretError) -> String {
    format!("the secret {} {}", secret.logical_id(), error.problem)
}

/// Shows only AWS's error code, because AWS's message may quote the request.
fn failed<E: ProvideErrorMetadata, R>(what: &str, error: &SdkError<E, R>) -> String {
    format!(
        "{what}: {}",
        error
            .code()
            .unwrap_or("Secrets Manager does not answer: is AWS_REGION right?")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_secretsmanager::types::Tag;

    fn secrets() -> StackSecrets {
        let env = Env::from_pairs([
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ]);
        StackSecrets::of(&env, "ias-dev").unwrap()
    }

    fn entry(name: &str, tags: &[(&str, &str)]) -> SecretListEntry {
        let tags = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(*key).value(*value).build());
        SecretListEntry::builder()
            .name(name)
            .set_tags(Some(tags.collect()))
            .build()
    }

    #[test]
    fn secret_is_found_by_its_tags_or_by_its_whole_name() {
        let ours = |entry: &SecretListEntry| secrets().is_ours(entry, StackSecret::WebhookKeys);
        let tagged = |stack, resource| {
            entry(
                "WebhookKeysSecret-8KZ1A",
                &[(STACK_TAG, stack), (RESOURCE_TAG, resource)],
            )
        };
        assert!(ours(&tagged("ias-dev", "WebhookKeysSecret")));
        assert!(!ours(&tagged("ias-prod", "WebhookKeysSecret")) && !ours(&tagged("ias-dev", "OwnerKeySecret")));
        assert!(ours(&entry("ias-dev-WebhookKeysSecret", &[("team", "health")])));
        assert!(!ours(&entry("ias-dev-WebhookKeysSecret-old", &[])));
        // The tags decide: a secret of another stack may have this name.
        assert!(!ours(&entry("ias-dev-WebhookKeysSecret", &[(STACK_TAG, "other")])));
    }
}
