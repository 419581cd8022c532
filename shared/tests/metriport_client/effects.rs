//! Tests whether the client knows that a failed call may have taken effect. The rule "at most one effect" depends on
//! this.

use std::time::Duration;

use serde_json::json;
use shared::domain::record::RecordQuery;
use shared::metriport::{
    Client, Effect, Metadata, StartConsolidatedQuery as _, UpstreamError, UpstreamErrorKind, WebhookReplay as _,
};
use tokio::net::TcpListener;

use crate::upstream::{Answer, Then, Upstream, client, patient_client, patient_id, raw};

/// Makes a call that has a body and an effect.
async fn start(client: &Client) -> Result<(), UpstreamError> {
    client
        .start_consolidated_query(&patient_id(), &RecordQuery::default(), &Metadata::default())
        .await
        .map(drop)
}

async fn fails(base: &str) -> UpstreamError {
    start(&client(base)).await.unwrap_err()
}

fn assert_is(error: UpstreamError, kind: UpstreamErrorKind, effect: Effect) {
    assert_eq!((error.kind(), error.effect()), (kind, effect), "{error}");
    assert_eq!(
        error.retryable(),
        matches!(kind, UpstreamErrorKind::Connect | UpstreamErrorKind::RateLimited { .. })
    );
}

#[tokio::test]
async fn refused_connection_proves_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = fails(&base).await;
    assert_is(error, UpstreamErrorKind::Connect, Effect::NotSent);
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn failed_tls_handshake_proves_that_nothing_was_sent() {
    let upstream = Upstream::answering(Answer::new(200, "text/plain", "not TLS")).await;
    assert_is(
        fails(&format!("https://{}", upstream.address)).await,
        UpstreamErrorKind::Connect,
        Effect::NotSent,
    );
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn endless_handshake_proves_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    assert_is(fails(&base).await, UpstreamErrorKind::Connect, Effect::NotSent);
}

#[tokio::test]
async fn connection_closed_after_the_request_has_unknown_effect() {
    let (base, _server) = raw("", Then::Close).await;
    assert_is(fails(&base).await, UpstreamErrorKind::Interrupted, Effect::Unknown);
}

#[tokio::test]
async fn connection_reset_has_unknown_effect() {
    let (base, _server) = raw("", Then::ResetUnread).await;
    assert_is(fails(&base).await, UpstreamErrorKind::Interrupted, Effect::Unknown);
}

#[tokio::test]
async fn timeout_without_an_answer_has_unknown_effect() {
    let (base, server) = raw("", Then::Hang).await;
    let error = start(&patient_client(&base, Duration::from_millis(600)))
        .await
        .unwrap_err();
    assert_is(error, UpstreamErrorKind::Timeout, Effect::Unknown);
    server.abort();
}

#[tokio::test]
async fn incomplete_answer_has_unknown_effect() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n{\"requestId\":\"r";
    let (base, _server) = raw(head, Then::Close).await;
    assert_is(fails(&base).await, UpstreamErrorKind::Interrupted, Effect::Unknown);

    let (base, server) = raw(head, Then::Hang).await;
    let error = start(&patient_client(&base, Duration::from_millis(600)))
        .await
        .unwrap_err();
    assert_is(error, UpstreamErrorKind::Timeout, Effect::Unknown);
    server.abort();
}

#[tokio::test]
async fn unreadable_success_has_unknown_effect() {
    let json = "application/json";
    let oversized = format!("{{\"requestId\":\"r\",\"x\":\"{}\"}}", "x".repeat(8 << 20));
    let unreadable = [
        Answer::new(200, json, ""),
        Answer::new(200, json, "{\"requestId\":\"r\""),
        Answer::new(200, json, "{}"),
        Answer::new(200, json, "{\"requestId\":17}"),
        Answer::new(200, json, "\"done\""),
        Answer::new(201, "text/html", "<html>OK</html>"),
        Answer::new(204, json, ""),
        Answer::new(200, json, [0xff, 0xfe, 0x00]),
        Answer::new(200, json, oversized),
    ];
    for answer in unreadable {
        let upstream = Upstream::answering(answer).await;
        assert_is(
            start(&upstream.client()).await.unwrap_err(),
            UpstreamErrorKind::Garbage,
            Effect::Unknown,
        );
    }
}

#[tokio::test]
async fn refusal_with_an_incomplete_body_is_a_refusal() {
    let head =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"status\":400";
    let (base, _server) = raw(head, Then::Close).await;
    assert_is(fails(&base).await, UpstreamErrorKind::BadRequest, Effect::Refused);
}

#[tokio::test]
async fn redirect_is_not_followed_and_has_unknown_effect() {
    let elsewhere = Upstream::answering_json(200, json!({"requestId": "r"})).await;
    let there = format!("http://{}/", elsewhere.address);
    for status in [301, 307] {
        let upstream = Upstream::answering(Answer::new(status, "text/plain", "").header("location", &there)).await;
        assert_is(
            start(&upstream.client()).await.unwrap_err(),
            UpstreamErrorKind::Garbage,
            Effect::Unknown,
        );
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn server_error_has_unknown_effect_and_is_not_retried() {
    for (status, kind) in [
        (500, UpstreamErrorKind::Server),
        (502, UpstreamErrorKind::Server),
        (503, UpstreamErrorKind::Server),
        (504, UpstreamErrorKind::Timeout),
    ] {
        let upstream = Upstream::answering_json(status, json!({"message": "Endpoint request timed out"})).await;
        assert_is(start(&upstream.client()).await.unwrap_err(), kind, Effect::Unknown);
        assert_eq!(upstream.requests().len(), 1, "nothing is retried down here");
    }
}

#[tokio::test]
async fn every_success_code_is_accepted() {
    for status in [200, 201, 202] {
        let upstream = Upstream::answering_json(status, json!({"requestId": "r", "status": "processing"})).await;
        start(&upstream.client()).await.unwrap();
    }
}

/// If Lambda freezes a function between two calls, its old connection may be dead afterwards. The function could not
/// know whether Metriport read a request on that connection.
#[tokio::test]
async fn each_call_opens_a_new_connection() {
    let upstream = Upstream::answering_json(200, json!({"requestId": "r", "status": "processing"})).await;
    let client = upstream.client();
    start(&client).await.unwrap();
    start(&client).await.unwrap();
    let requests = upstream.requests();
    assert_ne!(requests[0].peer, requests[1].peer);
}

#[tokio::test]
async fn gzip_answer_is_read() {
    let body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabV*OM\xca\xc8\xcf\xcfv\xcdKL\xcaIMQ\xb2*)*M\xd5\x81\
        \x89\x06\xa5\x16\x96\xa6\x16\x97\x14\x07\x14\xe5'\xa7\x16\x17g\xe6\xa5+Y\x19`\xc8\xba%f\x82\xb5\
        \x1a\xd5\x02\x00u\x09D\xb4O\x00\x00\x00";
    let upstream =
        Upstream::answering(Answer::new(200, "application/json", *body).header("content-encoding", "gzip")).await;
    assert_eq!(upstream.client().webhook_status().await.unwrap().unwrap().failed, 2);
    assert_eq!(upstream.only().header("accept-encoding"), Some("gzip"));
}
