//! A stand-in and a receiver for its webhooks, with methods to act on both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use reqwest::{Client, RequestBuilder, Response};
use sandbox_metriport::{Delays, StandIn, StandInOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub const RETURN_URL: &str = "https://app.example.test/return";

/// Longest wait. Only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// One webhook, as it arrived.
pub struct Hook {
    pub signature: String,
    pub user_agent: String,
    pub raw: Bytes,
    pub json: Value,
}

impl Hook {
    pub fn event_type(&self) -> &str {
        self.json["meta"]["type"].as_str().unwrap()
    }

    pub fn message_id(&self) -> &str {
        self.json["meta"]["messageId"].as_str().unwrap()
    }
}

#[derive(Clone)]
struct Desk {
    arrived: mpsc::UnboundedSender<Hook>,
    status: Arc<AtomicU16>,
}

pub struct Bench {
    pub stand_in: StandIn,
    pub client: Client,
    hooks: mpsc::UnboundedReceiver<Hook>,
    status: Arc<AtomicU16>,
    pub hook_url: String,
    receiver: JoinHandle<()>,
}

/// Options with short delays and few checks. Each test changes the options that it tests.
pub fn options() -> StandInOptions {
    StandInOptions {
        delays: Delays::all(10),
        redirect_allowlist: vec![RETURN_URL.to_owned()],
        auto_approve: true,
        rate_limits: false,
        ..StandInOptions::default()
    }
}

/// A client that neither follows redirects nor decompresses.
pub fn client() -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let tls = tls
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .no_gzip()
        .timeout(PATIENCE);
    builder
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("bench/1")
        .build()
        .unwrap()
}

async fn receive(State(desk): State<Desk>, headers: HeaderMap, raw: Bytes) -> (StatusCode, Json<Value>) {
    let json: Value = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    let pong = json!({ "pong": json["ping"] });
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let (signature, user_agent) = (header("x-metriport-signature"), header("user-agent"));
    desk.arrived
        .send(Hook {
            signature,
            user_agent,
            raw,
            json,
        })
        .unwrap();
    (
        StatusCode::from_u16(desk.status.load(Ordering::SeqCst)).unwrap(),
        Json(pong),
    )
}

impl Bench {
    /// Starts a stand-in without a webhook URL.
    pub async fn start(options: StandInOptions) -> Self {
        let (arrived, hooks) = mpsc::unbounded_channel();
        let status = Arc::new(AtomicU16::new(200));
        let desk = Desk {
            arrived,
            status: Arc::clone(&status),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook_url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(receive)).with_state(desk);
        let receiver = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let stand_in = StandIn::start(options).await.unwrap();
        Self {
            stand_in,
            client: client(),
            hooks,
            status,
            hook_url,
            receiver,
        }
    }

    /// Starts a stand-in with a webhook URL whose ping was answered.
    pub async fn ready(options: StandInOptions) -> Self {
        let mut bench = Self::start(options).await;
        let set = bench.post("/settings", &json!({ "webhookUrl": bench.hook_url })).await;
        assert_eq!(set.status(), 200);
        assert_eq!(bench.hook().await.event_type(), "ping");
        bench.until(|bench| bench.stand_in.deliveries().len() == 1).await;
        bench
    }

    pub async fn stop(self) {
        self.stand_in.shutdown().await;
        self.receiver.abort();
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stand_in.base_url())
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("x-api-key", self.stand_in.api_key())
    }

    pub fn get_request(&self, path: &str) -> RequestBuilder {
        self.with_key(self.client.get(self.url(path)))
    }

    pub fn post_request(&self, path: &str, body: &Value) -> RequestBuilder {
        self.with_key(self.client.post(self.url(path))).json(body)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.get_request(path).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_request(path, body).send().await.unwrap()
    }

    pub async fn get_json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Value {
        self.post(path, body).await.json().await.unwrap()
    }

    /// Makes the receiver answer with this status from now on.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Waits for the next webhook.
    pub async fn hook(&mut self) -> Hook {
        tokio::time::timeout(PATIENCE, self.hooks.recv())
            .await
            .expect("no webhook came")
            .unwrap()
    }

    /// Whether a webhook has arrived that the test has not read.
    pub fn has_hook(&mut self) -> bool {
        !self.hooks.is_empty()
    }

    pub async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        let looking = async {
            while !condition(self) {
                looks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, looking)
            .await
            .expect("the condition never held");
    }

    pub fn create_patient_path(&self) -> String {
        format!("/medical/v1/patient?facilityId={}", self.stand_in.facility_id())
    }

    pub async fn patient(&self, first_name: &str) -> String {
        let made = self.post(&self.create_patient_path(), &patient_body(first_name)).await;
        assert_eq!(made.status(), 201);
        id(&made.json().await.unwrap(), "id")
    }

    /// Opens an identity session and returns its URL.
    pub async fn session_url(&self, patient_id: &str) -> String {
        let body = json!({ "patientId": patient_id, "redirectUrl": RETURN_URL, "metadata": { "linkId": "l-1" } });
        let opened = self.post_json("/medical/v1/identity/session", &body).await;
        assert_eq!(opened["status"], "pending");
        id(&opened, "sessionUrl")
    }

    /// Opens an AAL2 challenge and returns its URL.
    pub async fn challenge_url(&self, identity_id: &str) -> String {
        let body = json!({ "proofedIdentityId": identity_id, "redirectUrl": RETURN_URL });
        let opened = self.post_json("/medical/v1/identity/aal2/challenge", &body).await;
        assert_eq!(opened["method"], "totp");
        id(&opened, "challengeUrl")
    }

    /// Opens a hosted URL in automatic mode and returns the URL it leads back to.
    pub async fn visit(&self, url: &str) -> String {
        back(&self.client.get(url).send().await.unwrap())
    }

    /// Starts a query over all sources for treatment, and returns its id.
    pub async fn treatment(&self, patient_id: &str, metadata: Value) -> String {
        let body = json!({ "sources": ["hie", "pharmacy", "lab"], "metadata": metadata });
        let path = format!("/medical/v1/network/query?patientId={patient_id}");
        id(&self.post_json(&path, &body).await, "requestId")
    }

    /// Starts a consolidated query and returns its id.
    pub async fn consolidate(&self, patient_id: &str, params: &str) -> String {
        let path = format!("/medical/v1/patient/{patient_id}/consolidated/query?{params}");
        id(&self.post_json(&path, &json!({})).await, "requestId")
    }

    /// Creates a patient and waits until all three sources have answered.
    pub async fn collected(&mut self, first_name: &str) -> String {
        let patient_id = self.patient(first_name).await;
        self.treatment(&patient_id, json!({})).await;
        for _ in 0..3 {
            self.hook().await;
        }
        patient_id
    }

    /// Runs a consolidated query to its end and returns its attachments as type and link.
    pub async fn attachments(&mut self, patient_id: &str, params: &str) -> Vec<(String, String)> {
        let request_id = self.consolidate(patient_id, params).await;
        let hook = self.hook().await;
        assert_eq!(
            (hook.event_type(), &hook.json["meta"]["requestId"]),
            ("medical.consolidated-data", &json!(request_id))
        );
        let content = &hook.json["patients"][0]["bundle"]["entry"][0]["resource"]["content"];
        let attachments = content.as_array().unwrap().iter().map(|item| &item["attachment"]);
        attachments
            .map(|attachment| (id(attachment, "contentType"), id(attachment, "url")))
            .collect()
    }
}

pub fn patient_body(first_name: &str) -> Value {
    json!({
        "firstName": first_name, "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F",
        "address": [{ "addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402" }],
        "contact": [{ "email": "nora.quill@example.test" }], "externalId": "user-48213",
    })
}

pub fn id(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}")).to_owned()
}

/// The target of a 303.
pub fn back(answer: &Response) -> String {
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap().to_owned()
}
