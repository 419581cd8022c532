//! The operator of the proof, who calls the functions of the `ias account` commands. The operator notices a new key of
//! Metriport late and stores it. The operator then tries the previous key before its end and after it.

use std::time::Duration;

use futures_util::future::join_all;
use ias::account::{Rotated, StackSecret, StackSecrets, clear_and_set, client, rotate_webhook_key};
use sandbox_machine::Sandbox;
use sandbox_machine::sandbox::WEBHOOK_PATH;
use secrecy::SecretString;
use serde_json::json;
use shared::clock;
use shared::config::Env;
use shared::domain::Timing;
use shared::metriport::{Client, WebhookReplay as _};
use tokio::time::Instant;
use url::Url;

use super::RotationArgs;

/// How late the operator learns of the new key, before time is scaled.
const LATE: Duration = Duration::from_secs(120);
/// Allowance in real time, independent of the scale.
const SLACK: Duration = Duration::from_secs(1);
/// How long the replays may take, before time is scaled.
const REPLAYS: Duration = Duration::from_secs(2 * 3600);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Concurrent tries with the previous key: more than there are processes.
const TRIES: usize = 16;

/// The origin of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A user of Metriport's dashboard.
    Dashboard,
    /// The webhook URL, cleared and set again.
    Api,
}

/// A change of both keys and its results. `switched`, `stored` and `settled` are lengths of the log of deliveries at
/// these moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) by: By,
    /// When Metriport began to sign with the new key.
    pub(super) switched: usize,
    /// When the new key was stored.
    pub(super) stored: usize,
    /// When every process must have read the new key.
    pub(super) settled: usize,
    /// The status of a webhook under the previous key before that key's end.
    pub(super) within: u16,
    /// The statuses after the end of the previous key and of its cached copies.
    pub(super) beyond: Vec<u16>,
}

pub(super) struct Operator<'s> {
    sandbox: &'s Sandbox,
    secrets: StackSecrets,
    metriport: Url,
    webhook: Url,
    api_key: String,
    scale: u32,
    window: Duration,
}

impl<'s> Operator<'s> {
    pub(super) fn new(args: &RotationArgs, sandbox: &'s Sandbox) -> Result<Self, String> {
        let key = ("AWS_ACCESS_KEY_ID".to_owned(), "OPERATOR".to_owned());
        let env = Env::from_vars(sandbox.aws().env().into_iter().chain([key]));
        let url = |text: &str| text.parse::<Url>().map_err(|error| error.to_string());
        Ok(Self {
            secrets: StackSecrets::of(&env, "ias")?,
            metriport: url(sandbox.stand_in().base_url())?,
            webhook: url(&format!("{}{WEBHOOK_PATH}", sandbox.host().base_url()))?,
            api_key: sandbox.stand_in().api_key().to_owned(),
            scale: args.scale.max(1),
            window: Duration::from_secs(60 * args.window_mins),
            sandbox,
        })
    }

    /// Changes both keys this many times, one after the other.
    pub(super) async fn change_keys(&mut self, times: u32) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        for number in 0..times {
            let by = if number.is_multiple_of(2) {
                By::Dashboard
            } else {
                By::Api
            };
            changes.push(self.change(by, number).await?);
        }
        Ok(changes)
    }

    async fn change(&mut self, by: By, number: u32) -> Result<Change, String> {
        let (stand_in, timing) = (self.sandbox.stand_in(), Timing::scaled(self.scale));
        let body = json!({ "meta": { "messageId": format!("drill-{number}"), "type": "rotation.drill" } }).to_string();
        // Signed before the switch, and therefore with the previous key.
        let old = (stand_in.sign(body.as_bytes()), body);
        let noted = || stand_in.deliveries().len();

        let switched = noted();
        match by {
            By::Dashboard => drop(stand_in.rotate_webhook_key()),
            By::Api => clear_and_set(&self.account()?, &self.webhook).await?,
        }
        self.wait(LATE).await;
        let window = self.window / self.scale;
        let rotated = rotate_webhook_key(&self.account()?, &self.secrets, window, clock::now()).await?;
        let (stored, since) = (noted(), Instant::now());
        if rotated == Rotated::Unchanged {
            return Err("Metriport made no new webhook key".to_owned());
        }
        self.change_api_key().await?;
        tokio::time::sleep_until(since + timing.secret_gap() + SLACK).await;
        let settled = noted();
        let within = self.send(&old).await?;
        tokio::time::sleep_until(since + window + timing.webhook_keys_life() + SLACK).await;
        let beyond = join_all((0..TRIES).map(|_| self.send(&old))).await;
        Ok(Change {
            by,
            switched,
            stored,
            settled,
            within,
            beyond: beyond.into_iter().collect::<Result<_, _>>()?,
        })
    }

    /// Makes and stores a second API key, then revokes the first.
    async fn change_api_key(&mut self) -> Result<(), String> {
        let stand_in = self.sandbox.stand_in();
        let new = stand_in.make_api_key().ok_or("the account has two API keys already")?;
        // Stored before the first key is revoked, so that the secret always holds a valid key.
        self.secrets
            .store(StackSecret::ApiKey, &SecretString::from(new.as_str()))
            .await?;
        stand_in.revoke_api_key(&self.api_key);
        self.api_key = new;
        Ok(())
    }

    /// Waits until Metriport has neither failed nor open deliveries, at most for `REPLAYS`. Returns how many are left.
    pub(super) async fn until_replayed(&self) -> Result<u64, String> {
        let (begun, bound) = (Instant::now(), REPLAYS / self.scale + SLACK);
        loop {
            let status = self
                .account()?
                .webhook_status()
                .await
                .map_err(|error| error.to_string())?;
            let left = status.map_or(0, |status| status.failed + status.processing);
            if left == 0 || begun.elapsed() >= bound {
                return Ok(left);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn send(&self, (signature, body): &(String, String)) -> Result<u16, String> {
        let sent = self.sandbox.stand_in().send_raw(body.clone(), Some(signature)).await;
        sent.map_err(|error| error.to_string())
    }

    fn account(&self) -> Result<Client, String> {
        client(&self.metriport, self.api_key.as_str().into())
    }

    async fn wait(&self, span: Duration) {
        tokio::time::sleep(span / self.scale).await;
    }
}
