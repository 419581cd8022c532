//! Valid events of API Gateway and SQS, which the generators mutate.

use lambda_http::Request;
use serde_json::{Value, json};
use shared::webhook::SIGNATURE_HEADER;

use super::people::{FIRST, Person};
use super::upstream::CHALLENGE;
use super::webhooks::sign;
use super::{Failed, NOTICE, RETURN};

/// The header with the idempotency key.
pub const KEY_HEADER: &str = "idempotency-key";
/// The header with the AAL2 session of a passed challenge. The sessions in these calls were never used.
const SESSION_HEADER: &str = "x-aal2-session";

/// A request that the functions accept.
#[derive(Clone)]
pub struct Call {
    /// The route as the template writes it.
    pub route: &'static str,
    /// The value of the path's parameter, `{id}` or `{receipt}`.
    pub id: Option<String>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body, if the route takes one.
    pub body: Option<Value>,
    /// The caller; `None` on the route without an authorizer.
    pub subject: Option<&'static str>,
}

impl Call {
    fn new(route: &'static str, body: Option<Value>) -> Self {
        Self {
            route,
            id: None,
            headers: Vec::new(),
            body,
            subject: Some(FIRST.subject),
        }
    }

    fn with_id(route: &'static str, id: &str) -> Self {
        Self {
            id: Some(id.to_owned()),
            ..Self::new(route, None)
        }
    }

    /// Routes of `identity-session`, in the order of a person's steps.
    #[must_use]
    pub fn of_identity_session() -> Vec<Self> {
        vec![
            Self::new("PUT /v1/patient", Some(demographics())),
            Self::new("POST /v1/identity-sessions", Some(json!({ "redirectUrl": RETURN }))),
            Self::new("GET /v1/identity", None),
        ]
    }

    /// The route of `aal2-challenge`.
    #[must_use]
    pub fn of_aal2_challenge() -> Vec<Self> {
        vec![Self::challenge()]
    }

    /// The call that opens a challenge.
    #[must_use]
    pub fn challenge() -> Self {
        Self::new("POST /v1/aal2-challenges", Some(json!({ "redirectUrl": RETURN })))
    }

    /// The call that asks for a pull.
    #[must_use]
    pub fn pull() -> Self {
        let body = json!({
            "challengeId": CHALLENGE, "aal2Status": "verified", "purposeOfUse": "ias",
            "sources": { "hie": { "enabled": true }, "pharmacy": { "enabled": true }, "lab": { "enabled": false } },
        });
        Self {
            headers: vec![(SESSION_HEADER, "aal2_5f0c7b2e9d".to_owned())],
            ..Self::new("POST /v1/network-queries", Some(body))
        }
    }

    /// The call that asks for the whole record.
    #[must_use]
    pub fn whole_record() -> Self {
        Self::new("POST /v1/records", Some(json!({ "conversionType": "json" })))
    }

    /// The call that asks for a part of the record.
    #[must_use]
    pub fn part_of_a_record() -> Self {
        let body = json!({
            "conversionType": "json", "resources": ["Condition", "Observation"],
            "dateFrom": "2020-01-01", "dateTo": "2026-11-22",
        });
        Self::new("POST /v1/records", Some(body))
    }

    /// The same call by this person, with the session of their own challenge if the call has a session.
    #[must_use]
    pub fn by(mut self, person: &Person) -> Self {
        self.subject = Some(person.subject);
        for (_, session) in self.headers.iter_mut().filter(|(name, _)| *name == SESSION_HEADER) {
            *session = format!("aal2_of_{}", person.subject);
        }
        self
    }

    /// The same call with the used idempotency key, if the call takes a key.
    #[must_use]
    pub fn under_a_key(mut self) -> Self {
        if self.takes_a_key() {
            self.headers.push((KEY_HEADER, self.used_key()));
        }
        self
    }

    /// The idempotency key with which the first person has already made this call.
    #[must_use]
    pub fn used_key(&self) -> String {
        format!("used-for-{}", self.route.rsplit('/').next().unwrap_or_default())
    }

    /// Whether the call is a person's POST or their request for erasure: only those take an idempotency key.
    #[must_use]
    pub fn takes_a_key(&self) -> bool {
        self.subject.is_some() && (self.route.starts_with("POST ") || self.route == "DELETE /v1/me")
    }

    /// Routes of `network-query`.
    #[must_use]
    pub fn of_network_query(pull: &str) -> Vec<Self> {
        vec![
            Self::pull(),
            Self::new("GET /v1/network-queries", None),
            Self::with_id("GET /v1/network-queries/{id}", pull),
            Self::with_id("GET /v1/network-queries/{id}/timeline", pull),
        ]
    }

    /// Routes of `record-read`.
    #[must_use]
    pub fn of_record_read(record: &str) -> Vec<Self> {
        vec![
            Self::part_of_a_record(),
            Self::new("GET /v1/records", None),
            Self::with_id("GET /v1/records/{id}", record),
        ]
    }

    /// A consent to the notice in force.
    #[must_use]
    pub fn consent() -> Self {
        let (version, sha256) = NOTICE;
        let body = json!({
            "noticeVersion": version, "noticeSha256": sha256, "scopes": ["pull", "keep"], "locale": "en-US",
        });
        Self::new("PUT /v1/me/consent", Some(body))
    }

    /// A report of a record.
    #[must_use]
    pub fn report(record: &str) -> Self {
        Self {
            body: Some(json!({ "reason": "mixed_persons" })),
            ..Self::with_id("POST /v1/records/{id}/not-me", record)
        }
    }

    /// A request for erasure.
    #[must_use]
    pub fn erase() -> Self {
        Self::new("DELETE /v1/me", None)
    }

    /// A request for an export.
    #[must_use]
    pub fn export() -> Self {
        Self::new("POST /v1/me/exports", None)
    }

    /// The call that reads a receipt, which takes no token.
    #[must_use]
    pub fn receipt(receipt: &str) -> Self {
        Self {
            subject: None,
            ..Self::with_id("GET /v1/erasures/{receipt}", receipt)
        }
    }

    /// Routes of `account`.
    #[must_use]
    pub fn of_account(record: &str, export: &str, receipt: &str) -> Vec<Self> {
        vec![
            Self::consent(),
            Self::new("GET /v1/me/consent", None),
            Self::new("DELETE /v1/me/consent", None),
            Self::new("GET /v1/me/access-log", None),
            Self::export(),
            Self::with_id("GET /v1/me/exports/{id}", export),
            Self::report(record),
            Self::erase(),
            Self::receipt(receipt),
        ]
    }

    /// A signed webhook with these bytes.
    #[must_use]
    pub fn of_webhook(body: &[u8]) -> Self {
        Self {
            headers: vec![(SIGNATURE_HEADER, sign(body))],
            subject: None,
            ..Self::new("POST /v1/webhooks/metriport", serde_json::from_slice(body).ok())
        }
    }

    /// The call's event, with a body of any bytes.
    #[must_use]
    pub fn event(&self, body: Option<&[u8]>) -> Value {
        let (method, template) = self.route.split_once(' ').unwrap_or_default();
        let parameter = template.split(['{', '}']).nth(1).unwrap_or("id");
        let path = template.replace(&format!("{{{parameter}}}"), self.id.as_deref().unwrap_or_default());
        let mut event = json!({
            "version": "2.0", "routeKey": self.route, "rawPath": path, "rawQueryString": "",
            "headers": { "content-type": "application/json", "host": "api.example.test", "x-forwarded-proto": "https" },
            "requestContext": {
                "accountId": "000000000000", "apiId": "fuzz", "domainName": "api.example.test",
                "http": {
                    "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "fuzz",
                },
                "requestId": "fuzz", "routeKey": self.route, "stage": "$default",
                "time": "22/Nov/2026:10:00:00 +0000", "timeEpoch": 1_795_341_600_000_u64,
            },
            "isBase64Encoded": false,
        });
        for (name, value) in &self.headers {
            put(&mut event, "/headers", name, json!(value));
        }
        if let Some(subject) = self.subject {
            let signed_in = (shared::clock::now().millis() / 1000).to_string();
            let claims = json!({
                "iss": "https://issuer.example.test", "sub": subject, "aud": "fuzz", "exp": "4070908800",
                "scope": "records", "amr": "[pwd mfa]", "auth_time": signed_in,
            });
            put(
                &mut event,
                "/requestContext",
                "authorizer",
                json!({ "jwt": { "claims": claims, "scopes": null } }),
            );
        }
        if let Some(id) = &self.id {
            put(&mut event, "", "pathParameters", json!({ parameter: id }));
        }
        match body.map(std::str::from_utf8) {
            Some(Ok(text)) => put(&mut event, "", "body", json!(text)),
            Some(Err(_)) => put_encoded(&mut event, body.unwrap_or_default()),
            None => {}
        }
        event
    }

    pub(super) fn request(&self) -> Result<Request, Failed> {
        let body = self.body.as_ref().map(Value::to_string);
        let event = self.event(body.as_deref().map(str::as_bytes));
        Ok(shared::edge::http::event::request(serde_json::from_value(event)?))
    }
}

/// Puts a body into the event in Base64, as API Gateway does with a body that is not text.
pub fn put_encoded(event: &mut Value, body: &[u8]) {
    use base64::Engine as _;
    put(
        event,
        "",
        "body",
        json!(base64::engine::general_purpose::STANDARD.encode(body)),
    );
    put(event, "", "isBase64Encoded", json!(true));
}

/// Puts a field into the object at `place`, a JSON pointer into the event, if that object exists.
pub fn put(event: &mut Value, place: &str, name: &str, value: Value) {
    if let Some(fields) = event.pointer_mut(place).and_then(Value::as_object_mut) {
        fields.insert(name.to_owned(), value);
    }
}

/// SQS's batch of these messages.
#[must_use]
pub fn batch(messages: &[Value]) -> Value {
    let bodies = messages.iter().map(Value::to_string);
    json!({ "Records": bodies.enumerate().map(|(index, body)| record(index, &body)).collect::<Vec<_>>() })
}

/// One message of a batch.
#[must_use]
pub fn record(index: usize, body: &str) -> Value {
    json!({
        "messageId": format!("059f36b4-87a3-44ab-83d2-66197583{index:04}"), "receiptHandle": "AQEB", "body": body,
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1795341600000" }, "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue", "awsRegion": "us-east-1",
    })
}

/// Valid demographics.
#[must_use]
pub fn demographics() -> Value {
    json!({
        "firstName": "Nora", "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F",
        "address": [{
            "addressLine1": "77 Birch Ln", "addressLine2": "Apt 4", "city": "Dayton", "state": "OH", "zip": "45402",
            "country": "USA",
        }],
        "contact": [{ "phone": "9375550142", "email": "nora.quill@example.test" }],
    })
}
