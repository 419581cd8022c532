//! Changes keys while the functions run.

use std::time::Duration;

use clap::{Args, Subcommand};
use shared::clock;
use shared::domain::Time;
use shared::metriport::{Client, WebhookSettings as _};
use url::Url;

use super::api_key::{self, OTHER_ACCOUNT, Present};
use super::client::{KeyInput, render_error};
use super::segment::shown;
use super::webhook::{confirm, failed, stored};
use super::{DeploymentArgs, StackSecret, StackSecrets};
use crate::report::say;

/// Maximum number of attempts to set the webhook URL after it was cleared.
const SETS_MAX: u32 = 5;

/// Options of `account rotate`.
#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    #[command(subcommand)]
    command: RotateCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum RotateCommand {
    /// Store the webhook key that Metriport signs with now. First make a new key in Metriport's dashboard.
    WebhookKey(WebhookKeyArgs),
    /// Store another API key of the account. First make it in Metriport's dashboard; revoke the old one afterwards.
    ApiKey(ApiKeyArgs),
}

#[derive(Debug, Clone, Args)]
struct WebhookKeyArgs {
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// How long the previous key still counts, for deliveries that are already on their way.
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=10_080))]
    window_mins: u64,
    /// First clear the webhook URL and set it again, which makes a new key if Metriport follows its documentation.
    #[arg(long)]
    clear_and_set: bool,
}

#[derive(Debug, Clone, Args)]
struct ApiKeyArgs {
    #[command(flatten)]
    deployment: DeploymentArgs,
    #[command(flatten)]
    key: KeyInput,
}

/// Result of a rotation of the webhook key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// Metriport signs with the stored key.
    Unchanged,
    /// The new key is stored; the previous key is accepted until this time.
    Stored(Time),
}

pub(super) async fn rotate(args: &RotateArgs) -> Result<(), String> {
    match &args.command {
        RotateCommand::WebhookKey(args) => webhook_key(args).await,
        RotateCommand::ApiKey(args) => another_api_key(args).await,
    }
}

async fn webhook_key(args: &WebhookKeyArgs) -> Result<(), String> {
    let secrets = args.deployment.secrets()?;
    let account = args.deployment.client(&secrets).await?;
    let settings = account.read_settings().await.map_err(|error| render_error(&error))?;
    let url = settings.webhook_url.and_then(|url| Url::parse(&url).ok());
    let url = url.ok_or("no webhook is registered: run `ias account register-webhook`")?;
    if args.clear_and_set {
        // The stored keys are read first, so that unusable ones are found before anything changes at Metriport.
        stored(&secrets).await?;
        clear_and_set(&account, &url).await?;
        say(&format!(
            "Cleared the webhook URL and set it again: {}.",
            shown(url.as_str())
        ));
    }
    let window = Duration::from_secs(args.window_mins * 60);
    match rotate_webhook_key(&account, &secrets, window, clock::now()).await? {
        Rotated::Unchanged => {
            say("Metriport signs with the stored webhook key: nothing to do.");
            say("To rotate it, make a new key in Metriport's dashboard (Webhooks), and run this command again.");
            return Ok(());
        }
        Rotated::Stored(until) => say(&format!(
            "Stored the new webhook key; the previous key is accepted until {until}."
        )),
    }
    let status = confirm(&account, &url).await?;
    say("Metriport's ping was answered with the new key: the webhook is enabled.");
    if status.failed > 0 {
        say(&failed(status.failed));
    }
    Ok(())
}

/// Stores the key that Metriport signs with, and keeps the previous key valid for `window`.
///
/// # Errors
/// Fails if Metriport or Secrets Manager fails, if Metriport has no key, or if the stored value does not hold keys.
pub async fn rotate_webhook_key(
    account: &Client,
    secrets: &StackSecrets,
    window: Duration,
    now: Time,
) -> Result<Rotated, String> {
    let settings = account.read_settings().await.map_err(|error| render_error(&error))?;
    let key = settings
        .webhook_key
        .ok_or("Metriport has no webhook key for this account")?;
    let stored = stored(secrets).await?;
    if stored.is_current(&key) {
        return Ok(Rotated::Unchanged);
    }
    let until = now.plus(window);
    secrets
        .store(StackSecret::WebhookKeys, &stored.rotated(key, until).to_secret())
        .await?;
    Ok(Rotated::Stored(until))
}

/// Clears the webhook URL and sets it again. Further attempts follow a failure, because the account is without a URL
/// until one succeeds.
///
/// # Errors
/// Fails if Metriport does not clear the URL, or refuses every attempt to set it.
pub async fn clear_and_set(account: &Client, url: &Url) -> Result<(), String> {
    account
        .clear_webhook_url()
        .await
        .map_err(|error| render_error(&error))?;
    let mut last = String::new();
    for _ in 0..SETS_MAX {
        match account.set_webhook_url(url).await {
            Ok(_) => return Ok(()),
            Err(error) => last = render_error(&error),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(format!(
        "the webhook URL could not be set again and may be empty ({last}): run `ias account register-webhook --url {}`",
        shown(url.as_str())
    ))
}

async fn another_api_key(args: &ApiKeyArgs) -> Result<(), String> {
    let (deployment, key, secrets) = (&args.deployment, args.key.required()?, args.deployment.secrets()?);
    match api_key::present(deployment, &key, &secrets).await? {
        Present::Same => {
            say("This API key is already stored: nothing to do.");
            return Ok(());
        }
        Present::OtherAccount => return Err(OTHER_ACCOUNT.to_owned()),
        Present::None | Present::SameAccount => secrets.store(StackSecret::ApiKey, &key).await?,
    }
    say("Metriport accepts the new API key; it is stored.");
    say("Now revoke the old key in Metriport's dashboard. A process reads the new key when the old one is refused.");
    Ok(())
}
