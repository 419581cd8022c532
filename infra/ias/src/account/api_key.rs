//! Metriport's API key: tried, and stored in the stack's secret.

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
    /// Store it even if it is of another account than the one before. Patients and identities stay with theirs.
    #[arg(long)]
    replace: bool,
}

/// What there is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// No key, or one that Metriport does not take.
    None,
    /// This very key.
    Same,
    /// Another key of the same account.
    SameAccount,
    /// A key of another account.
    OtherAccount,
}

/// Runs `account store-api-key`.
pub(super) async fn store(args: &StoreApiKeyArgs) -> Result<(), String> {
    let (place, key, secrets) = (&args.place, args.key.required()?, args.place.secrets()?);
    let account = tried(place, &key).await?;
    if !args.replace {
        match compared(place, (&key, &account), &secrets).await? {
            Present::None => {}
            Present::Same => {
                say("Metriport takes the API key, and it is stored already: nothing to do.");
                return Ok(());
            }
            Present::SameAccount => {
                return Err("another API key is stored: `ias account rotate api-key` changes it".to_owned());
            }
            Present::OtherAccount => return Err(OTHER_ACCOUNT.to_owned()),
        }
    }
    secrets.store(Kept::ApiKey, &key).await?;
    say("Metriport takes the API key; it is stored.");
    Ok(())
}

pub(super) const OTHER_ACCOUNT: &str = "an API key of another account is stored, with which this stack's patients were \
                                        made; `store-api-key --replace` stores this one all the same";

/// Tries a key, and compares it with the one that is stored.
pub(super) async fn present(place: &Place, key: &SecretString, secrets: &StackSecrets) -> Result<Present, String> {
    let account = tried(place, key).await?;
    compared(place, (key, &account), secrets).await
}

/// The account that a key opens.
async fn tried(place: &Place, key: &SecretString) -> Result<Settings, String> {
    let account = client(&place.metriport.base_url, key.clone())?;
    account.read_settings().await.map_err(|error| told(&error))
}

async fn compared(
    place: &Place,
    (key, account): (&SecretString, &Settings),
    secrets: &StackSecrets,
) -> Result<Present, String> {
    // One that is there and cannot be read may be of another account: nothing is put in its place.
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
