//! The edge that all HTTP functions share: turns API Gateway's event (payload format 2.0) into a request, and the reply
//! into API Gateway's.
//!
//! `lambda_http` converts the same types, but it also builds an absolute URL from the client's scheme and host, and
//! panics if that URL is invalid. The conversion here cannot fail: every event that deserializes becomes a request.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_http::http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use lambda_http::http::{HeaderName, HeaderValue, Uri};
use lambda_http::request::RequestContext;
use lambda_http::{Body, LambdaEvent, Request, RequestExt, Response, lambda_runtime, service_fn};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Runs an HTTP function until Lambda ends its execution environment.
///
/// # Errors
/// When the runtime fails.
pub async fn serve<H>(handler: H) -> Result<(), lambda_runtime::Error>
where
    H: AsyncFn(Request) -> Result<Response<Body>, Infallible>,
{
    let answer = async |event: LambdaEvent<HttpEvent>| {
        let answered = handler(request(event.payload)).await;
        answered.map(reply)
    };
    lambda_runtime::run(service_fn(answer)).await
}

/// API Gateway's event. If the JSON is not such an event, the runtime logs the error, so the error does not quote the
/// JSON.
pub struct HttpEvent(ApiGatewayV2httpRequest);

impl<'de> Deserialize<'de> for HttpEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let event = serde_json::from_str(text.get());
        event
            .map(Self)
            .map_err(|_quotes_the_event| D::Error::custom("not an HTTP API event of payload format 2.0"))
    }
}

/// The request of an event: method, path and query, headers, path parameters, claims and body. The URL has neither
/// scheme nor host, because the client chooses them and nothing may depend on them.
#[must_use]
pub fn request(HttpEvent(event): HttpEvent) -> Request {
    let mut request = Request::new(body(event.body, event.is_base64_encoded));
    *request.method_mut() = event.request_context.http.method.clone();
    *request.uri_mut() = uri(event.raw_path.as_deref(), event.raw_query_string.as_deref());
    *request.headers_mut() = event.headers;
    request
        .with_path_parameters(event.path_parameters)
        .with_request_context(RequestContext::ApiGatewayV2(event.request_context))
}

/// Path and query, or `/` if they are not a valid URI. The replacement does no harm, because the route comes from the
/// request context.
fn uri(path: Option<&str>, query: Option<&str>) -> Uri {
    let path = path.unwrap_or("/");
    let whole = match query {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    };
    Uri::builder().path_and_query(whole).build().unwrap_or_default()
}

/// A body with invalid base64 counts as empty. Handlers refuse an empty body, and no webhook signature matches it.
fn body(text: Option<String>, is_base64: bool) -> Body {
    match text {
        None => Body::Empty,
        Some(text) if is_base64 => STANDARD.decode(text).map_or(Body::Empty, Body::Binary),
        Some(text) => Body::Text(text),
    }
}

/// Headers of every reply. Caches must not store the reply, and browsers must not guess another media type. Browsers
/// must use only TLS for two years (hstspreload.org), but not for subdomains, which are not ours.
const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000")),
];

/// The reply in API Gateway's form. It has no cookies, because no function sets one.
fn reply(response: Response<Body>) -> ApiGatewayV2httpResponse {
    let (parts, body) = response.into_parts();
    let mut reply = ApiGatewayV2httpResponse::default();
    reply.status_code = i64::from(parts.status.as_u16());
    reply.headers = parts.headers;
    // `insert` replaces a value that the function set; `extend` would add a second value.
    for (name, value) in SECURITY {
        reply.headers.insert(name, value);
    }
    reply.is_base64_encoded = matches!(body, Body::Binary(_));
    reply.body = Some(body).filter(|body| !matches!(body, Body::Empty));
    reply
}

#[cfg(test)]
mod tests {
    use lambda_http::http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::edge::http::request::{header, path_parameter, route};

    fn event() -> Value {
        json!({
            "version": "2.0", "routeKey": "GET /v1/records/{id}", "rawPath": "/v1/records/7", "rawQueryString": "a=1&a=2",
            "cookies": ["a=1"], "pathParameters": { "id": "7" },
            "headers": { "host": "api.example.test", "x-forwarded-proto": "https", "x-aal2-session": "s" },
            "requestContext": {
                "accountId": "0", "apiId": "a", "domainName": "api.example.test", "requestId": "r",
                "routeKey": "GET /v1/records/{id}", "stage": "$default", "timeEpoch": 0,
                "http": {
                    "method": "GET", "path": "/v1/records/7", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                    "userAgent": "u",
                },
                "authorizer": { "jwt": { "claims": { "sub": "p" }, "scopes": null } },
            },
            "body": "e30=", "isBase64Encoded": true,
        })
    }

    fn of(event: Value) -> Request {
        request(serde_json::from_value(event).unwrap())
    }

    #[test]
    fn request_has_every_part_that_functions_read() {
        let request = of(event());
        assert_eq!(
            (request.method(), request.body().as_ref()),
            (&Method::GET, b"{}".as_slice())
        );
        assert_eq!(request.uri(), "/v1/records/7?a=1&a=2");
        assert_eq!(route(&request), "GET /v1/records/{id}");
        assert_eq!(path_parameter(&request, "id").as_deref(), Some("7"));
        assert_eq!(header(&request, "x-aal2-session"), Some("s"));
        let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
            panic!("a context of API Gateway");
        };
        assert_eq!(
            context.authorizer.as_ref().unwrap().jwt.as_ref().unwrap().claims["sub"],
            "p"
        );
    }

    /// Each of these makes `lambda_http` panic, or may do so in another version.
    #[test]
    fn odd_scheme_host_query_path_or_body_keeps_the_route() {
        let odd = [
            ("/headers/host", json!("a b")),
            ("/headers/host", json!("[::1")),
            ("/headers/host", json!("")),
            ("/headers/host", json!("é.example:99999999")),
            ("/headers/x-forwarded-proto", json!("ht tp")),
            ("/headers/x-forwarded-proto", json!("")),
            ("/requestContext/domainName", json!("a b")),
            ("/requestContext/stage", json!("a b#?")),
            ("/rawQueryString", json!("a b\u{7f}é#%zz")),
            ("/rawPath", json!("")),
            ("/rawPath", json!("a b")),
            ("/rawPath", json!("//[::1\\é")),
            ("/cookies", json!(["a\nb", "é"])),
            ("/body", json!("{}")),
        ];
        for (place, value) in odd {
            let mut event = event();
            *event.pointer_mut(place).unwrap() = value.clone();
            let request = of(event);
            assert_eq!(route(&request), "GET /v1/records/{id}", "{place} {value}");
            assert_eq!(path_parameter(&request, "id").as_deref(), Some("7"), "{place} {value}");
        }
    }

    #[test]
    fn error_of_an_invalid_event_does_not_quote_it() {
        for (place, value) in [
            ("/isBase64Encoded", json!("CANARY")),
            ("/headers/host", json!("CANARY\r")),
        ] {
            let mut event = event();
            *event.pointer_mut(place).unwrap() = value;
            let error = serde_json::from_value::<HttpEvent>(event).err().unwrap().to_string();
            assert!(
                error.contains("not an HTTP API event") && !error.contains("CANARY"),
                "{error}"
            );
        }
    }

    #[test]
    fn body_with_invalid_base64_is_empty() {
        let mut event = event();
        event["body"] = json!("{\"a\":1}");
        assert!(matches!(of(event), request if request.body().is_empty()));
    }

    #[test]
    fn reply_keeps_its_content_and_gets_security_headers() {
        let response = Response::builder().status(201).header("retry-after", "7");
        let response = response.header("cache-control", "max-age=60");
        let replied = reply(response.body(Body::Text("{}".to_owned())).unwrap());
        let replied = serde_json::to_value(replied).unwrap();
        assert_eq!(replied["statusCode"], 201);
        assert_eq!(replied["headers"]["retry-after"], "7");
        assert_eq!(replied["headers"]["cache-control"], "no-store");
        assert_eq!(replied["headers"]["x-content-type-options"], "nosniff");
        assert_eq!(replied["headers"]["strict-transport-security"], "max-age=63072000");
        assert_eq!(
            (&replied["body"], &replied["isBase64Encoded"]),
            (&json!("{}"), &json!(false))
        );
        assert!(
            serde_json::to_value(reply(Response::new(Body::Empty)))
                .unwrap()
                .get("body")
                .is_none()
        );
    }
}
