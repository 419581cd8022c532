//! Known-answer events in the format that AWS publishes.

use super::*;
use crate::gateway::route::RouteTable;
use crate::template::{Bindings, Stack};
use axum::http::{Method, Request};

const TEMPLATE: &str = "
Resources:
  Api: { Type: AWS::Serverless::HttpApi }
  RecordReadFunction:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Read: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: ANY, Path: '/v1/records/{id}' } }
";

fn routes() -> RouteTable {
    let stack = Stack::read(TEMPLATE, &Bindings::new("us-east-1", "000000000000", "test")).unwrap();
    RouteTable::new(&stack.functions).unwrap()
}

fn event(request: Request<&[u8]>, claims: Option<&Map<String, Value>>) -> Value {
    let routes = routes();
    let (parts, body) = request.into_parts();
    let matched = routes.find(&Method::GET, parts.uri.path()).unwrap();
    let authority = crate::gateway::host_header::read(&parts.headers).unwrap();
    build(&EventSource {
        client: &Client {
            parts: &parts,
            peer: "127.0.0.1:5000".parse().unwrap(),
            authority: &authority,
            request_id: "00112233-4455-4677-8899-aabbccddeeff",
        },
        body,
        matched: &matched,
        claims,
        now_ms: 1_583_348_638_390,
        account_id: "000000000000",
        api_id: "Api",
    })
}

fn full_request() -> Request<&'static [u8]> {
    Request::builder()
        .method("POST")
        .uri("/v1/records/a%20b?a=1&a=2&b=x+y&c")
        .header("Host", "127.0.0.1:3000")
        .header("User-Agent", "agent")
        .header("X-Many", "1")
        .header("X-Many", "2")
        .header("Cookie", "s=1; t=2")
        .header("Cookie", "u=3")
        .header("Connection", "keep-alive")
        .header("X-Forwarded-For", "10.0.0.1")
        .header("X-Forwarded-Port", "443")
        .header("X-Forwarded-Proto", "ht tp")
        .header("X-Amzn-Trace-Id", "Root=mine")
        .header("Content-Type", "application/fhir+json; charset=utf-8")
        .body(b"{\"a\":1}".as_slice())
        .unwrap()
}

/// The event of [`full_request`], with claims of every type.
fn full_event() -> Value {
    json!({
        "version": "2.0",
        "routeKey": "ANY /v1/records/{id}",
        "rawPath": "/v1/records/a%20b",
        "rawQueryString": "a=1&a=2&b=x+y&c",
        "cookies": ["s=1", "t=2", "u=3"],
        "headers": {
            "content-type": "application/fhir+json; charset=utf-8",
            "host": "127.0.0.1:3000",
            "user-agent": "agent",
            "x-many": "1,2",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "3000",
            "x-forwarded-proto": "http",
            "x-amzn-trace-id": "Root=1-5e5ffb9e-00112233445546778899aabb",
        },
        "queryStringParameters": { "a": "1,2", "b": "x y", "c": "" },
        "pathParameters": { "id": "a b" },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "Api",
            "authorizer": { "jwt": {
                "claims": {
                    "sub": "p1", "exp": "1583350000", "email_verified": "true", "groups": "[a b]", "o": "map[k:1]",
                },
                "scopes": null,
            } },
            "domainName": "127.0.0.1",
            "domainPrefix": "127",
            "http": {
                "method": "POST",
                "path": "/v1/records/a%20b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "agent",
            },
            "requestId": "00112233-4455-4677-8899-aabbccddeeff",
            "routeKey": "ANY /v1/records/{id}",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390_u64,
        },
        "body": "{\"a\":1}",
        "isBase64Encoded": false,
    })
}

#[test]
fn full_request_becomes_a_full_event() {
    let claims =
        json!({ "sub": "p1", "exp": 1_583_350_000, "email_verified": true, "groups": ["a", "b"], "o": { "k": 1 } });
    assert_eq!(event(full_request(), claims.as_object()), full_event());
}

#[test]
fn absent_parts_are_omitted_from_the_event() {
    let request = Request::builder()
        .uri("/v1/records/1")
        .header("Host", "localhost")
        .body(b"".as_slice())
        .unwrap();
    let event = event(request, None);
    let event = event.as_object().unwrap();
    for absent in ["cookies", "queryStringParameters", "body", "stageVariables"] {
        assert!(!event.contains_key(absent), "{absent}");
    }
    assert!(event["requestContext"].get("authorizer").is_none());
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["rawQueryString"], "");
}

#[test]
fn binary_body_is_encoded_in_base64() {
    let body = |content_type: &str, body: &'static [u8]| {
        let request = Request::builder()
            .uri("/v1/records/1")
            .header("Host", "h")
            .header("Content-Type", content_type);
        let event = event(request.body(body).unwrap(), None);
        (
            event["isBase64Encoded"].as_bool().unwrap(),
            event["body"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(body("application/octet-stream", b"ab"), (true, "YWI=".to_owned()));
    assert_eq!(
        body("application/x-www-form-urlencoded", b"a=1"),
        (true, "YT0x".to_owned())
    );
    assert_eq!(body("text/csv", b"a,b"), (false, "a,b".to_owned()));
    assert_eq!(body("application/json", &[0xff]), (true, "/w==".to_owned()));
}

/// An independent library reads the event as intended.
#[test]
fn lambda_http_understands_the_event() {
    use lambda_http::RequestExt as _;
    let request = Request::builder()
        .method("POST")
        .uri("/v1/records/7?a=1&a=2")
        .header("Host", "127.0.0.1:3000")
        .header("Content-Type", "application/json")
        .body(b"{}".as_slice())
        .unwrap();
    let claims = json!({ "sub": "p1" });
    let event = event(request, claims.as_object());
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "http://127.0.0.1:3000/v1/records/7?a=1&a=2");
    assert_eq!(request.path_parameters().first("id"), Some("7"));
    assert_eq!(request.query_string_parameters().all("a"), Some(vec!["1", "2"]));
    assert_eq!(request.body().as_ref(), b"{}");
    let context = request.request_context();
    let claims = context
        .authorizer()
        .and_then(|authorizer| authorizer.jwt.as_ref())
        .unwrap();
    assert_eq!(claims.claims["sub"], "p1");
}
