//! Checks a deployment, and never prints a secret. It checks the stack's secrets, the registration and deliveries of
//! the webhook, and the API's routes. With options it also checks the issuer and the account's concurrency.

use std::time::Duration;

use clap::Args;
use sandbox_machine::sandbox::WEBHOOK_PATH;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use shared::clock;
use shared::domain::Time;
use shared::metriport::{Client, Settings, WebhookReplay as _, WebhookSettings as _};
use shared::owner::OwnerKey;
use shared::webhook::{PreviousKey, SIGNATURE_HEADER, WebhookKeys, sign};
use url::Url;

use super::client::{client, render_error};
use super::finding::{Finding, Mark};
use super::segment::{Segment, shown};
use super::webhook::stored;
use super::{DeploymentArgs, StackSecret, StackSecrets, concurrency, issuer, routes};
use crate::report::say_line;

/// Options of `account status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// Base URL of the API. Without it, the base of the registered webhook URL.
    #[arg(long, env = "API", value_name = "URL")]
    api: Option<Url>,
    /// Issuer of the app's tokens, exactly as in the tokens; checked only if given.
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// Concurrent executions of the account that no function has reserved:
    /// aws lambda get-account-settings --query AccountLimit.UnreservedConcurrentExecutions
    #[arg(long, value_name = "COUNT", requires = "queues")]
    unreserved: Option<u64>,
    /// Concurrent executions that all queues of the account may take together:
    /// aws lambda list-event-source-mappings --query 'sum(EventSourceMappings[].ScalingConfig.MaximumConcurrency)'
    #[arg(long, value_name = "COUNT", requires = "unreserved")]
    queues: Option<u64>,
}

pub(super) async fn status(args: &StatusArgs) -> Result<(), String> {
    let findings = look(args).await?;
    findings.iter().for_each(|finding| say_line(&finding.line()));
    match findings.iter().filter(|finding| finding.mark == Mark::Bad).count() {
        0 => Ok(()),
        bad => Err(format!("{bad} of {} checks failed", findings.len())),
    }
}

async fn look(args: &StatusArgs) -> Result<Vec<Finding>, String> {
    let secrets = args.deployment.secrets()?;
    let (api_key, keys) = (secrets.read(StackSecret::ApiKey).await, stored(&secrets).await);
    let mut findings = vec![
        Finding::of(
            "API key",
            api_key.as_ref().map(|_| "stored".to_owned()).map_err(Clone::clone),
        ),
        Finding::of(
            "webhook keys",
            keys.as_ref()
                .map(|keys| render_webhook_keys(keys, clock::now()))
                .map_err(Clone::clone),
        ),
        Finding::of("owner key", owner_key(&secrets).await),
        demographics(secrets.accepts_unbound_demographics().await),
    ];
    let registered = match &api_key {
        Ok(api_key) => registration(args, api_key, keys.as_ref().ok(), &mut findings).await,
        Err(_) => None,
    };
    if let (Some(url), Ok(keys)) = (&registered, &keys) {
        findings.push(Finding::of("our own ping", ping(url, keys).await));
    }
    findings.push(Finding::of("API", api(args.api.as_ref(), registered.as_ref()).await));
    if let Some(issuer) = &args.issuer {
        findings.push(Finding::of("issuer", issuer::check(issuer).await));
    }
    if let (Some(unreserved), Some(queues)) = (args.unreserved, args.queues) {
        findings.push(Finding::of("concurrency", concurrency::check(unreserved, queues)));
    }
    Ok(findings)
}

/// Whether demographics are bound to the tokens. If a deployment leaves them unbound, a warning keeps that visible.
fn demographics(accepts_unbound: Result<Option<bool>, String>) -> Finding {
    const ABOUT: &str = "demographics";
    match accepts_unbound {
        Ok(Some(false)) => Finding::of(ABOUT, Ok("bound to claims of the tokens".to_owned())),
        Ok(Some(true)) => Finding::warning(
            ABOUT,
            "unbound: a caller can send another person's demographics; set DemographicsClaims",
        ),
        Ok(None) => Finding::warning(
            ABOUT,
            "unknown: the stack's template is too old; deploy the current one",
        ),
        Err(error) => Finding::of(ABOUT, Err(error)),
    }
}

/// Checks the API's routes. The webhook's route is included if the registered URL belongs to this API.
async fn api(api: Option<&Url>, registered: Option<&Url>) -> Result<String, String> {
    let base = api
        .map(|api| api.as_str().trim_end_matches('/').to_owned())
        .or_else(|| registered.and_then(base_of_webhook))
        .ok_or("not checked: give --api URL")?;
    let segment = registered.and_then(|url| Segment::between(&base, url.as_str()));
    routes::check(&base, segment.as_ref()).await
}

/// Base URL of the API whose webhook is registered at `url`. It excludes a single segment before the webhook's path, so
/// that `routes::check` also calls the paths without the segment.
fn base_of_webhook(url: &Url) -> Option<String> {
    let origin = url.origin().ascii_serialization();
    match Segment::between(&origin, url.as_str()) {
        Some(_) => Some(origin),
        None => url.as_str().strip_suffix(WEBHOOK_PATH).map(str::to_owned),
    }
}

/// Reports the webhook's registration at Metriport and returns its URL, if one is registered.
async fn registration(
    args: &StatusArgs,
    api_key: &SecretString,
    keys: Option<&WebhookKeys>,
    findings: &mut Vec<Finding>,
) -> Option<Url> {
    let account = client(&args.deployment.metriport.base_url, api_key.clone());
    let settings = match &account {
        Ok(account) => account.read_settings().await.map_err(|error| render_error(&error)),
        Err(error) => Err(error.clone()),
    };
    findings.push(Finding::of(
        "Metriport",
        settings
            .as_ref()
            .map(|_| "accepts the API key".to_owned())
            .map_err(Clone::clone),
    ));
    let (account, settings) = (account.ok()?, settings.ok()?);
    findings.push(Finding::of("webhook URL", ours(&settings, args.api.as_ref())));
    findings.push(Finding::of("webhook key", same_key(&settings, keys)));
    let registered = settings.webhook_url.as_deref()?;
    findings.push(Finding::of("deliveries", deliveries(&account).await));
    Url::parse(registered).ok()
}

fn render_webhook_keys(keys: &WebhookKeys, now: Time) -> String {
    match keys.previous() {
        PreviousKey::None => "stored".to_owned(),
        PreviousKey::Until(end) if now < end => format!("stored; the previous key is accepted until {end}"),
        PreviousKey::Until(end) => format!("stored; the previous key was accepted until {end}"),
        PreviousKey::WithoutEnd => "stored; the previous key has no previousUntil and is not accepted".to_owned(),
    }
}

async fn owner_key(secrets: &StackSecrets) -> Result<String, String> {
    let secret = secrets.read(StackSecret::OwnerKey).await?;
    let key = OwnerKey::parse(secret.expose_secret());
    key.map(|_| "stored".to_owned()).map_err(|error| error.to_string())
}

fn ours(settings: &Settings, api: Option<&Url>) -> Result<String, String> {
    let registered = settings
        .webhook_url
        .as_deref()
        .ok_or("none is registered: run `ias account register-webhook`")?;
    let base = api.map(|api| api.as_str().trim_end_matches('/'));
    match base {
        Some(base) if Segment::between(base, registered).is_none() => Err(format!(
            "{} is registered instead of {base}{WEBHOOK_PATH}",
            shown(registered)
        )),
        _ => Ok(shown(registered)),
    }
}

fn same_key(settings: &Settings, keys: Option<&WebhookKeys>) -> Result<String, String> {
    match (&settings.webhook_key, keys) {
        (Some(key), Some(keys)) if keys.is_current(key) => Ok("Metriport signs with the stored key".to_owned()),
        (Some(_), Some(_)) => Err("Metriport signs with another key: run `ias account rotate webhook-key`".to_owned()),
        (None, _) => Err("Metriport has no key: run `ias account register-webhook`".to_owned()),
        (Some(_), None) => Err("no key is stored to compare with".to_owned()),
    }
}

async fn deliveries(account: &Client) -> Result<String, String> {
    let status = account.webhook_status().await.map_err(|error| render_error(&error))?;
    let status = status.ok_or("Metriport has no webhook settings")?;
    let counts = format!("{} in progress, {} failed", status.processing, status.failed);
    match status.enabled {
        Some(true) if status.failed == 0 => Ok(format!("enabled; {counts}")),
        Some(true) => Ok(format!("enabled; {counts}; `reconcile` requests their replay")),
        _ => Err(format!("the last delivery failed; {counts}")),
    }
}

/// Sends a ping, signed with the stored key as Metriport signs its own. A correct answer proves that `webhook-intake`
/// has the stored key. `webhook-intake` stores nothing for a ping.
async fn ping(url: &Url, keys: &WebhookKeys) -> Result<String, String> {
    let word = clock::new_id().to_string();
    let meta = json!({ "messageId": clock::new_id(), "when": clock::now().to_string(), "type": "ping" });
    let body = json!({ "ping": word, "meta": meta }).to_string();
    let http = shared::metriport::http_client(Duration::from_secs(3), Duration::from_secs(5));
    let request = http.map_err(|error| error.to_string())?.post(url.clone());
    let request = request.header("content-type", "application/json");
    let request = request.header(SIGNATURE_HEADER, sign(keys, body.as_bytes()));
    let answer = sandbox_machine::app::reply(request.body(body))
        .await
        .map_err(|error| error.to_string())?;
    match answer.status {
        200 if answer.text("/pong") == word => Ok("answered with the stored key".to_owned()),
        401 => Err("refused: the receiver has another key, or has not read the stored one yet (30 s)".to_owned()),
        status => Err(format!("answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: Option<&str>, key: Option<&str>) -> Settings {
        Settings {
            account: None,
            webhook_url: url.map(str::to_owned),
            webhook_key: key.map(SecretString::from),
        }
    }

    #[test]
    fn unbound_demographics_are_a_warning_not_an_error() {
        let mark = |accepts| demographics(accepts).mark;
        assert_eq!(mark(Ok(Some(false))), Mark::Good);
        assert_eq!(mark(Ok(Some(true))), Mark::Warning);
        assert_eq!(mark(Ok(None)), Mark::Warning);
        assert_eq!(mark(Err("no secret".to_owned())), Mark::Bad);
    }

    #[test]
    fn registered_url_must_belong_to_the_api() {
        let api: Url = "https://health.example.org".parse().unwrap();
        let ours_is = "https://health.example.org/v1/webhooks/metriport";
        assert_eq!(ours(&settings(Some(ours_is), None), Some(&api)).unwrap(), ours_is);
        let secret = "https://health.example.org/8f14e45fceea167a5a36dedd4bea2543/v1/webhooks/metriport";
        let hidden = "https://health.example.org/…/v1/webhooks/metriport";
        assert_eq!(ours(&settings(Some(secret), None), Some(&api)).unwrap(), hidden);
        assert!(ours(&settings(Some("https://other.example.org/x"), None), Some(&api)).is_err());
        assert!(ours(&settings(Some("https://other.example.org/x"), None), None).is_ok());
        assert!(ours(&settings(None, None), None).is_err());
    }

    #[test]
    fn base_of_a_registered_webhook_excludes_its_segment() {
        let base = |url: &str| base_of_webhook(&url.parse().unwrap());
        let origin = Some("https://health.example.org".to_owned());
        assert_eq!(base("https://health.example.org/v1/webhooks/metriport"), origin);
        let secret = "https://health.example.org/8f14e45fceea167a5a36dedd4bea2543/v1/webhooks/metriport";
        assert_eq!(base(secret), origin);
        let deeper = "https://health.example.org/a/b/v1/webhooks/metriport";
        assert_eq!(base(deeper).as_deref(), Some("https://health.example.org/a/b"));
        assert_eq!(base("https://health.example.org/hook"), None);
    }

    #[test]
    fn wrong_webhook_key_names_the_next_command() {
        let keys = WebhookKeys::new("k".into());
        assert!(same_key(&settings(None, Some("k")), Some(&keys)).is_ok());
        assert!(
            same_key(&settings(None, Some("j")), Some(&keys))
                .unwrap_err()
                .contains("rotate")
        );
        assert!(
            same_key(&settings(None, None), Some(&keys))
                .unwrap_err()
                .contains("register-webhook")
        );
        assert!(same_key(&settings(None, Some("k")), None).is_err());
        let now = Time::from_millis(5);
        let rotated = keys.rotated("j".into(), Time::from_millis(6));
        assert!(
            render_webhook_keys(&rotated, now).contains("is accepted until")
                && render_webhook_keys(&rotated, Time::from_millis(6)).contains("was accepted")
        );
    }
}
