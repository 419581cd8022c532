//! The HTTP API over a real socket.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use sandbox_host::{HostOptions, Interference};
use serde_json::{Value, json};

use crate::harness::{TestHost, issuer, now_secs, options, patiently, token};

const TEMPLATE: &str = "
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Person
        Authorizers: { Person: { JwtConfiguration: { issuer: https://issuer.example, audience: [app] } } }
      DefaultRouteSettings: { ThrottlingRateLimit: 1000, ThrottlingBurstLimit: 1000 }
      RouteSettings: { 'GET /v1/records': { ThrottlingRateLimit: 0, ThrottlingBurstLimit: 6 } }
      CorsConfiguration: { AllowOrigins: ['https://app.example'], AllowMethods: [GET], AllowHeaders: [authorization] }
  Echo:
    Type: AWS::Serverless::Function
    Metadata: { Binary: echo_function }
    Properties:
      # Long enough for a cold start on a busy machine, short enough to be waited for.
      Timeout: 5
      Events:
        List: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /v1/records } }
        Read: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: '/v1/records/{id}' } }
        Hook:
          Type: HttpApi
          Properties: { ApiId: !Ref Api, Method: POST, Path: /v1/hook, Auth: { Authorizer: NONE } }
        Fast:
          Type: HttpApi
          Properties:
            { ApiId: !Ref Api, Method: POST, Path: /v1/fast, Auth: { Authorizer: NONE }, TimeoutInMillis: 100 }
";

struct Api {
    test: TestHost,
    client: reqwest::Client,
}

impl Api {
    async fn start() -> Self {
        Self::start_with(options(TEMPLATE)).await
    }

    async fn start_with(options: HostOptions) -> Self {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls())
            .build()
            .unwrap();
        Self {
            test: TestHost::start(options).await,
            client,
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.test.host.base_url()))
    }

    async fn hook(&self, command: Value) -> Response {
        let request = self.request(Method::POST, "/v1/hook").json(&command);
        patiently("the reply", request.send()).await.unwrap()
    }
}

/// The client connects only to loopback without TLS, so it gets an empty list of root certificates.
fn tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    builder
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

async fn message(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn request_reaches_the_function_as_an_event() {
    let api = Api::start().await;
    let request = api
        .request(Method::GET, "/v1/records/7?form=pdf")
        .bearer_auth(token("p1", &json!({ "n": 1 })));
    let response = request.header("cookie", "a=1").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("apigw-requestid"));
    let event: Value = response.json().await.unwrap();
    assert_eq!(event["routeKey"], "GET /v1/records/{id}");
    assert_eq!(event["pathParameters"], json!({ "id": "7" }));
    assert_eq!(event["queryStringParameters"], json!({ "form": "pdf" }));
    assert_eq!(event["cookies"], json!(["a=1"]));
    let claims = &event["requestContext"]["authorizer"]["jwt"]["claims"];
    assert_eq!(
        (&claims["sub"], &claims["n"], &claims["aud"]),
        (&json!("p1"), &json!("1"), &json!("app"))
    );
    api.test.finish().await;
}

#[tokio::test]
async fn missing_or_invalid_token_is_refused() {
    let api = Api::start().await;
    let expired = issuer()
        .token("p1", &serde_json::Map::new(), 60, now_secs() - 120)
        .unwrap();
    let elsewhere = token("p1", &json!({ "aud": "elsewhere" }));
    let challenge = |why: &str| format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{why}\"");
    for (token, expected) in [
        (None, "Bearer".to_owned()),
        (Some(expired), challenge("the token has expired")),
        (Some(elsewhere), challenge("the token does not have a valid audience")),
        (Some("nonsense".to_owned()), challenge("the token is malformed")),
    ] {
        let request = api.request(Method::GET, "/v1/records");
        let request = token
            .into_iter()
            .fold(request, |request, token| request.bearer_auth(token));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], expected.as_str());
        assert_eq!(message(response).await, (401, json!({ "message": "Unauthorized" })));
    }
    // API Gateway also accepts the token without its scheme.
    let bare = api
        .request(Method::GET, "/v1/records")
        .header("authorization", token("p1", &json!({})));
    assert_eq!(bare.send().await.unwrap().status(), StatusCode::OK);
    api.test.finish().await;
}

#[tokio::test]
async fn unknown_route_is_not_found() {
    let api = Api::start().await;
    for (method, path) in [
        (Method::GET, "/v1/nothing"),
        (Method::DELETE, "/v1/records"),
        (Method::GET, "/v1/hook"),
    ] {
        let response = api.request(method, path).send().await.unwrap();
        assert_eq!(message(response).await, (404, json!({ "message": "Not Found" })));
    }
    api.test.finish().await;
}

#[tokio::test]
async fn function_failure_gets_the_body_of_api_gateway() {
    let api = Api::start().await;
    let internal = (500, json!({ "message": "Internal Server Error" }));
    assert_eq!(message(api.hook(json!({ "fail": true })).await).await, internal);
    assert_eq!(message(api.hook(json!({ "exit": 1 })).await).await, internal);
    assert_eq!(
        message(api.hook(json!({ "reply": { "statusCode": "abc" } })).await).await,
        internal
    );
    assert_eq!(
        message(api.hook(json!({ "letters": 6 * 1024 * 1024 })).await).await,
        internal
    );
    let unavailable = (503, json!({ "message": "Service Unavailable" }));
    assert_eq!(message(api.hook(json!({ "hang": true })).await).await, unavailable);
    api.test.finish().await;
}

#[tokio::test]
async fn gateway_timeout_leaves_the_function_running() {
    let api = Api::start().await;
    let gate = api.test.file("gate");
    let command = json!({ "waitFor": gate });
    let request = api.request(Method::POST, "/v1/fast").json(&command);
    // This call starts the process, because a cold start may outlast the timeout of `/v1/fast`.
    assert_eq!(api.hook(json!({})).await.status(), StatusCode::OK);
    let response = patiently("the reply", request.send()).await.unwrap();
    assert_eq!(
        message(response).await,
        (503, json!({ "message": "Service Unavailable" }))
    );
    assert_eq!(api.test.host.in_flight(), 1);
    std::fs::write(gate, "").unwrap();
    patiently("the function", api.test.host.idle()).await;
    let table = api.test.host.process_table();
    assert_eq!((table.len(), table[0].invocations.len()), (1, 2));
    api.test.finish().await;
}

#[tokio::test]
async fn body_above_the_limit_is_refused() {
    let api = Api::start().await;
    let too_large = (413, json!({ "message": "Request Entity Too Large" }));
    for size in [10 * 1024 * 1024 + 1, 6 * 1024 * 1024] {
        let request = api
            .request(Method::POST, "/v1/hook")
            .header("content-type", "text/plain")
            .body("a".repeat(size));
        assert_eq!(message(request.send().await.unwrap()).await, too_large, "{size}");
    }
    api.test.finish().await;
}

#[tokio::test]
async fn preflights_and_responses_carry_cors_headers() {
    let api = Api::start().await;
    let preflight = api
        .request(Method::OPTIONS, "/v1/records")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET");
    let response = preflight.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(response.headers().contains_key("apigw-requestid"));
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
    let refused = api
        .request(Method::GET, "/v1/records")
        .header("origin", "https://app.example")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://app.example");
    let foreign = api
        .request(Method::GET, "/v1/records")
        .header("origin", "https://evil.example")
        .send()
        .await
        .unwrap();
    assert!(!foreign.headers().contains_key("access-control-allow-origin"));
    api.test.finish().await;
}

#[tokio::test]
async fn throttle_applies_before_the_token_check() {
    for (throttled, expected) in [(true, 429), (false, 401)] {
        let mut options = options(TEMPLATE);
        options.throttled = throttled;
        let api = Api::start_with(options).await;
        for _ in 0..6 {
            let response = api.request(Method::GET, "/v1/records").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        }
        let response = api.request(Method::GET, "/v1/records").send().await.unwrap();
        assert!(response.headers().contains_key("apigw-requestid"));
        let (status, body) = message(response).await;
        assert_eq!(status, expected);
        if throttled {
            assert_eq!(body, json!({ "message": "Too Many Requests" }));
        }
        let other = api.request(Method::GET, "/v1/records/7").send().await.unwrap();
        assert_eq!(other.status(), StatusCode::UNAUTHORIZED);
        api.test.finish().await;
    }
}

#[tokio::test]
async fn invalid_host_is_refused_and_forwarded_headers_replaced() {
    let api = Api::start().await;
    let refused = api.request(Method::GET, "/v1/records/7").header("host", "a b");
    let refused = refused.header("x-forwarded-proto", "https").send().await.unwrap();
    assert!(refused.headers().contains_key("apigw-requestid"));
    assert_eq!(message(refused).await, (400, json!({ "message": "Bad Request" })));
    let request = api
        .request(Method::GET, "/v1/records/7")
        .bearer_auth(token("p1", &json!({})))
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-forwarded-proto", "ht tp");
    let event: Value = request.send().await.unwrap().json().await.unwrap();
    let headers = &event["headers"];
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    let trace = headers["x-amzn-trace-id"].as_str().unwrap();
    assert!(trace.starts_with("Root=1-"), "{trace}");
    api.test.finish().await;
}

#[tokio::test]
async fn token_route_issues_tokens_for_other_subjects() {
    let api = Api::start().await;
    let request = api
        .request(Method::GET, "/token?subject=p2")
        .header("origin", "https://app.example");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
    let token = answer.json::<Value>().await.unwrap()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let event: Value = api
        .request(Method::GET, "/v1/records/7")
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"], "p2");
    let (status, refusal) = message(api.request(Method::GET, "/token").send().await.unwrap()).await;
    assert_eq!((status, &refusal["error"]), (400, &json!("invalid_request")));
    api.test.finish().await;
}

#[tokio::test]
async fn issuer_publishes_its_keys() {
    let api = Api::start().await;
    let discovery = api
        .request(Method::GET, "/.well-known/openid-configuration")
        .send()
        .await
        .unwrap();
    let discovery: Value = discovery.json().await.unwrap();
    assert_eq!(discovery["issuer"], "https://issuer.example");
    let keys = api
        .client
        .get(discovery["jwks_uri"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(keys.json::<Value>().await.unwrap(), issuer().jwks());
    api.test.finish().await;
}

#[tokio::test]
async fn killed_process_gives_an_internal_server_error() {
    for interference in [Interference::KillBefore, Interference::KillAfter] {
        let mut options = options(TEMPLATE);
        options.interference = Some(Arc::new(move |invocation| match invocation.ordinal {
            1 => interference,
            _ => Interference::Go,
        }));
        let api = Api::start_with(options).await;
        let refused = message(api.hook(json!({})).await).await;
        assert_eq!(refused, (500, json!({ "message": "Internal Server Error" })));
        assert_eq!(api.hook(json!({})).await.status(), StatusCode::OK);
        api.test.finish().await;
    }
}
