//! Checks Metriport's API key and stores it in the stack's secret.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use shared::metriport::{Settings, WebhookSettings};

use super::client::{KeyInput, client, told};
use super::{Kept, Place, StackSecrets};
use crate::report::say;

/// Options of `account store-api-key`.
#[derive(Debug, Clone, Args)]
pub struct StoreApiKeyArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: KeyInput,
    /// Store it even if the stored key belongs to another account. Patients and identities stay with their account.
    #[arg(long)]
    replace: bool,
}

/// How a key relates to the stored key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// No key is stored, or Metriport refuses the stored key.
    None,
    /// The same key is stored.
    Same,
    /// Another key of the same account is stored.
    SameAccount,
    /// A key of another account is stored.
    OtherAccount,
}

pub(super) async fn store(args: &StoreApiKeyArgs) -> Result<(), String> {
    let (place, key, secrets) = (&args.place, args.key.required()?, args.place.secrets()?);
    let account = tried(place, &key).await?;
    if !args.replace {
        match compared(place, (&key, &account), &secrets).await? {
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
    secrets.store(Kept::ApiKey, &key).await?;
    say("Metriport accepts the API key; it is stored.");
    Ok(())
}

pub(super) const OTHER_ACCOUNT: &str = "the stored API key belongs to another account, and this stack's patients are \
                                        there; `store-api-key --replace` stores the new key nevertheless";

/// Checks a key with Metriport and compares it with the stored key.
pub(super) async fn present(place: &Place, key: &SecretString, secrets: &StackSecrets) -> Result<Present, String> {
    let account = tried(place, key).await?;
    compared(place, (key, &account), secrets).await
}

/// The settings of the key's account, which show that Metriport accepts the key.
async fn tried(place: &Place, key: &SecretString) -> Result<Settings, String> {
    let account = client(&place.metriport.base_url, key.clone())?;
    account.read_settings().await.map_err(|error| told(&error))
}

async fn compared(
    place: &Place,
    (key, account): (&SecretString, &Settings),
    secrets: &StackSecrets,
) -> Result<Present, String> {
    // A stored key that cannot be read may belong to another account, so nothing replaces it.
    let Some(stored) = secrets.read_if_any(Kept::ApiKey).await? else {
        return Ok(Present::None);
    };
    if stored.expose_secret() == key.expose_secret() {
        return Ok(Present::Same);
    }
    let Ok(before) = client(&place.metriport.base_url, stored) else {
        return Ok(Present::None);
    };
    match before.read_settings().await {
        Ok(before) if before.is_of_same_account(account) => Ok(Present::SameAccount),
        Ok(_) => Ok(Present::OtherAccount),
        Err(error) if error.refuses_key() => Ok(Present::None),
        Err(error) => Err(told(&error)),
    }
}
