//! Translates requests and replies.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use serde_json::json;
use shared::edge::http::request::header;
use shared::edge::http::{json, respond};
use shared::webhook::{SIGNATURE_HEADER, UnverifiedWebhook};

use crate::Deps;
use crate::intake::{WebhookReply, take_in};

/// Answers one request. Every failure becomes a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    // The runtime has decoded API Gateway's base64, so these are the signed bytes.
    let webhook = UnverifiedWebhook {
        body: request.body().as_ref(),
        signature: header(&request, SIGNATURE_HEADER),
    };
    let answer = take_in(deps, &deps.metrics, webhook).await;
    Ok(respond(answer.map(|answer| match answer {
        WebhookReply::Pong(ping) => json(200, &json!({ "pong": ping })),
        WebhookReply::Queued => json(200, &json!({})),
    })))
}
