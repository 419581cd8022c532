//! Fuzzes the real HTTP handlers with JSON that resembles an API Gateway event. As in the functions, `shared::edge`
//! reads the event.

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::domain::input::FAULTS_MAX;
use shared::edge::http::Code;
use shared::edge::http::event;
use shared::edge::http::event::HttpEvent;
use shared::message::webhook::WebhookEvent;
use shared::webhook::SIGNATURE_HEADER;
use tokio::runtime::Runtime;

use super::runtime;
use crate::canary::{self, CANARY};
use crate::chance::Chance;
use crate::mutate;
use crate::run::{Class, Entry};
use crate::world::events::{self, Call, KEY_HEADER, put, put_encoded};
use crate::world::people::{FIRST, LEAVER, OFFERED, STRANGER};
use crate::world::webhooks::{every_kind, sign};
use crate::world::{Failed, World};

enum Function {
    Identity(identity_session::Deps),
    Intake(webhook_intake::Deps),
    Aal2(aal2_challenge::Deps),
    Query(network_query::Deps),
    Read(record_read::Deps),
    Account(account::Deps),
}

/// A function behind API Gateway.
pub struct Http {
    name: &'static str,
    calls: Vec<Call>,
    function: Function,
    world: World,
    runtime: Runtime,
}

/// Values of claims that do not identify a person, or that identify a person who is not in the table.
const CLAIMS: [&str; 5] = ["", " ", "\0", "a\u{202e}b", "fuzz-person-1 "];

/// The functions, by name.
pub const NAMES: [&str; 6] = [
    "identity-session",
    "webhook-intake",
    "aal2-challenge",
    "network-query",
    "record-read",
    "account",
];

impl Http {
    /// Starts a function in its own [`World`].
    ///
    /// # Errors
    /// Fails if the world does not start.
    pub fn start(name: &'static str) -> Result<Self, Failed> {
        let runtime = runtime()?;
        let world = runtime.block_on(World::start())?;
        let init = world.init()?;
        let (function, calls) = match name {
            "identity-session" => (
                Function::Identity(runtime.block_on(identity_session::Deps::read(&init))?),
                Call::of_identity_session(),
            ),
            "webhook-intake" => (
                Function::Intake(runtime.block_on(webhook_intake::Deps::read(&init))?),
                every_kind()
                    .iter()
                    .map(|body| Call::of_webhook(body.to_string().as_bytes()))
                    .collect(),
            ),
            "aal2-challenge" => (
                Function::Aal2(runtime.block_on(aal2_challenge::Deps::read(&init))?),
                Call::of_aal2_challenge(),
            ),
            "network-query" => (
                Function::Query(runtime.block_on(network_query::Deps::read(&init))?),
                Call::of_network_query(&world.pull),
            ),
            "account" => (
                Function::Account(runtime.block_on(account::Deps::read(&init))?),
                Call::of_account(&world.record, &world.export, &world.receipt),
            ),
            _ => (
                Function::Read(runtime.block_on(record_read::Deps::read(&init))?),
                Call::of_record_read(&world.record),
            ),
        };
        Ok(Self {
            name,
            calls,
            function,
            world,
            runtime,
        })
    }

    fn answer(&self, request: Request) -> Response<Body> {
        let Ok(reply) = self.runtime.block_on(async {
            match &self.function {
                Function::Identity(deps) => identity_session::handler::handle(deps, request).await,
                Function::Intake(deps) => webhook_intake::handler::handle(deps, request).await,
                Function::Aal2(deps) => aal2_challenge::handler::handle(deps, request).await,
                Function::Query(deps) => network_query::handler::handle(deps, request).await,
                Function::Read(deps) => record_read::handler::handle(deps, request).await,
                Function::Account(deps) => account::handler::handle(deps, request).await,
            }
        });
        reply
    }

    fn is_intake(&self) -> bool {
        matches!(self.function, Function::Intake(_))
    }

    /// A signed webhook that is not a ping must be queued, in a form that `webhook-process` can read.
    fn judge_intake(&self, reply: &Response<Body>, ping: bool) -> Result<(), String> {
        let sent = self.world.cloud.take_sent();
        // `is_ping` misses some pings that the function recognizes, so a reply with `pong` counts too. The function
        // queues a ping with a doubled name as an event.
        let pong = matches!(reply.body(), Body::Text(text) if text.contains("\"pong\""));
        match (reply.status().is_success(), ping || pong, sent.as_slice()) {
            (true, true, []) | (false, _, []) => Ok(()),
            (true, _, [message]) => match shared::message::parse::<WebhookEvent>(&message.body) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("the queued message cannot be read: {error}")),
            },
            (accepted, ping, sent) => Err(format!("accepted: {accepted}, a ping: {ping}, queued: {}", sent.len())),
        }
    }
}

impl Entry for Http {
    fn name(&self) -> &'static str {
        self.name
    }

    fn generate(&self, chance: &mut Chance) -> Vec<u8> {
        // The first route of each function takes the largest body, so it is chosen more often.
        let at = if chance.one_in(3) {
            0
        } else {
            chance.below(self.calls.len())
        };
        let Some(mut call) = self.calls.get(at).cloned() else {
            return Vec::new();
        };
        // Some callers have no open pull, some have only consented, some are being erased, and some have not taken any
        // step yet.
        if call.subject.is_some() {
            call.subject = Some(chance.pick([FIRST.subject, OFFERED.subject, STRANGER, LEAVER, "fuzz-newcomer"]));
        }
        if let Some(id) = call.id.as_mut().filter(|_| chance.one_in(2)) {
            *id = mutate::text::odd(chance);
        }
        for (_, value) in &mut call.headers {
            if chance.one_in(6) {
                *value = header_text(chance);
            }
        }
        if chance.one_in(10) {
            call.headers.clear();
        }
        let mut spoilt = true;
        match chance.below(4) {
            0 if call.takes_a_key() => {
                call = call.by(&FIRST).under_a_key();
                spoilt = chance.one_in(2);
            }
            1 if call.takes_a_key() => call = with_a_key(call, chance),
            _ => {}
        }
        let body = match &call.body {
            Some(body) if !spoilt => Some(body.to_string().into_bytes()),
            _ => body(&call, chance),
        };
        if self.is_intake() && !chance.one_in(8) {
            call.headers = vec![(SIGNATURE_HEADER, sign(body.as_deref().unwrap_or_default()))];
        }
        let mut event = call.event(body.as_deref());
        if let Some(body) = body.as_deref().filter(|_| chance.one_in(6)) {
            put_encoded(&mut event, body);
        }
        if chance.one_in(12) {
            put(&mut event, "/headers", "content-type", json!(content_type(chance)));
        }
        if call.subject.is_some() && chance.one_in(12) {
            let (value, claim) = (
                chance.pick(CLAIMS),
                chance.pick(["iss", "sub", "scope", "amr", "auth_time"]),
            );
            put(&mut event, "/requestContext/authorizer/jwt/claims", claim, json!(value));
        }
        if chance.one_in(6) {
            put_odd_address(&mut event, chance);
        }
        match chance.below(10) {
            0 | 1 => mutate::document(event, chance),
            _ => event.to_string().into_bytes(),
        }
    }

    fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
        self.world.cloud.take_sent();
        // The Lambda runtime refuses JSON that is not an event, and logs the error. So the error must not repeat the
        // input.
        let event: HttpEvent = match serde_json::from_slice(input) {
            Ok(event) => event,
            Err(error) if canary::is_in(&error.to_string()) => {
                return Err(format!(
                    "the error repeats the input, and the runtime would log it: {error}"
                ));
            }
            Err(_) => return Ok("not an event"),
        };
        let request = event::request(event);
        let ping = self.is_intake() && is_ping(request.body().as_ref());
        let reply = self.answer(request);
        if self.is_intake() {
            self.judge_intake(&reply, ping)?;
        }
        judge_reply(&reply, self.is_intake())
    }
}

/// The body of a call, usually mutated.
fn body(call: &Call, chance: &mut Chance) -> Option<Vec<u8>> {
    if chance.one_in(40) {
        return Some(mutate::bytes::noise(chance));
    }
    if chance.one_in(4000) {
        return Some(b" ".repeat(shared::edge::http::request::BODY_BYTES_MAX + 1));
    }
    match (&call.body, chance.below(20)) {
        (_, 0) => None,
        (Some(body), 1..3) => Some(body.to_string().into_bytes()),
        (Some(body), _) => Some(mutate::document(body.clone(), chance)),
        (None, 1..4) => Some(mutate::document(events::demographics(), chance)),
        (None, _) => None,
    }
}

/// An odd text that can be a header value, because it has no control characters.
fn header_text(chance: &mut Chance) -> String {
    let text = mutate::text::odd(chance);
    text.chars().filter(|character| !character.is_control()).collect()
}

/// Puts an odd value into a field that contains a part of the request's address.
fn put_odd_address(event: &mut Value, chance: &mut Chance) {
    let (place, name) = chance.pick([
        ("/headers", "host"),
        ("/headers", "x-forwarded-proto"),
        ("/headers", "x-forwarded-port"),
        ("", "rawPath"),
        ("", "rawQueryString"),
        ("/requestContext", "domainName"),
        ("/requestContext", "stage"),
    ]);
    let text = match chance.below(4) {
        0 => chance
            .pick(["a b", "[::1", ":", "@", "a:99999999", "ht tp", "javascript"])
            .to_owned(),
        1 => String::new(),
        _ => header_text(chance),
    };
    put(event, place, name, json!(text));
    if chance.one_in(4) {
        put(event, "", "cookies", json!([header_text(chance), "a=1"]));
    }
}

/// Adds an idempotency key: the used key with or without quotes, a new key, two keys at once, or a malformed key.
fn with_a_key(mut call: Call, chance: &mut Chance) -> Call {
    let used = call.used_key();
    let key = match chance.below(6) {
        0 => used,
        1 => format!("\"{used}\""),
        2 => format!("fuzz-{}", chance.number()),
        3 => format!("{used}, {used}"),
        4 => "k".repeat(chance.pick([1, 254, 255, 256])),
        _ => header_text(chance),
    };
    call.headers.push((KEY_HEADER, key));
    call
}

fn content_type(chance: &mut Chance) -> String {
    match chance.below(6) {
        0 => "APPLICATION/JSON; charset=\"utf-8\"".to_owned(),
        1 => "application/fhir+json".to_owned(),
        2 => "text/plain".to_owned(),
        3 => ";;;".to_owned(),
        4 => String::new(),
        _ => header_text(chance),
    }
}

fn is_ping(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.pointer("/meta/type") == Some(&json!("ping")) && body.get("ping").is_some_and(Value::is_string)
}

/// Checks that every refusal is a problem of the closed list with a status below 500, and that no reply repeats the
/// input.
fn judge_reply(reply: &Response<Body>, echoes: bool) -> Result<Class, String> {
    let status = reply.status().as_u16();
    let header = |name: &str| {
        reply
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let Body::Text(text) = reply.body() else {
        return Err(format!("{status} has no text"));
    };
    if header("cache-control") != "no-store" {
        return Err(format!("{status} lacks no-store"));
    }
    let Ok(body) = serde_json::from_str::<Value>(text) else {
        return Err(format!("{status} is not JSON: {text}"));
    };
    // Two parts of a reply may repeat the input: a pong has the ping's text, and a pointer has names of fields.
    let shown = without_pointers(body.clone()).to_string();
    if canary::is_in(&shown) && !(echoes && status == 200) {
        return Err(format!("{status} repeats {CANARY}: {text}"));
    }
    if reply.status().is_success() {
        return match header("content-type") {
            "application/json" if header("idempotency-replayed") == "true" => Ok("replayed"),
            "application/json" if status == 202 => Ok("accepted for later"),
            "application/json" => Ok("accepted"),
            other => Err(format!("{status} has the content type {other}")),
        };
    }
    judge_problem(status, header("content-type"), &body)
}

/// Whether a text is a JSON pointer (RFC 6901): it is empty or begins with `/`, and only 0 or 1 follows a `~`.
fn is_pointer(pointer: Option<&Value>) -> bool {
    let Some(pointer) = pointer.and_then(Value::as_str) else {
        return false;
    };
    let escaped = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    escaped && (pointer.is_empty() || pointer.starts_with('/'))
}

fn without_pointers(mut body: Value) -> Value {
    let errors = body.get_mut("errors").and_then(Value::as_array_mut);
    for error in errors.into_iter().flatten().filter_map(Value::as_object_mut) {
        error.remove("pointer");
    }
    body
}

fn judge_problem(status: u16, content_type: &str, body: &Value) -> Result<Class, String> {
    let broken = |what: &str| Err(format!("{what}: {status} {content_type} {body}"));
    let code_text = body.get("code").and_then(Value::as_str).unwrap_or_default();
    let Some(code) = Code::ALL.iter().find(|code| code.as_str() == code_text) else {
        return broken("the code is not in the list");
    };
    if content_type != "application/problem+json" {
        return broken("not problem+json");
    }
    if code.status() != status || body.get("status") != Some(&json!(status)) {
        return broken("the status does not fit the code");
    }
    if body.get("type") != Some(&json!(format!("urn:individual-access:problem:{code_text}"))) {
        return broken("the type does not fit the code");
    }
    if body
        .pointer("/next/action")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
    {
        return broken("next has no action");
    }
    let errors = body
        .get("errors")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    if code_text == "invalid_request" && (errors.is_empty() || errors.len() > FAULTS_MAX) {
        return broken("errors names no field, or too many");
    }
    if !errors.iter().all(|error| is_pointer(error.get("pointer"))) {
        return broken("a pointer is not a JSON pointer");
    }
    // Everything around the handler works, so the input caused this failure.
    if status >= 500 {
        return broken("the input caused a 5xx");
    }
    Ok(code.as_str())
}
