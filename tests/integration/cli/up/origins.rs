//! `ias up --origin`: pages of that origin may call the API and read records; pages of other origins may not.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use sandbox_machine::app::App;

use super::{Up, follow_what_comes_next, ok};

const OURS: &str = "http://localhost:5173";
const OTHER: &str = "http://localhost:5174";

/// The origin that may read an answer, and the headers that it may read.
fn readable(headers: &HeaderMap) -> Option<(&str, &str)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text("access-control-allow-origin")?;
    Some((origin, text("access-control-expose-headers").unwrap_or_default()))
}

/// The headers of the API's answers to a request and to a preflight request.
async fn fetch_cors_headers(app: &App, origin: &str) -> (HeaderMap, HeaderMap) {
    let request = app.request(Method::GET, "/v1/identity").header("origin", origin);
    let answer = request.send().await.expect("an answer");
    assert!(answer.headers().contains_key("apigw-requestid"));
    let preflight = app
        .anonymous(Method::OPTIONS, "/v1/network-queries")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,x-aal2-session",
        );
    let preflight = preflight.send().await.expect("an answer");
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    (answer.headers().clone(), preflight.headers().clone())
}

/// The headers of the bucket's answer to a record link.
async fn followed(link: &str, origin: &str) -> HeaderMap {
    let bucket = App::new(link, "none").expect("a client");
    let request = bucket.anonymous(Method::GET, "").header("origin", origin);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    answer.headers().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_pages_of_the_origin_read_replies_and_records() {
    let up = Up::start(&["--origin", OURS]).await;
    let app = up.app();
    let (record, _) = follow_what_comes_next(&app).await;
    let path = format!("/v1/records/{record}");
    let (answer, preflight) = fetch_cors_headers(&app, OURS).await;
    let (origin, exposed) = readable(&answer).expect("a readable answer");
    assert_eq!(origin, OURS);
    assert!(exposed.split(',').any(|name| name == "apigw-requestid"), "{exposed}");
    assert_eq!(readable(&preflight).map(|(origin, _)| origin), Some(OURS));
    let link = ok(app.get(&path)).await.text("/link/url");
    assert_eq!(
        readable(&followed(&link, OURS).await).map(|(origin, _)| origin),
        Some(OURS)
    );

    let (answer, preflight) = fetch_cors_headers(&app, OTHER).await;
    assert_eq!((readable(&answer), readable(&preflight)), (None, None));
    assert_eq!(readable(&followed(&link, OTHER).await), None);
    up.stop("-TERM").await;
}
