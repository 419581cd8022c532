//! Checks of a refusal, and of the state it must not change.

use sandbox_machine::app::{App, Reply};
use sandbox_metriport::Operation;
use serde_json::{Map, Value, json};

use super::{Person, TestApp};

/// State that a refusal must not change.
#[derive(Debug, PartialEq)]
pub struct Snapshot {
    table: Vec<Value>,
    upstream_writes: u64,
}

/// Operations that change something at Metriport.
const WRITES: [Operation; 7] = [
    Operation::CreatePatient,
    Operation::UpdatePatient,
    Operation::DeletePatient,
    Operation::CreateIdentitySession,
    Operation::CreateChallenge,
    Operation::StartNetworkQuery,
    Operation::StartConsolidatedQuery,
];

impl TestApp {
    /// Every item of the table, sorted by key, except the rate budget and the persons' shares, which change with every
    /// call.
    pub async fn table(&self) -> Vec<Value> {
        let mut items = self.scan().await;
        items.retain(|item| !is_budget(item) && item["sk"] != SHARES);
        items
    }

    /// The items of the persons' shares, sorted by key.
    pub async fn shares(&self) -> Vec<Value> {
        let mut items = self.scan().await;
        items.retain(|item| item["sk"] == SHARES);
        items
    }

    /// Every item of the table, sorted by key.
    pub async fn scan(&self) -> Vec<Value> {
        let scan = self
            .aws()
            .dynamodb()
            .scan()
            .table_name("ias-Table")
            .send()
            .await
            .expect("the table");
        assert!(scan.last_evaluated_key().is_none(), "more items than one page");
        let items = scan.items.unwrap_or_default().into_iter();
        let mut items: Vec<Value> = items
            .map(|item| serde_dynamo::from_item(item).expect("an item"))
            .collect();
        items.sort_by_key(|item| (item["pk"].to_string(), item["sk"].to_string()));
        items
    }

    /// The rate budget's item for one kind of call; empty before the first call.
    pub async fn budget(&self, kind: &str) -> Map<String, Value> {
        let key = serde_dynamo::to_item(json!({ "pk": format!("BUDGET#{kind}"), "sk": "STATE" })).expect("a key");
        let read = self
            .aws()
            .dynamodb()
            .get_item()
            .table_name("ias-Table")
            .set_key(Some(key));
        let item = read.send().await.expect("the table").item.unwrap_or_default();
        serde_dynamo::from_item(item).expect("an item")
    }

    /// The table as one text.
    pub async fn table_text(&self) -> String {
        Value::Array(self.table().await).to_string()
    }

    /// The table, and the number of writes at Metriport so far.
    pub async fn snapshot(&self) -> Snapshot {
        let stats = self.stand_in().stats();
        let upstream_writes = WRITES.iter().map(|operation| stats.calls(*operation)).sum();
        Snapshot {
            table: self.table().await,
            upstream_writes,
        }
    }

    /// The number of calls of one operation at Metriport so far.
    pub fn upstream(&self, operation: Operation) -> u64 {
        self.stand_in().stats().calls(operation)
    }

    /// The stored proofed identity of a person.
    pub async fn proofed_identity(&self, subject: &str) -> String {
        let patient = Value::String(self.patient_of(subject).await);
        let table = self.table().await;
        let found = table
            .iter()
            .find(|item| item["sk"] == "IDENTITY" && item["proofed"]["patient"] == patient);
        found
            .and_then(|item| item["proofed"]["id"].as_str())
            .expect("a proofed identity")
            .to_owned()
    }

    /// An app whose token has these claims, added or replaced.
    pub fn app_with(&self, subject: &str, claims: &Value) -> App {
        let claims: Map<String, Value> = claims.as_object().cloned().expect("claims");
        let token = self.sandbox.token(subject, &claims).expect("a token");
        App::new(self.sandbox.host().base_url(), &token).expect("an app")
    }

    /// The number of webhooks of a kind that were delivered and got a 200.
    pub fn delivered(&self, kind: &str) -> usize {
        let log = self.stand_in().deliveries();
        log.iter()
            .filter(|delivery| delivery.event_type == kind && delivery.status == Some(200))
            .count()
    }

    /// Waits until this many webhooks of a kind were delivered and processed.
    pub async fn until_delivered(&self, kind: &str, count: usize) {
        let delivered = async || (self.delivered(kind) >= count).then_some(());
        super::until(&format!("{count} webhooks {kind} are delivered"), delivered).await;
        self.drain().await;
    }
}

const SHARES: &str = "SHARES";

fn is_budget(item: &Value) -> bool {
    item["pk"].as_str().is_some_and(|pk| pk.starts_with("BUDGET#"))
}

impl Person {
    /// Opens an identity session; returns the reply.
    pub async fn open_identity(&self) -> Reply {
        let opened = self
            .app
            .open_identity_session(sandbox_machine::sandbox::IDENTITY_RETURN)
            .await
            .expect("an answer");
        assert_eq!(opened.status, 201, "{:?}", opened.body);
        opened
    }

    /// Pulls from HIE alone, which makes only the final record.
    pub async fn pull_hie(&self) -> Reply {
        let id = self.start_from(&["hie"]).await;
        self.until_ended(&id).await
    }

    /// Sends any request.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let method = method.parse().expect("a method");
        self.app.send(method, path, Some(body)).await.expect("an answer")
    }
}

/// Checks that a reply is a documented problem with this code and next action.
#[track_caller]
pub fn refused(reply: &Reply, status: u16, code: &str, action: &str) {
    let header = |name: &str| {
        reply
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (status, code),
        "{:?}",
        reply.body
    );
    assert_eq!(header("content-type"), "application/problem+json");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("strict-transport-security"), "max-age=63072000");
    assert_eq!(reply.text("/type"), format!("urn:individual-access:problem:{code}"));
    assert_eq!(reply.number("/status"), u64::from(status));
    assert!(!reply.text("/title").is_empty());
    assert_eq!(reply.text("/next/action"), action, "{:?}", reply.body);
}

/// The fields that a refusal names, in order.
pub fn pointers(reply: &Reply) -> Vec<&str> {
    reply
        .list("/errors")
        .iter()
        .filter_map(|error| error["pointer"].as_str())
        .collect()
}

/// The seconds of `Retry-After`; 0 without it.
pub fn retry_after(reply: &Reply) -> u64 {
    let value = reply.headers.get("retry-after").and_then(|value| value.to_str().ok());
    value.and_then(|text| text.parse().ok()).unwrap_or_default()
}
