//! Checks Metriport's API key and stores it in the stack's secret.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use shared::metriport::{Settings, WebhookSettings};

use super::client::{KeyInput, client, render_error};
use super::{DeploymentArgs, StackSecret, StackSecrets};
use crate::report::say;

/// Options of `account store-api-key`.
#[derive(Debug, Clone, Args)]
pub struct StoreApiKeyArgs {
    #[command(flatten)]
    deployment: DeploymentArgs,
    #[command(flatten)]
    key: KeyInput,
    /// Store it even if the stored key belongs to another account. Patients and identities stay with their account.
    #[arg(long)]
    replace: bool,
}

/// How the operator's key relates to the stored key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// No key is stored, or it cannot be a header value, or Metriport refuses it.
    None,
    /// The same key is stored.
    Same,
    /// Another key of the same account is stored.
    SameAccount,
    /// A key of another account is stored.
    OtherAccount,
}

pub(super) async fn store(args: &StoreApiKeyArgs) -> Result<(), String> {
    let (deployment, key, secrets) = (&args.deployment, args.key.required()?, args.deployment.secrets()?);
    let account = tried(deployment, &key).await?;
    if !args.replace {
        match compared(deployment, (&key, &account), &secrets).await? {
            Present::None => {}
            Present::Same => {
                say("Metriport accepts the API key, and it is already stored: nothing to do.");
                return Ok(());
            }
            Present::SameAccount => {
                return Err("another API key is stored: `ias account rotate api-key` replaces it".to_owned());
            }
            Present::OtherAccount => return Err(OTHER_ACCOUNT.to_owned()),
        }
    }
    secrets.store(StackSecret::ApiKey, &key).await?;
    say("Metriport accepts the API key; it is stored.");
    Ok(())
}

pub(super) const OTHER_ACCOUNT: &str = "the stored API key belongs to another or an unknown account, and this stack's \
                                        patients are there; `store-api-key --replace` stores the new key nevertheless";

/// Checks a key with Metriport and compares it with the stored key.
pub(super) async fn present(
    deployment: &DeploymentArgs,
    key: &SecretString,
    secrets: &StackSecrets,
) -> Result<Present, String> {
    let account = tried(deployment, key).await?;
    compared(deployment, (key, &account), secrets).await
}

/// Reads the settings of the key's account, which proves that Metriport accepts the key.
async fn tried(deployment: &DeploymentArgs, key: &SecretString) -> Result<Settings, String> {
    let account = client(&deployment.metriport.base_url, key.clone())?;
    account.read_settings().await.map_err(|error| render_error(&error))
}

async fn compared(
    deployment: &DeploymentArgs,
    (key, account): (&SecretString, &Settings),
    secrets: &StackSecrets,
) -> Result<Present, String> {
    // A failure to read the stored key ends the command: the key may belong to another account, so it must not be
    // replaced.
    let Some(stored) = secrets.read_if_any(StackSecret::ApiKey).await? else {
        return Ok(Present::None);
    };
    if stored.expose_secret() == key.expose_secret() {
        return Ok(Present::Same);
    }
    let Ok(before) = client(&deployment.metriport.base_url, stored) else {
        return Ok(Present::None);
    };
    match before.read_settings().await {
        Ok(before) if before.is_of_same_account(account) => Ok(Present::SameAccount),
        Ok(_) => Ok(Present::OtherAccount),
        Err(error) if error.refuses_key() => Ok(Present::None),
        Err(error) => Err(render_error(&error)),
    }
}
