//! Fuzzes the real client of Metriport with answers of any status, content type and body, complete or broken.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shared::metrics::Metrics;
use shared::metriport::{Client, ClientOptions, Effect, Operation, UpstreamError, UpstreamErrorKind, tls_config};
use tokio::runtime::Runtime;

use super::operations::{AcceptedAnswer, Operations};
use super::runtime;
use crate::canary;
use crate::chance::Chance;
use crate::log;
use crate::mutate;
use crate::run::{Class, Entry};
use crate::world::Failed;
use crate::world::loopback::{self, Answer};

/// The client of Metriport.
pub struct Answers {
    operations: Operations,
    next: Arc<Mutex<Sent>>,
    runtime: Runtime,
}

/// The entry's name.
pub const NAME: &str = "upstream-answer";

/// A long time limit: the loopback server answers at once, but the operating system can pause this process in the
/// middle of an answer.
const BOUND: Duration = Duration::from_secs(120);
const DAY: Duration = Duration::from_secs(86_400);
const CONTENT_TYPES: [&str; 6] = [
    "application/json",
    "text/html; charset=utf-8",
    "text/plain",
    "application/octet-stream",
    "",
    "\u{ff}\u{fe}",
];
const RETRY_AFTER: [&str; 8] = [
    "",
    "30",
    "-1",
    "99999999999999999999",
    "1.5",
    "Sun, 22 Nov 2026 10:00:00 GMT",
    "cAn~ArY9q7Z",
    "\u{ff}",
];

/// The framings of an answer, by number. The framings from `WHOLE` on are broken.
const FRAMES: [&str; 8] = [
    "length",
    "until the end",
    "chunks",
    "too short",
    "bad chunk",
    "not gzip",
    "no answer",
    "no HTTP",
];
const WHOLE: usize = 3;

/// An answer as fuzz input: a line of numbers, followed by the body.
#[derive(Clone, Default)]
struct Sent {
    operation: usize,
    status: u16,
    content_type: usize,
    frame: usize,
    retry_after: usize,
    body: Vec<u8>,
}

impl Sent {
    fn write(&self) -> Vec<u8> {
        let Self {
            operation,
            status,
            content_type,
            frame,
            retry_after,
            body,
        } = self;
        let mut input = format!("{operation} {status} {content_type} {frame} {retry_after}\n").into_bytes();
        input.extend_from_slice(body);
        input
    }

    /// A missing or malformed number counts as 0, so that every shortened input is valid.
    fn read(input: &[u8], operations: usize) -> Self {
        let mut parts = input.splitn(2, |byte| *byte == b'\n');
        let line = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let mut numbers = line
            .split(' ')
            .map(|number| number.parse::<usize>().unwrap_or_default());
        let mut next = |bound: usize| numbers.next().unwrap_or_default() % bound;
        Self {
            operation: next(operations),
            status: u16::try_from(next(1000)).unwrap_or_default().max(200),
            content_type: next(CONTENT_TYPES.len()),
            frame: next(FRAMES.len()),
            retry_after: next(RETRY_AFTER.len()),
            body: parts.next().unwrap_or_default().to_vec(),
        }
    }

    fn answer(&self) -> Answer {
        let head = |name: &str, value: Option<&&str>| match value {
            Some(value) if !value.is_empty() => format!("{name}: {value}\r\n"),
            _ => String::new(),
        };
        let mut start = format!("HTTP/1.1 {} X\r\n", self.status);
        start += &head("content-type", CONTENT_TYPES.get(self.content_type));
        start += &head("retry-after", RETRY_AFTER.get(self.retry_after));
        let length = self.body.len();
        // A 204 or 304 never has a body, so the client would read body bytes as the beginning of the next answer.
        let bodiless = matches!(self.status, 204 | 304);
        let (rest, body, ends) = match self.frame {
            0 if !bodiless => (format!("content-length: {length}\r\n\r\n"), self.body.clone(), false),
            2 if !bodiless => (
                "transfer-encoding: chunked\r\n\r\n".to_owned(),
                chunks(&self.body),
                false,
            ),
            3 => (
                format!("connection: close\r\ncontent-length: {}\r\n\r\n", length + 10),
                self.body.clone(),
                true,
            ),
            4 => (
                "connection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(),
                self.body.clone(),
                true,
            ),
            5 => {
                let rest = format!("connection: close\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n");
                (rest, self.body.clone(), true)
            }
            6 => {
                return Answer {
                    bytes: Vec::new(),
                    ends: true,
                };
            }
            7 => {
                return Answer {
                    bytes: self.body.clone(),
                    ends: true,
                };
            }
            _ => ("connection: close\r\n\r\n".to_owned(), self.body.clone(), true),
        };
        // Each character of a header value is one byte on the wire, even above ASCII.
        let mut bytes: Vec<u8> = (start + &rest)
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
            .collect();
        bytes.extend_from_slice(&body);
        Answer { bytes, ends }
    }
}

fn chunks(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in body.chunks(100) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

impl Answers {
    /// Starts a server on loopback that sends the planned answer. The client keeps its connections, unlike in a
    /// function, so that a million answers do not need a million ports.
    ///
    /// # Errors
    /// Fails if the client cannot be made.
    pub fn start() -> Result<Self, Failed> {
        let runtime = runtime()?;
        let next = Arc::new(Mutex::new(Sent::default()));
        let sent = Arc::clone(&next);
        let answerer =
            move |_: &loopback::LoopbackRequest<'_>| sent.lock().unwrap_or_else(PoisonError::into_inner).answer();
        let address = runtime.block_on(loopback::listen(Arc::new(answerer)))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_config()?)
            .timeout(BOUND)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .gzip(true)
            .build()?;
        let client = Client::new(ClientOptions {
            base_url: format!("http://{address}").parse()?,
            api_key: "fuzz-api-key".to_owned().into(),
            http,
            request_timeout: BOUND,
            user_agent: "fuzz".to_owned(),
        })?;
        let metrics = Metrics::to("fuzz", log::metric);
        Ok(Self {
            operations: Operations::new(client.with_metrics(metrics))?,
            next,
            runtime,
        })
    }
}

impl Entry for Answers {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(&self, chance: &mut Chance) -> Vec<u8> {
        let operation = chance.below(Operations::ALL.len());
        let status = match chance.below(4) {
            0 | 1 => chance.pick([200, 200, 201, 202, 204]),
            2 => chance.pick([
                400, 401, 403, 404, 408, 409, 412, 422, 423, 429, 499, 500, 502, 503, 504,
            ]),
            _ => 200 + u16::try_from(chance.below(800)).unwrap_or_default(),
        };
        let valid = if chance.one_in(3) {
            refusal(chance)
        } else {
            Operations::valid(operation)
        };
        let body = match chance.below(12) {
            0 => mutate::bytes::noise(chance),
            1 => mutate::text::odd(chance).into_bytes(),
            _ => mutate::document(valid, chance),
        };
        let frame = if chance.one_in(6) {
            chance.below(FRAMES.len())
        } else {
            0
        };
        let content_type = if chance.one_in(4) {
            chance.below(CONTENT_TYPES.len())
        } else {
            0
        };
        let retry_after = if chance.one_in(4) {
            chance.below(RETRY_AFTER.len())
        } else {
            0
        };
        Sent {
            operation,
            status,
            content_type,
            frame,
            retry_after,
            body,
        }
        .write()
    }

    fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
        let sent = Sent::read(input, Operations::ALL.len());
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = sent.clone();
        let answered = self.runtime.block_on(self.operations.call(sent.operation));
        match answered {
            Ok(answer) => judge_taken(&sent, &answer),
            Err(error) => judge_refused(&sent, error),
        }
    }
}

/// An error as Metriport or its gateway writes it.
fn refusal(chance: &mut Chance) -> Value {
    let title = chance.pick([
        "PatientNotFoundError",
        "NotFoundError",
        "PatientOptedOutError",
        "BadRequestError",
        "Other",
    ]);
    let detail = chance.pick([
        "Invalid proofedIdentityId",
        "AAL2 session expired",
        "redirectUrl not allowed",
        "",
    ]);
    match chance.below(4) {
        0 => json!({ "message": "Forbidden" }),
        1 => json!("Patient is locked"),
        _ => json!({ "status": 400, "name": "X", "title": title, "detail": format!("{detail} {}", canary::CANARY) }),
    }
}

/// The external id in a patient's body. Unlike a `Value`, this type can be read even if other members are nested too
/// deeply.
#[derive(serde::Deserialize)]
struct Carries {
    #[serde(rename = "externalId")]
    external_id: Option<Value>,
}

/// The client may accept only a complete success. A 404 counts as a success only for calls whose item may be absent.
fn judge_taken(sent: &Sent, answer: &AcceptedAnswer) -> Result<Class, String> {
    let absent = sent.status == 404 && answer.may_be_absent;
    if sent.frame >= 6 {
        return if sent.frame == 7 {
            Ok("taken")
        } else {
            Err("a missing answer was accepted".to_owned())
        };
    }
    if !absent && !(200..300).contains(&sent.status) {
        return Err(format!("status {} was accepted as a success", sent.status));
    }
    // An empty body is valid in any encoding.
    let broken = sent.frame >= WHOLE && !(sent.frame == 5 && sent.body.is_empty());
    if broken && matches!(sent.status, 200..=203) && !answer.ignores_the_body {
        return Err(format!("a body that is {:?} was accepted", FRAMES.get(sent.frame)));
    }
    if canary::is_in(&answer.shown) {
        return Err(format!("the result prints the canary: {}", answer.shown));
    }
    if let Some(patient) = &answer.ours {
        let body: Option<Carries> = serde_json::from_slice(&sent.body).ok();
        if body.and_then(|body| body.external_id) != Some(json!(patient)) {
            return Err("another person's patient was accepted as ours".to_owned());
        }
    }
    Ok(if absent { "absent" } else { "taken" })
}

fn judge_refused(sent: &Sent, error: UpstreamError) -> Result<Class, String> {
    let shown = format!("{error} {error:?}");
    if canary::is_in(&shown) {
        return Err(format!("the error repeats the answer: {shown}"));
    }
    if error.retryable() && error.effect() == Effect::Unknown {
        return Err(format!(
            "the call is retryable although it may have had an effect: {shown}"
        ));
    }
    if error.retry_after().is_some_and(|wait| wait > DAY) {
        return Err(format!("the error waits longer than a day: {shown}"));
    }
    if error.effect() == Effect::NotSent {
        return Err(format!("an answered call counts as not sent: {shown}"));
    }
    let expected = match sent.status {
        _ if sent.frame >= 6 => return Ok(error.kind().as_str()),
        408 | 499 => Effect::Unknown,
        400..=499 => Effect::Refused,
        _ => Effect::Unknown,
    };
    // A 2xx whose body the client cannot use has an unknown effect.
    if error.effect() != expected {
        return Err(format!("status {} has the effect {:?}", sent.status, error.effect()));
    }
    let complete = sent.frame < WHOLE || matches!(error.kind(), UpstreamErrorKind::Garbage);
    if complete && error.status() != Some(sent.status) {
        return Err(format!("status {} became {shown}", sent.status));
    }
    Ok(error.kind().as_str())
}

/// The match is exhaustive, so that a new operation of the client does not compile until it is listed here.
pub(super) const fn is_called(operation: Operation) -> bool {
    match operation {
        Operation::CreatePatient
        | Operation::GetPatient
        | Operation::FindPatient
        | Operation::UpdatePatient
        | Operation::DeletePatient
        | Operation::CreateFacility
        | Operation::ListFacilities
        | Operation::ReadSettings
        | Operation::WriteSettings
        | Operation::ReadWebhookStatus
        | Operation::RetryWebhooks
        | Operation::OpenIdentitySession
        | Operation::OpenAal2Challenge
        | Operation::StartNetworkQuery
        | Operation::ReadNetworkQuery
        | Operation::StartConsolidatedQuery => true,
    }
}
