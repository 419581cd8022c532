//! A running stand-in, and actions on it that Metriport's API does not offer.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::middleware;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::app::{self, App};
use crate::calls::{Call, Stats};
use crate::delivery::{self, DeliveryError};

use crate::faults::Failure;
use crate::interceptor::FaultCounts;
use crate::journal;
use crate::operation::Operation;
use crate::options::{StandInOptions, Wait};
use crate::personas::Persona;
use crate::routes;
use crate::serve;
use crate::signature;
use crate::variants::Variants;
use crate::webhooks::{DeliveryLog, HeldDelivery};

/// The reason why a stand-in could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port cannot be used.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The requested port.
        port: u16,
        /// The system's error.
        source: std::io::Error,
    },
    /// The HTTP client for webhooks cannot be created.
    #[error("cannot make the client for webhooks: {0}")]
    Client(#[from] reqwest::Error),
    /// The journal cannot be read or opened for writing.
    #[error("the journal {}: {source}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The stand-in's own rules refused the first facility.
    #[error("cannot set up the account: status {0}")]
    Account(u16),
}

/// How a message is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replay {
    /// Leaves `meta.data` out, as Metriport's replays do.
    pub strip_meta_data: bool,
}

/// A running stand-in. Dropping it stops it, without waiting for open calls.
pub struct StandIn {
    app: Arc<App>,
    base_url: String,
    api_key: String,
    tasks: JoinSet<()>,
}

impl StandIn {
    /// Starts a stand-in on 127.0.0.1.
    ///
    /// # Errors
    /// Fails if the port is taken, the journal cannot be used, or the webhook client or the account cannot be created.
    pub async fn start(options: StandInOptions) -> Result<Self, StartError> {
        let port = options.port;
        let listen_error = |source| StartError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(listen_error)?;
        let base_url = format!("http://{}", listener.local_addr().map_err(listen_error)?);

        let (app, outgoing, api_key) = journal::restore(options, base_url.clone()).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(app::keep_time(Arc::clone(&app)));
        tasks.spawn(app::send_outgoing(Arc::clone(&app), outgoing));
        let router = routes::router(Arc::clone(&app));
        let journaled = middleware::from_fn_with_state(Arc::clone(&app), journal::pass);
        tasks.spawn(serve::serve(listener, router.layer(journaled)));
        Ok(Self {
            app,
            base_url,
            api_key,
            tasks,
        })
    }

    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The account's first API key: base64 of secret and account id.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Makes another API key, as the dashboard would; `None` if the account already has two keys.
    #[must_use]
    pub fn make_api_key(&self) -> Option<String> {
        self.app.act(|world, _| world.make_api_key())
    }

    /// Revokes an API key at once; `false` if the account does not have it.
    pub fn revoke_api_key(&self, api_key: &str) -> bool {
        self.app.act(|world, _| world.revoke_api_key(api_key))
    }

    /// The key that signs webhooks. It exists from the start, and another URL does not change it.
    #[must_use]
    pub fn webhook_key(&self) -> String {
        self.app.act(|world, _| world.webhooks.key.clone())
    }

    /// Replaces the webhook key, as the dashboard would, and returns the new key. It signs all later deliveries,
    /// replays included.
    pub fn rotate_webhook_key(&self) -> String {
        self.app.act(|world, _| {
            world.make_webhook_key();
            world.webhooks.key.clone()
        })
    }

    /// The facility that exists from the start.
    #[must_use]
    pub fn facility_id(&self) -> String {
        self.app
            .act(|world, _| world.facilities.first().map(|first| first.id.clone()))
            .unwrap_or_default()
    }

    /// Adds a URL to the redirect allowlist.
    pub fn allow_redirect(&self, redirect_url: &str) {
        self.app
            .act(|world, _| world.options.redirect_allowlist.push(redirect_url.to_owned()));
    }

    /// The base32 secret of the patient's authenticator; `None` before the first identity session.
    #[must_use]
    pub fn totp_secret(&self, patient_id: &str) -> Option<String> {
        self.app.act(|world, _| {
            world
                .identities
                .authenticators
                .get(patient_id)
                .map(|known| known.base32())
        })
    }

    /// The present code of the patient's authenticator.
    #[must_use]
    pub fn totp_code(&self, patient_id: &str) -> Option<String> {
        self.app.act(|world, now| {
            world
                .identities
                .authenticators
                .get(patient_id)
                .map(|known| known.code(now))
        })
    }

    /// Makes a proofed identity inactive; `false` if the id is unknown.
    pub fn deactivate_identity(&self, proofed_identity_id: &str) -> bool {
        self.app.act(|world, _| {
            let identity = world.identities.proofed.get_mut(proofed_identity_id);
            identity.map(|identity| identity.active = false).is_some()
        })
    }

    /// Makes the next `count` consolidated queries fail.
    pub fn fail_consolidated(&self, count: u32) {
        self.app.act(|world, _| world.consolidated_failures = count);
    }

    /// Sends these variants from now on.
    pub fn vary(&self, variants: Variants) {
        self.app.act(|world, _| world.options.variants = variants);
    }

    /// Makes the next call of an operation misbehave. Several failures for one operation apply to successive calls.
    pub fn fail_next(&self, operation: Operation, failure: Failure) {
        self.app.faults().push(operation, failure);
    }

    /// Counts per operation.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.app.calls().stats()
    }

    /// Number of injected faults by kind, from the plan and from [`StandIn::fail_next`].
    #[must_use]
    pub fn fault_counts(&self) -> FaultCounts {
        self.app.interception.counts()
    }

    /// Every call so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.app.calls().list()
    }

    /// How long the stand-in makes an ordinary patient wait, in milliseconds of real time.
    #[must_use]
    pub fn configured_delay_ms(&self, wait: Wait) -> u64 {
        self.app.act(|world, _| world.options.wait_ms(wait, Persona::Ordinary))
    }

    /// Holds messages back from now on, except pings, samples and replays.
    pub fn hold_webhooks(&self) {
        self.app.act(|world, _| world.webhooks.hold());
    }

    /// The held messages, oldest first.
    #[must_use]
    pub fn held(&self) -> Vec<HeldDelivery> {
        self.app.act(|world, _| world.webhooks.held().to_vec())
    }

    /// Delivers held messages by their [`HeldDelivery::index`], one after the other in this order, and still holds the
    /// others. Unknown numbers are skipped. Returns the receiver's HTTP statuses.
    pub async fn release(&self, order: &[usize]) -> Vec<Result<u16, DeliveryError>> {
        let message_ids = self.app.act(|world, _| world.webhooks.take_held(order));
        self.deliver_all(&message_ids).await
    }

    /// Delivers all held messages, oldest first, and stops holding.
    pub async fn release_all(&self) -> Vec<Result<u16, DeliveryError>> {
        let message_ids = self.app.act(|world, _| world.webhooks.take_all_held());
        self.deliver_all(&message_ids).await
    }

    async fn deliver_all(&self, message_ids: &[String]) -> Vec<Result<u16, DeliveryError>> {
        let mut answers = Vec::with_capacity(message_ids.len());
        for message_id in message_ids {
            answers.push(delivery::deliver(&self.app, message_id, true, false).await);
        }
        answers
    }

    /// Discards held messages by their [`HeldDelivery::index`], as if they were lost on the way. They count as failed,
    /// and a replay delivers them.
    pub fn drop_held(&self, indices: &[usize]) {
        self.app.act(|world, _| {
            let lost = world.webhooks.take_held(indices);
            world.webhooks.lose(&lost);
        });
    }

    /// Sends a stored message again, regardless of its state.
    ///
    /// # Errors
    /// Fails if the id is unknown, no URL is set, or the receiver does not answer.
    pub async fn deliver_again(&self, message_id: &str, replay: Replay) -> Result<u16, DeliveryError> {
        delivery::deliver(&self.app, message_id, !replay.strip_meta_data, true).await
    }

    /// Every delivery attempt, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<DeliveryLog> {
        self.app.act(|world, _| world.webhooks.log().to_vec())
    }

    /// Sends any bytes to the webhook URL, with this signature or without one.
    ///
    /// # Errors
    /// Fails if no URL is set, or the receiver does not answer.
    pub async fn send_raw(&self, body: impl Into<Vec<u8>>, signature: Option<&str>) -> Result<u16, DeliveryError> {
        delivery::send_raw(&self.app, body.into(), signature).await
    }

    /// The signature of these bytes with the present webhook key.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        signature::sign(&self.webhook_key(), body)
    }

    /// Stops the stand-in and waits until its tasks have ended.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}
