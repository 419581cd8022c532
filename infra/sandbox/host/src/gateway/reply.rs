//! Turns a function's reply in format 2.0 into an HTTP response (docs.aws.amazon.com, "Create AWS Lambda proxy
//! integrations for HTTP APIs", "Lambda function response for format 2.0").

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MalformedReply;

/// Headers that the HTTP server sets itself.
const OWN_HEADERS: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

pub(super) fn response(reply: &[u8]) -> Result<Response, MalformedReply> {
    let reply: Value = serde_json::from_slice(reply).or(Err(MalformedReply))?;
    match reply.as_object().filter(|object| object.contains_key("statusCode")) {
        Some(object) => structured(object),
        None => inferred(reply),
    }
}

/// Without a status code, the whole reply is the body of a 200.
fn inferred(reply: Value) -> Result<Response, MalformedReply> {
    let body = match reply {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body));
    response.or(Err(MalformedReply))
}

fn structured(reply: &Map<String, Value>) -> Result<Response, MalformedReply> {
    let body = body(reply)?;
    let mut headers = headers(reply)?;
    if !body.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain;charset=UTF-8"),
        );
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status(reply)?;
    *response.headers_mut() = headers;
    Ok(response)
}

fn status(reply: &Map<String, Value>) -> Result<StatusCode, MalformedReply> {
    let number = match reply.get("statusCode") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    // An informational status (1xx) cannot be the final response.
    let number = number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| (200..600).contains(number));
    number
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or(MalformedReply)
}

fn body(reply: &Map<String, Value>) -> Result<Vec<u8>, MalformedReply> {
    let text = match reply.get("body") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) => text,
        Some(_) => return Err(MalformedReply),
    };
    match reply.get("isBase64Encoded") {
        Some(Value::Bool(true)) => STANDARD.decode(text).or(Err(MalformedReply)),
        None | Some(Value::Null | Value::Bool(false)) => Ok(text.clone().into_bytes()),
        Some(_) => Err(MalformedReply),
    }
}

fn headers(reply: &Map<String, Value>) -> Result<HeaderMap, MalformedReply> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields(reply.get("headers"))? {
        let name = HeaderName::try_from(name.as_str()).or(Err(MalformedReply))?;
        if !OWN_HEADERS.contains(&name) {
            headers.insert(name, header_value(value)?);
        }
    }
    for cookie in items(reply.get("cookies"))? {
        headers.append(header::SET_COOKIE, header_value(cookie)?);
    }
    Ok(headers)
}

fn fields(value: Option<&Value>) -> Result<Vec<(&String, &Value)>, MalformedReply> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(fields)) => Ok(fields.iter().collect()),
        Some(_) => Err(MalformedReply),
    }
}

fn items(value: Option<&Value>) -> Result<&[Value], MalformedReply> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(MalformedReply),
    }
}

fn header_value(value: &Value) -> Result<HeaderValue, MalformedReply> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(MalformedReply),
    };
    HeaderValue::try_from(text).or(Err(MalformedReply))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use serde_json::json;

    async fn mapped(reply: Value) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let response = response(reply.to_string().as_bytes()).unwrap();
        let (parts, body) = response.into_parts();
        let headers = parts
            .headers
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_owned()))
            .collect();
        (
            parts.status.as_u16(),
            headers,
            to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        )
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[tokio::test]
    async fn full_reply_is_mapped_field_by_field() {
        let reply = json!({
            "statusCode": 201,
            "headers": { "Content-Type": "application/problem+json", "x-count": 3, "Content-Length": "999" },
            "cookies": ["a=1; Secure", "b=2"],
            "body": "{\"ok\":true}",
            "isBase64Encoded": false,
        });
        let (status, headers, body) = mapped(reply).await;
        assert_eq!((status, body), (201, b"{\"ok\":true}".to_vec()));
        let expected = [
            pair("content-type", "application/problem+json"),
            pair("x-count", "3"),
            pair("set-cookie", "a=1; Secure"),
            pair("set-cookie", "b=2"),
        ];
        assert_eq!(headers.len(), expected.len());
        assert!(expected.iter().all(|header| headers.contains(header)), "{headers:?}");
    }

    #[tokio::test]
    async fn base64_body_is_decoded() {
        let (_, headers, body) = mapped(json!({ "statusCode": 200, "body": "AP8=", "isBase64Encoded": true })).await;
        assert_eq!(body, [0, 255]);
        assert_eq!(headers, [pair("content-type", "text/plain;charset=UTF-8")]);
    }

    #[tokio::test]
    async fn reply_without_a_status_code_is_the_body() {
        let json_type = [pair("content-type", "application/json")];
        assert_eq!(
            mapped(json!({ "a": 1 })).await,
            (200, json_type.to_vec(), b"{\"a\":1}".to_vec())
        );
        assert_eq!(
            mapped(json!("Hello")).await,
            (200, json_type.to_vec(), b"Hello".to_vec())
        );
    }

    #[tokio::test]
    async fn empty_reply_lacks_body_and_content_type() {
        assert_eq!(
            mapped(json!({ "statusCode": "204" })).await,
            (204, Vec::new(), Vec::new())
        );
    }

    #[test]
    fn malformed_reply_is_refused() {
        for reply in [
            "not json",
            "",
            r#"{"statusCode":"abc"}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":100}"#,
            r#"{"statusCode":200,"body":{"a":1}}"#,
            r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"headers":["a"]}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":"b\nc"}}"#,
            r#"{"statusCode":200,"cookies":"a=1"}"#,
        ] {
            assert_eq!(response(reply.as_bytes()).err(), Some(MalformedReply), "{reply}");
        }
    }
}
