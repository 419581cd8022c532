//! The operator's view: queues, bucket, table and secrets of the embedded AWS, and webhooks that a test sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::primitives::Blob;
use sandbox_aws::QueueSpec;
use sandbox_metriport::HeldDelivery;
use serde_json::Value;
use shared::config::Env;
use shared::domain::ExternalId;
use shared::metriport::FindPatient;
use tokio::task::JoinHandle;

use super::{TestApp, until};

/// The names of the queues.
pub const QUEUES: [&str; 4] = [
    "ias-WebhookEventsQueue",
    "ias-RunAdvanceQueue",
    "ias-RecordFetchQueue",
    "ias-AccountWorkQueue",
];

/// Collects message bodies, by message id, until the value is dropped.
pub struct Watch {
    bodies: Arc<Mutex<BTreeMap<String, String>>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Every body seen so far.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().values().cloned().collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestApp {
    /// Clients of the embedded AWS, with the test's own key.
    pub fn aws(&self) -> shared::aws::Aws {
        self.aws_as("INTEGRATIONTEST")
    }

    /// Clients of the embedded AWS, with this access key id.
    pub fn aws_as(&self, access_key_id: &str) -> shared::aws::Aws {
        let key = ("AWS_ACCESS_KEY_ID".to_owned(), access_key_id.to_owned());
        let env = Env::from_vars(self.sandbox.aws().env().into_iter().chain([key]));
        shared::aws::Aws::read(&env).expect("clients")
    }

    /// The number of delayed messages in a queue.
    pub fn delayed(&self, queue: &str) -> usize {
        let depths = self.sandbox.aws().queues().depths();
        depths.get(queue).map_or(0, |depth| depth.delayed)
    }

    /// Deletes every message of a queue.
    pub async fn purge(&self, queue: &str) {
        let url = self.sandbox.aws().queue_url(queue).expect("a queue");
        self.aws()
            .sqs()
            .purge_queue()
            .queue_url(url)
            .send()
            .await
            .expect("a purge");
    }

    /// The keys of all objects in the bucket.
    pub async fn objects(&self) -> Vec<String> {
        let s3 = self.aws().s3();
        let buckets = s3.list_buckets().send().await.expect("buckets");
        let bucket = buckets
            .buckets()
            .first()
            .and_then(|bucket| bucket.name())
            .expect("a bucket")
            .to_owned();
        let listed = s3.list_objects_v2().bucket(bucket).send().await.expect("a list");
        listed
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .map(str::to_owned)
            .collect()
    }

    /// Every item of the table, as text.
    pub async fn items(&self) -> Vec<String> {
        self.table().await.iter().map(Value::to_string).collect()
    }

    /// Stores the webhook keys as an operator does; the next webhook starts a new process.
    pub async fn store_webhook_keys(&self, keys: &Value) {
        self.store_secret("ias-WebhookKeysSecret", &keys.to_string()).await;
        assert!(self.sandbox.host().kill("webhook-intake").await);
    }

    /// Stores a secret as an operator does. The functions are not notified.
    pub async fn store_secret(&self, name: &str, text: &str) {
        let stored = self.aws().secrets().put_secret_value().secret_id(name);
        stored.secret_string(text).send().await.expect("the secret is stored");
    }

    /// Stores a binary secret.
    pub async fn store_binary_secret(&self, name: &str, bytes: &[u8]) {
        let stored = self.aws().secrets().put_secret_value().secret_id(name);
        let stored = stored.secret_binary(Blob::new(bytes));
        stored.send().await.expect("the secret is stored");
    }

    /// Sends a message without delay and returns its id.
    pub async fn send_message(&self, queue: &str, body: &str) -> String {
        let url = self.sandbox.aws().queue_url(queue).expect("a queue");
        let sent = self
            .aws()
            .sqs()
            .send_message()
            .queue_url(url)
            .message_body(body)
            .delay_seconds(0)
            .send()
            .await;
        sent.expect("a message is sent").message_id.expect("an id")
    }

    /// Delays every message of the queues, so that a watch sees it before it is received.
    pub async fn slow_queues(&self, delay_secs: u32) {
        self.set_queues(delay_secs, 120).await;
    }

    /// Makes SQS redeliver failed messages within the bound of a wait. The queues of the template take minutes.
    pub async fn quick_redelivery(&self) {
        self.set_queues(0, 10).await;
    }

    async fn set_queues(&self, delay_secs: u32, visibility_timeout_secs: u32) {
        for queue in QUEUES {
            let dead_letters = queue.replace("Queue", "DeadLetters");
            let spec = QueueSpec {
                name: queue.to_owned(),
                visibility_timeout_secs,
                delay_secs,
                retention_secs: 345_600,
                redrive: Some((dead_letters, 5)),
            };
            self.sandbox
                .aws()
                .create_queue(spec)
                .await
                .expect("the queue's settings");
        }
    }

    /// Collects every message body from now on. The collection is complete only after [`TestApp::slow_queues`].
    pub fn watch_queues(&self) -> Watch {
        let (queues, bodies) = (
            self.sandbox.aws().queues().clone(),
            Arc::new(Mutex::new(BTreeMap::new())),
        );
        let sink = Arc::clone(&bodies);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
            loop {
                ticks.tick().await;
                let messages = QUEUES.iter().filter_map(|queue| queues.messages(queue)).flatten();
                sink.lock()
                    .unwrap()
                    .extend(messages.map(|message| (message.message_id, message.body)));
            }
        });
        Watch { bodies, task }
    }

    /// Metriport's id for a person's patient.
    pub async fn patient_of(&self, subject: &str) -> String {
        let client = self.sandbox.metriport_client().expect("a client");
        let external_id = ExternalId::parse(subject).expect("an external id");
        let patient = client
            .find_patient(&external_id)
            .await
            .expect("an answer")
            .expect("a patient");
        patient.id.as_str().to_owned()
    }

    /// Signs a webhook as Metriport does and sends it; returns the answer's status.
    pub async fn send_signed(&self, body: &Value) -> u16 {
        let body = body.to_string();
        let signature = self.stand_in().sign(body.as_bytes());
        self.stand_in()
            .send_raw(body, Some(&signature))
            .await
            .expect("an answer")
    }

    /// Waits until this many webhooks of a kind are held; returns them, oldest first.
    pub async fn until_held(&self, kind: &str, count: usize) -> Vec<HeldDelivery> {
        until(&format!("{count} webhooks {kind} are held"), async || {
            let mut held = self.stand_in().held();
            held.retain(|delivery| delivery.event_type.starts_with(kind));
            (held.len() >= count).then_some(held)
        })
        .await
    }

    /// Delivers one held webhook and waits until it is processed.
    pub async fn deliver(&self, held: &HeldDelivery) {
        assert_eq!(self.stand_in().release(&[held.index]).await, [Ok(200)]);
        self.drain().await;
    }
}
