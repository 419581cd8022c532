//! Settings and the state of deliveries.

use std::sync::Arc;

use axum::extract::State;
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::Value;

use super::{add, json_body};
use crate::app::App;
use crate::envelope::Refusal;
use crate::operation::Operation;

pub(super) fn mount(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = add(router, Operation::ReadSettings, read);
    let router = add(router, Operation::SetSettings, set);
    let router = add(router, Operation::WebhookStatus, webhook_status);
    let router = add(router, Operation::RetryWebhooks, retry);
    add(router, Operation::SamplePayload, sample)
}

async fn read(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.act(|world, _| world.settings()))
}

async fn set(State(app): State<Arc<App>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let body = json_body(&body)?;
    app.act(|world, now| world.set_settings(now, &body)).map(Json)
}

async fn webhook_status(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.act(|world, _| world.webhook_status()))
}

async fn retry(State(app): State<Arc<App>>) -> &'static str {
    app.act(|world, _| world.webhooks.retry_failed());
    "OK"
}

async fn sample(State(app): State<Arc<App>>, body: Bytes) -> Result<&'static str, Refusal> {
    let body = json_body(&body)?;
    app.act(|world, _| world.send_sample(&body)).map(|()| "OK")
}
