//! The webhook URL and the key that signs its deliveries.
//!
//! Metriport makes the key when a URL is registered, and pings the URL at once. This first ping fails, because the
//! stack's secret does not hold the key yet. The command stores the key and registers the URL again, so that Metriport
//! sends another ping.

use std::time::Duration;

use clap::Args;
use sandbox_machine::sandbox::WEBHOOK_PATH;
use secrecy::SecretString;
use shared::config::is_loopback;
use shared::metriport::{Client, WebhookReplay, WebhookSettings, WebhookStatus, webhook_url_problem};
use shared::webhook::WebhookKeys;
use url::Url;

use super::client::render_error;
use super::segment::{shown, with_segment};
use super::{DeploymentArgs, StackSecret, StackSecrets};
use crate::report::{say, say_line};

/// Pause after a registration, until the result of its ping is known: Metriport waits two seconds for the answer.
const PING_SHOWS: Duration = Duration::from_secs(3);
/// Pauses before the attempts of `confirm`. A process that read the secret before the key was stored reads it again
/// after 30 s. Each attempt costs two calls of the day's quota.
const PAUSES_SECS: [u64; 7] = [0, 1, 2, 4, 8, 16, 32];

/// Options of `account register-webhook`.
#[derive(Debug, Clone, Args)]
pub struct RegisterWebhookArgs {
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// URL for webhooks: https://YOUR-DOMAIN/v1/webhooks/metriport. If the stack has a secret segment, set it in the
    /// variable WEBHOOK_SEGMENT.
    #[arg(long, value_name = "URL")]
    url: String,
    /// Replace another registered URL. An account has one URL for all its events.
    #[arg(long)]
    replace: bool,
}

/// The action of the command, which depends on the URL that the account has now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan {
    /// No URL is registered.
    Register,
    /// This URL is registered.
    Confirm,
    /// Another URL is registered.
    Replace(String),
}

pub(super) async fn register_webhook(args: &RegisterWebhookArgs) -> Result<(), String> {
    let given = with_segment(&args.url)?;
    let url = checked(&given, &args.deployment.metriport.base_url)?;
    let shown_url = shown(url.as_str());
    let secrets = args.deployment.secrets()?;
    let account = args.deployment.client(&secrets).await?;
    let settings = account.read_settings().await.map_err(|error| render_error(&error))?;
    let plan = plan(settings.webhook_url.as_deref(), &url, args.replace)?;
    let known = settings.webhook_key.filter(|_| plan == Plan::Confirm);
    let key = match known {
        Some(key) => key,
        None => register(&account, &url).await?,
    };
    say_line(&match plan {
        Plan::Register => format!("Registered {shown_url}."),
        Plan::Confirm => format!("{shown_url} is already registered."),
        Plan::Replace(old) => format!("Registered {shown_url} in place of {}.", shown(&old)),
    });
    // Stored before the ping, because the answer needs the key.
    say(match keep(&secrets, key).await? {
        true => "Stored the webhook key in the stack's secret.",
        false => "The stack's secret already holds the webhook key.",
    });
    let status = confirm(&account, &url).await?;
    say("Metriport's ping was answered: the webhook is enabled.");
    if status.failed > 0 {
        say(&failed(status.failed));
    }
    Ok(())
}

/// Parses the URL and checks Metriport's rules for it. The rules do not apply if both the URL and Metriport (a
/// stand-in) are on this machine.
fn checked(text: &str, metriport: &Url) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("--url: {error}"))?;
    if !(is_loopback(metriport) && is_loopback(&url))
        && let Some(problem) = webhook_url_problem(text)
    {
        return Err(format!("--url cannot be registered: {problem}"));
    }
    if !url.path().ends_with(WEBHOOK_PATH) {
        say(&format!(
            "Note: the API receives webhooks at {WEBHOOK_PATH}; this URL must lead there."
        ));
    }
    Ok(url)
}

fn plan(present: Option<&str>, wanted: &Url, replace: bool) -> Result<Plan, String> {
    match present {
        None => Ok(Plan::Register),
        Some(present) if Url::parse(present).is_ok_and(|present| present == *wanted) => Ok(Plan::Confirm),
        Some(present) if replace => Ok(Plan::Replace(present.to_owned())),
        Some(present) => Err(format!(
            "the account sends all its webhooks to {}, and that receiver would get none after a change. `--replace` \
             changes the URL; a separate account for this stack is better",
            shown(present)
        )),
    }
}

async fn register(account: &Client, url: &Url) -> Result<SecretString, String> {
    let settings = account
        .set_webhook_url(url)
        .await
        .map_err(|error| render_error(&error))?;
    settings
        .webhook_key
        .ok_or_else(|| "Metriport returned no webhook key".to_owned())
}

/// Stores the key, without a previous one, unless it is already the current key. Returns whether it stored the key.
async fn keep(secrets: &StackSecrets, key: SecretString) -> Result<bool, String> {
    if stored(secrets).await.is_ok_and(|keys| keys.is_current(&key)) {
        return Ok(false);
    }
    secrets
        .store(StackSecret::WebhookKeys, &WebhookKeys::new(key).to_secret())
        .await?;
    Ok(true)
}

pub(super) async fn stored(secrets: &StackSecrets) -> Result<WebhookKeys, String> {
    use secrecy::ExposeSecret as _;
    let secret = secrets.read(StackSecret::WebhookKeys).await?;
    WebhookKeys::parse(secret.expose_secret()).map_err(|error| format!("the secret WebhookKeysSecret {error}"))
}

/// Sets the URL again until Metriport reports the webhook as enabled. Metriport pings the URL each time it is set.
pub(super) async fn confirm(account: &Client, url: &Url) -> Result<WebhookStatus, String> {
    for pause in PAUSES_SECS {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        account
            .set_webhook_url(url)
            .await
            .map_err(|error| render_error(&error))?;
        tokio::time::sleep(PING_SHOWS).await;
        let status = account.webhook_status().await.map_err(|error| render_error(&error))?;
        if let Some(status) = status.filter(|status| status.enabled == Some(true)) {
            return Ok(status);
        }
    }
    Err(format!(
        "Metriport got no correct answer to its ping at {}: does the name lead to this stack, and does \
         webhook-intake start? `ias account status` shows more",
        shown(url.as_str())
    ))
}

pub(super) fn failed(count: u64) -> String {
    format!("{count} deliveries have failed so far: `reconcile` requests their replay within a quarter of an hour.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_registered_url_is_replaced_only_on_request() {
        let ours: Url = "https://health.example.org/v1/webhooks/metriport".parse().unwrap();
        assert_eq!(plan(None, &ours, false), Ok(Plan::Register));
        assert_eq!(plan(Some(ours.as_str()), &ours, false), Ok(Plan::Confirm));
        assert_eq!(
            plan(
                Some("https://HEALTH.example.org:443/v1/webhooks/metriport"),
                &ours,
                true
            ),
            Ok(Plan::Confirm)
        );
        let other = "https://treatment.example.org/hook";
        assert!(plan(Some(other), &ours, false).unwrap_err().contains(other));
        assert_eq!(plan(Some(other), &ours, true), Ok(Plan::Replace(other.to_owned())));
    }

    #[test]
    fn local_url_is_accepted_only_with_the_stand_in() {
        let local = "http://127.0.0.1:40000/v1/webhooks/metriport";
        let stand_in: Url = "http://127.0.0.1:9".parse().unwrap();
        let metriport: Url = "https://api.metriport.com".parse().unwrap();
        assert!(checked(local, &stand_in).is_ok());
        assert!(checked(local, &metriport).is_err());
        let aws = "https://abc.execute-api.us-west-1.amazonaws.com/v1/webhooks/metriport";
        for metriport in [stand_in, metriport] {
            assert!(
                checked(aws, &metriport)
                    .unwrap_err()
                    .contains("put a domain of your own in front")
            );
        }
        assert!(
            checked(
                "https://health.example.org/v1/webhooks/metriport",
                &"https://api.metriport.com".parse().unwrap()
            )
            .is_ok()
        );
    }
}
