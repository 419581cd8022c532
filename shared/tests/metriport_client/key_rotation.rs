//! The client retries a call once if its API key is refused and another key is stored by then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::record::RecordQuery;
use shared::domain::{Aal2SessionId, ProofedIdentityId, SourceKind};
use shared::metriport::{
    ApiKeyRead, Client, Effect, IasStart, Metadata, ReadApiKey, RequestedSources, StartConsolidatedQuery as _,
    StartNetworkQuery as _, UpstreamError, UpstreamErrorKind,
};

use crate::upstream::{API_KEY, Answer, Upstream, patient_id};

const NEW_KEY: &str = "bmV3OmN1c3RvbWVy";
const LONG: Duration = Duration::from_secs(3600);

/// The stored key, and how often it was read.
#[derive(Default)]
struct Stored {
    key: Mutex<Option<String>>,
    reads: AtomicUsize,
}

impl Stored {
    fn holding(key: &str) -> Arc<Self> {
        let stored = Self::default();
        *stored.key.lock().unwrap() = Some(key.to_owned());
        Arc::new(stored)
    }

    fn read_count(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl ReadApiKey for Stored {
    fn read_api_key(&self) -> ApiKeyRead<'_> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { self.key.lock().unwrap().clone().map(Into::into) })
    }
}

fn forbidden() -> Answer {
    Answer::json(403, &json!({ "message": "Forbidden" }))
}

/// An upstream that accepts only this key, and answers `otherwise` to every other key.
async fn knowing(key: &'static str, otherwise: Answer) -> Upstream {
    let started = Answer::json(200, &json!({ "requestId": "r", "status": "processing" }));
    Upstream::answering_as(move |request| match request.header("x-api-key") {
        Some(shown) if shown == key => started.clone(),
        _ => otherwise.clone(),
    })
    .await
}

async fn start(client: &Client) -> Result<(), UpstreamError> {
    client
        .start_consolidated_query(&patient_id(), &RecordQuery::default(), &Metadata::default())
        .await
        .map(drop)
}

fn keys_shown(upstream: &Upstream) -> Vec<String> {
    let requests = upstream.requests();
    requests
        .iter()
        .map(|request| request.header("x-api-key").unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn call_with_a_refused_key_is_retried_with_the_new_key() {
    for refusal in [
        forbidden(),
        Answer::new(403, "text/plain", "Forbidden"),
        Answer::new(401, "text/plain", ""),
    ] {
        let upstream = knowing(NEW_KEY, refusal).await;
        let stored = Stored::holding(NEW_KEY);
        let client = upstream.client().with_key_from(stored.clone(), LONG);
        start(&client).await.unwrap();
        assert_eq!(keys_shown(&upstream), [API_KEY, NEW_KEY]);
        let requests = upstream.requests();
        assert_eq!(
            (&requests[0].line, &requests[0].body),
            (&requests[1].line, &requests[1].body)
        );
        // The next call uses the new key at once, also in a clone of the client.
        start(&client.clone()).await.unwrap();
        assert_eq!((upstream.requests().len(), stored.read_count()), (3, 1));
    }
}

#[tokio::test]
async fn call_is_not_retried_without_another_key() {
    let upstream = knowing(NEW_KEY, forbidden()).await;
    for stored in [Stored::holding(API_KEY), Stored::holding("two\nlines"), Arc::default()] {
        let sent_before = upstream.requests().len();
        let client = upstream.client().with_key_from(stored.clone(), LONG);
        for _ in 0..3 {
            let error = start(&client).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.effect()),
                (UpstreamErrorKind::Auth, Effect::Refused)
            );
        }
        assert_eq!((upstream.requests().len() - sent_before, stored.read_count()), (3, 1));
    }
    // After the least time between two reads (here zero), the key is read again.
    let stored = Stored::holding(API_KEY);
    let client = upstream.client().with_key_from(stored.clone(), Duration::ZERO);
    start(&client).await.unwrap_err();
    *stored.key.lock().unwrap() = Some(NEW_KEY.to_owned());
    start(&client).await.unwrap();
    assert_eq!(stored.read_count(), 2);
}

#[tokio::test]
async fn refused_new_key_ends_the_retries() {
    let upstream = knowing("neither", forbidden()).await;
    let client = upstream
        .client()
        .with_key_from(Stored::holding(NEW_KEY), Duration::ZERO);
    assert_eq!(start(&client).await.unwrap_err().kind(), UpstreamErrorKind::Auth);
    assert_eq!(keys_shown(&upstream), [API_KEY, NEW_KEY]);
}

/// The client retries only a call with a refused key. It does not retry other refusals, or a call that may have had an
/// effect.
#[tokio::test]
async fn other_failures_are_not_retried_with_a_new_key() {
    let envelope = |status: u16| json!({ "status": status, "title": "ForbiddenError", "detail": "no" });
    for answer in [
        Answer::json(403, &envelope(403)),
        Answer::json(500, &json!({ "message": "Internal server error" })),
        Answer::json(504, &json!({ "message": "Endpoint request timed out" })),
        Answer::json(429, &json!({ "message": "Limit Exceeded" })),
        Answer::json(200, &Value::Null),
    ] {
        let upstream = Upstream::answering(answer).await;
        let stored = Stored::holding(NEW_KEY);
        start(&upstream.client().with_key_from(stored.clone(), Duration::ZERO))
            .await
            .unwrap_err();
        assert_eq!((upstream.requests().len(), stored.read_count()), (1, 0));
    }
}

/// A 401 to a call with an AAL2 session may be about that session.
#[tokio::test]
async fn refused_aal2_session_does_not_count_as_a_refused_key() {
    let upstream = Upstream::answering_json(401, json!({ "status": 401, "title": "", "detail": "" })).await;
    let stored = Stored::holding(NEW_KEY);
    let client = upstream.client().with_key_from(stored.clone(), Duration::ZERO);
    let start = IasStart {
        patient: patient_id(),
        proofed_identity: ProofedIdentityId::parse("pid_1").unwrap(),
        aal2_session: Aal2SessionId::parse("aal2_1").unwrap(),
        sources: RequestedSources::new([SourceKind::Hie]).unwrap(),
        metadata: Metadata::default(),
    };
    assert!(client.start_network_query(&start).await.unwrap_err().mentions_aal2());
    assert_eq!((upstream.requests().len(), stored.read_count()), (1, 0));
}
