//! One answerer for all: a request of the AWS protocols says its operation in a header, objects and files have paths of
//! their own, and all else is for Metriport.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Value, json};

use super::server::{Answer, Reply, reply};
use super::world::{State, lock};
use super::{aws, metriport};

/// The bucket of records.
pub const BUCKET: &str = "records-bucket";
/// Where the consolidated record lies.
pub const RECORD_PATH: &str = "/files/record.json";

/// Answers by the state.
pub struct Answers {
    state: Arc<Mutex<State>>,
    record: Bytes,
}

impl Answers {
    /// Answers by `state`, which others may change.
    pub fn new(state: Arc<Mutex<State>>) -> Self {
        Self {
            state,
            record: metriport::record().into(),
        }
    }

    fn by_path(&self, state: &mut State, head: &Parts, body: &Bytes) -> Reply {
        let (method, path) = (head.method.as_str(), head.uri.path());
        if let Some(key) = path.strip_prefix('/').and_then(|path| path.strip_prefix(BUCKET)) {
            let body = String::from_utf8_lossy(body);
            let input = json!({ "Bucket": BUCKET, "Key": key.trim_start_matches('/'), "Body": body });
            state
                .seen
                .calls
                .push(json!({ "operation": "PutObject", "input": input }));
            return reply(200, "application/xml", "");
        }
        let host = head.headers.get("host").and_then(|host| host.to_str().ok());
        let base = format!("https://{}", host.unwrap_or_default());
        let url = format!("{base}{}", head.uri);
        let input = json!({ "method": method, "url": url, "body": String::from_utf8_lossy(body) });
        state.seen.calls.push(json!({ "operation": "Http", "input": input }));
        if path == RECORD_PATH {
            return reply(200, "application/json", self.record.clone());
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        state.metadata.insert(path.to_owned(), body["metadata"].clone());
        let (status, body) = metriport::answer(method, path, &body, &base);
        reply(status, "application/json", body.to_string())
    }
}

impl Answer for Answers {
    fn connected(&self, at: Instant) {
        lock(&self.state).seen.connected.get_or_insert(at);
    }

    async fn answer(&self, head: Parts, body: Bytes) -> Reply {
        let mut state = lock(&self.state);
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        match target.and_then(|target| target.split_once('.')) {
            Some((_, operation)) => {
                let input = serde_json::from_slice(&body).unwrap_or_default();
                let (status, body) = aws::answer(&mut state, operation, input);
                reply(status, "application/x-amz-json-1.0", body.to_string())
            }
            None => self.by_path(&mut state, &head, &body),
        }
    }
}
