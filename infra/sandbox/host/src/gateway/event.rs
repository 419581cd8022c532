//! Turns a request into an event of payload format 2.0 (docs.aws.amazon.com, "Create AWS Lambda proxy integrations for
//! HTTP APIs"). Fields without a value are omitted, as in API Gateway.

use std::net::SocketAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Version, header, request::Parts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::route::Matched;

pub(super) struct Client<'a> {
    pub(super) parts: &'a Parts,
    pub(super) peer: SocketAddr,
    /// The host and port in the `Host` header.
    pub(super) authority: &'a Authority,
    pub(super) request_id: &'a str,
}

pub(super) struct EventSource<'a> {
    pub(super) client: &'a Client<'a>,
    pub(super) body: &'a [u8],
    pub(super) matched: &'a Matched<'a>,
    /// Claims of the token; `None` if the route has no authorizer.
    pub(super) claims: Option<&'a Map<String, Value>>,
    pub(super) now_ms: u64,
    pub(super) account_id: &'a str,
    pub(super) api_id: &'a str,
}

/// Headers that API Gateway writes itself and never takes from the client.
const OVERWRITTEN: [&str; 4] = [
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-amzn-trace-id",
];

/// Headers of the client's connection, which API Gateway does not pass on.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

pub(super) fn build(source: &EventSource<'_>) -> Value {
    let parts = source.client.parts;
    let headers = &parts.headers;
    let query = parts.uri.query().unwrap_or_default();
    let is_text = is_text(headers) && std::str::from_utf8(source.body).is_ok();
    let mut event = Map::from_iter([
        ("version".to_owned(), json!("2.0")),
        ("routeKey".to_owned(), json!(source.matched.route.key)),
        ("rawPath".to_owned(), json!(parts.uri.path())),
        ("rawQueryString".to_owned(), json!(query)),
        ("headers".to_owned(), Value::Object(combined_headers(source))),
        ("requestContext".to_owned(), request_context(source)),
        ("isBase64Encoded".to_owned(), json!(!is_text && !source.body.is_empty())),
    ]);
    let cookies = cookies(headers);
    if !cookies.is_empty() {
        event.insert("cookies".to_owned(), json!(cookies));
    }
    let query = combined(url::form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned())));
    if !query.is_empty() {
        event.insert("queryStringParameters".to_owned(), Value::Object(query));
    }
    let path = combined(source.matched.path_parameters.iter().cloned());
    if !path.is_empty() {
        event.insert("pathParameters".to_owned(), Value::Object(path));
    }
    if !source.body.is_empty() {
        let text = || String::from_utf8_lossy(source.body).into_owned();
        event.insert(
            "body".to_owned(),
            json!(if is_text { text() } else { STANDARD.encode(source.body) }),
        );
    }
    Value::Object(event)
}

fn request_context(source: &EventSource<'_>) -> Value {
    let Client {
        parts,
        peer,
        authority,
        request_id,
    } = source.client;
    let domain = authority.host();
    let mut context = json!({
        "accountId": source.account_id,
        "apiId": source.api_id,
        "domainName": domain,
        "domainPrefix": domain.split('.').next().unwrap_or_default(),
        "http": {
            "method": parts.method.as_str(),
            "path": parts.uri.path(),
            "protocol": protocol(parts.version),
            "sourceIp": peer.ip().to_string(),
            "userAgent": text(&parts.headers, header::USER_AGENT),
        },
        "requestId": request_id,
        "routeKey": source.matched.route.key,
        "stage": "$default",
        "time": clf_time(source.now_ms),
        "timeEpoch": source.now_ms,
    });
    if let (Some(claims), Some(context)) = (source.claims, context.as_object_mut()) {
        let claims: Map<_, _> = claims
            .iter()
            .map(|(name, value)| (name.clone(), json!(claim_text(value))))
            .collect();
        context.insert(
            "authorizer".to_owned(),
            json!({ "jwt": { "claims": claims, "scopes": null } }),
        );
    }
    context
}

/// The headers of the event. The HTTP library has made their names lower-case. Repeated headers are joined by commas;
/// cookies have their own field.
fn combined_headers(source: &EventSource<'_>) -> Map<String, Value> {
    let Client {
        parts,
        peer,
        authority,
        request_id,
    } = source.client;
    let forwarded = |(name, _): &(&HeaderName, _)| {
        *name != header::COOKIE && !HOP_BY_HOP.contains(name) && !OVERWRITTEN.contains(&name.as_str())
    };
    let own = parts.headers.iter().filter(forwarded);
    let own = own.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let [address, port, scheme, trace] = OVERWRITTEN;
    let added = [
        (address, peer.ip().to_string()),
        (port, authority.port_u16().unwrap_or(80).to_string()),
        (scheme, "http".to_owned()),
        (trace, trace_id(source.now_ms, request_id)),
    ];
    combined(own.chain(added.map(|(name, value)| (name.to_owned(), value))))
}

/// `Root=1-<seconds in hexadecimal>-<24 hexadecimal digits>` (docs.aws.amazon.com, "AWS X-Ray concepts").
fn trace_id(now_ms: u64, request_id: &str) -> String {
    let digits: String = request_id.chars().filter(char::is_ascii_hexdigit).take(24).collect();
    format!("Root=1-{:08x}-{digits:0>24}", now_ms / 1000)
}

fn combined(pairs: impl Iterator<Item = (String, String)>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in pairs {
        let joined = match map.get(&name).and_then(Value::as_str) {
            Some(earlier) => format!("{earlier},{value}"),
            None => value,
        };
        map.insert(name, Value::String(joined));
    }
    map
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|c| !c.is_empty())
        .collect()
}

/// Whether HTTP APIs pass a body of this media type as text, provided that it is valid UTF-8. A body without a media
/// type counts as text.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = text(headers, header::CONTENT_TYPE).to_ascii_lowercase();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let named = ["", "application/json", "application/javascript", "application/xml"];
    let ending = ["+json", "+xml"];
    media_type.starts_with("text/")
        || named.contains(&media_type)
        || ending.iter().any(|ending| media_type.ends_with(ending))
}

fn text(headers: &HeaderMap, name: HeaderName) -> String {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default()
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// The Common Log Format: `12/Mar/2020:19:03:58 +0000`.
fn clf_time(now_ms: u64) -> String {
    let now = i64::try_from(now_ms)
        .ok()
        .and_then(|now_ms| Timestamp::from_millisecond(now_ms).ok());
    now.unwrap_or_default().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// A claim as text, because functions get all claims as text. A list has the form `[a b]`, an object `map[name:value]`.
fn claim_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(claim_text).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{name}:{}", claim_text(value)));
            format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
