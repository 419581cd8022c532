//! The Lambda Runtime API (docs.aws.amazon.com, "Using the Lambda runtime API for custom runtimes") of one process; it
//! says when the process polled and replied.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use tokio::sync::{Mutex, mpsc};

use super::server::{Answer, Reply, reply};

/// How long an event may take: the longest that Lambda allows, so that nothing that is measured runs into it.
const LIFE_MS: u128 = 900_000;

/// What the process did.
#[derive(Debug)]
pub enum Happened {
    /// It asked for an event.
    Polled(Instant),
    /// It replied.
    Replied(Instant, Bytes),
    /// It reported an error, of an event or of its start.
    Failed(Bytes),
}

impl Happened {
    /// In words, for when it should have been something else.
    pub fn instead_of(&self, expected: &str) -> String {
        match self {
            Self::Polled(_) => format!("a poll instead of {expected}"),
            Self::Replied(_, body) => format!("a reply instead of {expected}: {}", String::from_utf8_lossy(body)),
            Self::Failed(body) => format!("an error instead of {expected}: {}", String::from_utf8_lossy(body)),
        }
    }
}

/// The API's side of the process.
pub struct RuntimeApi {
    events: Mutex<mpsc::Receiver<Bytes>>,
    happened: mpsc::UnboundedSender<Happened>,
    function: String,
}

impl RuntimeApi {
    /// For one process of `function`: events go in by the sender, and what happened comes out of the receiver.
    pub fn new(function: &str) -> (Self, mpsc::Sender<Bytes>, mpsc::UnboundedReceiver<Happened>) {
        let (sender, events) = mpsc::channel(1);
        let (happened, receiver) = mpsc::unbounded_channel();
        let api = Self {
            events: Mutex::new(events),
            happened,
            function: format!("arn:aws:lambda:us-east-1:000000000000:function:{function}"),
        };
        (api, sender, receiver)
    }

    fn tell(&self, happened: Happened) {
        // Nobody listens once the measurement is done.
        self.happened.send(happened).ok();
    }

    async fn next(&self) -> Reply {
        self.tell(Happened::Polled(Instant::now()));
        let Some(event) = self.events.lock().await.recv().await else {
            return reply(410, "text/plain", "");
        };
        let mut reply = reply(200, "application/json", event);
        let text = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        for (name, value) in [
            ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
            ("lambda-runtime-deadline-ms", &(now_ms() + LIFE_MS).to_string()),
            ("lambda-runtime-invoked-function-arn", &self.function),
            (
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            ),
        ] {
            reply.headers_mut().insert(name, text(value));
        }
        reply
    }
}

impl Answer for RuntimeApi {
    fn connected(&self, _at: Instant) {}

    async fn answer(&self, head: Parts, body: Bytes) -> Reply {
        let at = Instant::now();
        match head.uri.path().rsplit('/').next() {
            Some("next") => self.next().await,
            Some("response") => {
                self.tell(Happened::Replied(at, body));
                reply(202, "application/json", r#"{"status":"OK"}"#)
            }
            _ => {
                self.tell(Happened::Failed(body));
                reply(202, "application/json", r#"{"status":"OK"}"#)
            }
        }
    }
}

/// Epoch milliseconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark lives in real time")]
fn now_ms() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis())
}
