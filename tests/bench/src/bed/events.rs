//! Events as Lambda hands them to functions.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};

use super::aws::WEBHOOK_KEY;
use super::metriport::EXTERNAL_ID;

/// Who vouches for the person.
pub const ISSUER: &str = "https://issuer.example.test";
/// The person, as the issuer names them.
pub const SUBJECT: &str = EXTERNAL_ID;

/// A request of the person's, as API Gateway passes it on (docs.aws.amazon.com, "Create AWS Lambda proxy integrations
/// for HTTP APIs", payload format 2.0).
pub struct Asked<'a> {
    /// Method and path as the template writes them.
    pub route: &'a str,
    /// The id in the path, if the route has one.
    pub id: Option<&'a str>,
    /// Headers beside the usual ones.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: Value,
}

impl Asked<'_> {
    /// The event.
    pub fn event(&self) -> Value {
        let claims = json!({ "iss": ISSUER, "sub": SUBJECT, "aud": "bench" });
        let authorizer = json!({ "jwt": { "claims": claims, "scopes": null } });
        let body = match &self.body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        gateway(self, Some(authorizer), &body)
    }
}

/// A webhook of Metriport's, signed.
pub fn webhook(body: &Value) -> Value {
    let body = body.to_string();
    let signature = signature(body.as_bytes());
    let asked = Asked {
        route: "POST /v1/webhooks/metriport",
        id: None,
        headers: &[("x-metriport-signature", &signature)],
        body: Value::Null,
    };
    gateway(&asked, None, &body)
}

/// Lowercase hexadecimal HMAC-SHA256 over the body (docs.metriport.com, page `getting-started/webhooks`).
fn signature(body: &[u8]) -> String {
    // HMAC takes keys of any length.
    Hmac::<sha2::Sha256>::new_from_slice(WEBHOOK_KEY.as_bytes())
        .map(|mac| hex::encode(mac.chain_update(body).finalize().into_bytes()))
        .unwrap_or_default()
}

fn gateway(asked: &Asked<'_>, authorizer: Option<Value>, body: &str) -> Value {
    let (method, path) = asked.route.split_once(' ').unwrap_or_default();
    let path = path.replace("{id}", asked.id.unwrap_or_default());
    let mut headers = Map::from_iter([
        ("content-type".to_owned(), json!("application/json")),
        ("content-length".to_owned(), json!(body.len().to_string())),
        ("host".to_owned(), json!("api.example.test")),
        ("user-agent".to_owned(), json!("bench")),
        (
            "x-amzn-trace-id".to_owned(),
            json!("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
        ),
        ("x-forwarded-for".to_owned(), json!("203.0.113.7")),
        ("x-forwarded-port".to_owned(), json!("443")),
        ("x-forwarded-proto".to_owned(), json!("https")),
    ]);
    headers.extend(
        asked
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value))),
    );
    let mut context = json!({
        "accountId": "000000000000", "apiId": "a1b2c3d4e5", "domainName": "api.example.test", "domainPrefix": "api",
        "http": {
            "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "bench",
        },
        "requestId": "JKJaXmPLvHcESHA=", "routeKey": asked.route, "stage": "$default",
        "time": "22/Nov/2026:10:03:22 +0000", "timeEpoch": 1_795_341_802_000_u64,
    });
    if let (Some(authorizer), Some(context)) = (authorizer, context.as_object_mut()) {
        context.insert("authorizer".to_owned(), authorizer);
    }
    let mut event = json!({
        "version": "2.0", "routeKey": asked.route, "rawPath": path, "rawQueryString": "", "headers": headers,
        "requestContext": context, "body": body, "isBase64Encoded": false,
    });
    if let (Some(id), Some(event)) = (asked.id, event.as_object_mut()) {
        event.insert("pathParameters".to_owned(), json!({ "id": id }));
    }
    event
}

/// One message of a queue (docs.aws.amazon.com, "Using Lambda with Amazon SQS").
pub fn message(queue: &str, body: &str) -> Value {
    json!({ "Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": "1795341802000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1795341802001",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
        "awsRegion": "us-east-1",
    }] })
}

/// A tick of a schedule (docs.aws.amazon.com, "EventBridge Scheduler").
pub fn tick() -> Value {
    json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
        "source": "aws.events", "account": "000000000000", "time": "2026-11-22T10:03:00Z", "region": "us-east-1",
        "resources": [], "detail": {},
    })
}
