//! Listeners that play Metriport with given answers, and a client for them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use serde_json::Value;
use shared::domain::{Demographics, PatientId, Time};
use shared::metriport::{Client, ClientOptions, http_client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub const API_KEY: &str = "c2VjcmV0OmN1c3RvbWVy";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    pub line: String,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
    pub peer: SocketAddr,
}

impl RecordedRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The answer of an upstream to every request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
        }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn response(self) -> Response {
        let builder = Response::builder().status(self.status);
        let builder = self
            .headers
            .into_iter()
            .fold(builder, |builder, (name, value)| builder.header(name, value));
        builder.body(Body::from(self.body)).unwrap()
    }
}

/// A listener that records its requests. It ends when dropped.
pub struct Upstream {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
    server: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Upstream {
    pub async fn answering(answer: Answer) -> Self {
        Self::answering_as(move |_| answer.clone()).await
    }

    pub async fn answering_as(answer: impl Fn(&RecordedRequest) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        let app = axum::Router::new()
            .fallback(
                async move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| {
                    let request = keep(peer, request).await;
                    let answer = answer(&request);
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                    answer.response()
                },
            )
            .into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            requests,
            server,
        }
    }

    pub async fn answering_json(status: u16, body: Value) -> Self {
        Self::answering(Answer::json(status, &body)).await
    }

    pub fn client(&self) -> Client {
        client(&format!("http://{}", self.address))
    }

    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn only(&self) -> RecordedRequest {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

async fn keep(peer: SocketAddr, request: Request) -> RecordedRequest {
    let line = format!("{} {}", request.method(), request.uri());
    let headers = request.headers().clone();
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap().to_vec();
    RecordedRequest {
        line,
        headers,
        body,
        peer,
    }
}

/// A listener that reads one whole request, writes `reply` and then does `then`. Returns its base URL and its task.
pub async fn raw(reply: impl Into<Vec<u8>>, then: Then) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let reply = reply.into();
    let server = tokio::spawn(async move {
        let (mut stream, _peer) = listener.accept().await.unwrap();
        if then == Then::ResetUnread {
            // Closing with unread bytes in the buffer makes the kernel send RST instead of FIN.
            stream.readable().await.unwrap();
            return;
        }
        read_request(&mut stream).await;
        stream.write_all(&reply).await.unwrap();
        if then == Then::Hang {
            std::future::pending::<()>().await;
        }
    });
    (base, server)
}

/// The behaviour of a raw listener after its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Close,
    Hang,
    ResetUnread,
}

/// Reads up to the end of the body, by `content-length`.
async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the client gave up first");
        request.extend_from_slice(&chunk[..read]);
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap_or("0");
    body.len() >= length.parse().unwrap()
}

pub fn client(base: &str) -> Client {
    patient_client(base, Duration::from_secs(10))
}

pub fn patient_client(base: &str, request_timeout: Duration) -> Client {
    let http = http_client(Duration::from_millis(400).min(request_timeout), request_timeout).unwrap();
    Client::new(ClientOptions {
        base_url: base.parse().unwrap(),
        api_key: API_KEY.to_owned().into(),
        http,
        request_timeout,
        user_agent: "individual-access/test".to_owned(),
    })
    .unwrap()
}

pub fn patient_id() -> PatientId {
    PatientId::parse("0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e4").unwrap()
}

pub fn demographics() -> Demographics {
    let now = Time::parse("2026-11-22T00:00:00Z").unwrap();
    Demographics::parse(demographics_json().to_string().as_bytes(), now).unwrap()
}

pub fn demographics_json() -> Value {
    serde_json::json!({
        "firstName": "Nora", "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F",
        "address": [{"addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402", "country": "USA"}],
        "contact": [{"phone": "9375550142", "email": "nora.quill@example.test"}]
    })
}

/// A patient in Metriport's answer, with our external id.
pub fn patient_json() -> Value {
    serde_json::json!({
        "id": "0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e4", "eTag": "7",
        "facilityIds": ["01989f00-1111-7222-8333-444455556666"],
        "externalId": "user-48213", "dateCreated": "2026-11-22T10:55:01.000Z", "firstName": "Nora"
    })
}
