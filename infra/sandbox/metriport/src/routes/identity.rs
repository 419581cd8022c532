//! Identity sessions and AAL2 challenges.

use std::sync::Arc;

use axum::extract::State;
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::Value;

use super::{add, json_body};
use crate::app::App;
use crate::envelope::Refusal;
use crate::operation::Operation;

type Answer = Result<Json<Value>, Refusal>;

pub(super) fn mount(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = add(router, Operation::CreateIdentitySession, create_session);
    add(router, Operation::CreateChallenge, create_challenge)
}

async fn create_session(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let body = json_body(&body)?;
    app.act(|world, now| world.create_identity_session(now, &body))
        .map(Json)
}

async fn create_challenge(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let body = json_body(&body)?;
    app.act(|world, now| world.create_challenge(now, &body)).map(Json)
}
