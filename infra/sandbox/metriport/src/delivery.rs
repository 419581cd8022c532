//! Sends webhooks over HTTP: one POST each, without following redirects. The receiver has five seconds to answer, and
//! two seconds to answer a ping.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::app::App;
use crate::interception::Delivery;
use crate::interceptor::DeliveryDecision;
use crate::webhooks::{DeliveryLog, Outgoing, Prepared};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
const USER_AGENT: &str = "Metriport API";

/// The reason why a delivery has no HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// No webhook URL is set.
    #[error("no webhook URL is set")]
    NoUrl,
    /// No stored message has this id.
    #[error("no stored message has that id")]
    UnknownMessage,
    /// The receiver did not answer, or answered too late.
    #[error("the receiver did not answer")]
    NoAnswer,
}

/// The client for deliveries: it follows no redirects, uses no proxy, and has bundled TLS roots.
pub(crate) fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let builder = builder.user_agent(USER_AGENT).timeout(ANSWER_TIMEOUT);
    match rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
        Ok(tls) => builder
            .tls_backend_preconfigured(tls.with_root_certificates(roots).with_no_client_auth())
            .build(),
        Err(error) => {
            tracing::warn!(%error, "no TLS for webhooks");
            builder.build()
        }
    }
}

pub(crate) async fn send(app: Arc<App>, outgoing: Outgoing) {
    match outgoing {
        Outgoing::Message(message_id) => deliver_logged(&app, &message_id, false).await,
        Outgoing::Replay(message_ids) => {
            for message_id in message_ids {
                deliver_logged(&app, &message_id, true).await;
            }
        }
        Outgoing::Ping { value, message_id } => ping(&app, &value, &message_id).await,
        Outgoing::Sample(body) => sample(&app, &body).await,
    }
}

/// Delivers a message as the fault plan decides. Without a plan, every message is delivered.
async fn deliver_logged(app: &App, message_id: &str, replayed: bool) {
    match decide_delivery(app, message_id, replayed) {
        DeliveryDecision::Deliver => deliver_once(app, message_id, replayed).await,
        DeliveryDecision::Drop => lose(app, message_id, replayed),
        DeliveryDecision::Double => {
            deliver_once(app, message_id, replayed).await;
            deliver_once(app, message_id, replayed).await;
        }
        DeliveryDecision::DelayMs(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            deliver_once(app, message_id, replayed).await;
        }
        DeliveryDecision::DropAnswer => {
            let sent = app.act(|world, _| world.webhooks.prepare(message_id, !replayed));
            if let Some(prepared) = sent {
                post(app, &prepared, ANSWER_TIMEOUT).await;
            }
            lose(app, message_id, replayed);
        }
    }
}

fn decide_delivery(app: &App, message_id: &str, replayed: bool) -> DeliveryDecision {
    if !app.interception.plans_deliveries() {
        return DeliveryDecision::Deliver;
    }
    let prepared = app.act(|world, _| world.webhooks.prepare(message_id, !replayed));
    prepared.map_or(DeliveryDecision::Deliver, |prepared| {
        app.interception.decide_delivery(&Delivery {
            event_type: &prepared.event_type,
            message_id,
            request_id: prepared.request_id.as_deref().unwrap_or_default(),
            replayed,
        })
    })
}

/// Records a delivery without an answer, so that the message counts as failed.
fn lose(app: &App, message_id: &str, replayed: bool) {
    app.act(|world, _| {
        if let Some(prepared) = world.webhooks.prepare(message_id, !replayed) {
            world.webhooks.add_delivery_log(log_of(&prepared, None, replayed));
        }
    });
}

async fn deliver_once(app: &App, message_id: &str, replayed: bool) {
    if let Err(reason) = deliver(app, message_id, !replayed, replayed).await {
        tracing::debug!(%reason, message_id, "webhook not delivered");
    }
}

/// Delivers a stored message and returns the receiver's HTTP status.
pub(crate) async fn deliver(
    app: &App,
    message_id: &str,
    with_data: bool,
    replayed: bool,
) -> Result<u16, DeliveryError> {
    let prepared = app.act(|world, _| {
        let prepared = world.webhooks.prepare(message_id, with_data);
        if prepared.is_none() {
            world.webhooks.fail(message_id);
        }
        prepared.ok_or(match world.webhooks.url {
            None => DeliveryError::NoUrl,
            Some(_) => DeliveryError::UnknownMessage,
        })
    })?;
    let status = post(app, &prepared, ANSWER_TIMEOUT)
        .await
        .map(|answer| answer.status().as_u16());
    app.add_delivery_log(log_of(&prepared, status, replayed));
    status.ok_or(DeliveryError::NoAnswer)
}

/// Sends these bytes to the webhook URL and returns the receiver's HTTP status.
pub(crate) async fn send_raw(app: &App, body: Vec<u8>, signature: Option<&str>) -> Result<u16, DeliveryError> {
    let url = app
        .act(|world, _| world.webhooks.url.clone())
        .ok_or(DeliveryError::NoUrl)?;
    let mut request = app.http.post(url).header("content-type", "application/json").body(body);
    if let Some(signature) = signature {
        request = request.header("x-metriport-signature", signature);
    }
    let answer = request.send().await.map_err(|error| no_answer(&error))?;
    Ok(answer.status().as_u16())
}

/// Sends a ping. The receiver must answer 2xx, with the ping's value as `pong`.
async fn ping(app: &App, value: &str, message_id: &str) {
    let prepared = app.act(|world, now| {
        let meta = json!({ "messageId": message_id, "when": now, "type": "ping" });
        world
            .webhooks
            .prepared(&json!({ "ping": value, "meta": meta }), "ping", None, message_id)
    });
    let Some(prepared) = prepared else { return };
    let answer = post(app, &prepared, PING_TIMEOUT).await;
    let status = answer.as_ref().map(|answer| answer.status().as_u16());
    let detail = judge_pong(answer, value).await;
    let log = log_of(&prepared, status, false);
    app.act(|world, _| {
        world.webhooks.add_delivery_log(log);
        world.webhooks.enabled = detail == "OK";
        world.webhooks.status_detail = Some(detail.to_owned());
    });
}

/// The text of `webhookStatusDetail`.
async fn judge_pong(answer: Option<reqwest::Response>, value: &str) -> &'static str {
    let Some(answer) = answer else {
        return "No answer to the ping";
    };
    if !answer.status().is_success() {
        return "The ping was not answered with 2xx";
    }
    let body = answer.json::<Value>().await.ok();
    match body.as_ref().and_then(|body| body.get("pong")).and_then(Value::as_str) {
        Some(pong) if pong == value => "OK",
        _ => "The ping was not answered with its pong",
    }
}

async fn sample(app: &App, body: &Value) {
    let text = |pointer: &str| {
        body.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (event_type, message_id) = (text("/meta/type"), text("/meta/messageId"));
    let prepared = app.act(|world, _| world.webhooks.prepared(body, &event_type, None, &message_id));
    let Some(prepared) = prepared else { return };
    let status = post(app, &prepared, ANSWER_TIMEOUT)
        .await
        .map(|answer| answer.status().as_u16());
    let log = log_of(&prepared, status, false);
    app.act(|world, _| world.webhooks.add_delivery_log(log));
}

async fn post(app: &App, prepared: &Prepared, timeout: Duration) -> Option<reqwest::Response> {
    let request = app
        .http
        .post(&prepared.url)
        .timeout(timeout)
        .body(prepared.body.clone());
    let request = request.header("content-type", "application/json");
    match request
        .header("x-metriport-signature", &prepared.signature)
        .send()
        .await
    {
        Ok(answer) => Some(answer),
        Err(error) => {
            no_answer(&error);
            None
        }
    }
}

fn no_answer(error: &reqwest::Error) -> DeliveryError {
    tracing::debug!(
        timeout = error.is_timeout(),
        connect = error.is_connect(),
        "the receiver did not answer"
    );
    DeliveryError::NoAnswer
}

fn log_of(prepared: &Prepared, status: Option<u16>, replayed: bool) -> DeliveryLog {
    DeliveryLog {
        event_type: prepared.event_type.clone(),
        request_id: prepared.request_id.clone(),
        message_id: prepared.message_id.clone(),
        status,
        replayed,
    }
}
