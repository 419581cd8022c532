//! Event sources with the sandbox's own SQS, over its wire protocol.

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
use sandbox_aws::{Aws, AwsOptions, QueueDepths, QueueSpec, Service};
use sandbox_host::template::Bindings;
use sandbox_host::{Interference, Invocation, InvocationPlan};
use serde_json::{Value, json};

use crate::harness::{TestHost, eventually, options_with, patiently};

const QUEUE: &str = "test-Jobs";

struct Pipeline {
    test: TestHost,
    aws: Aws,
    client: aws_sdk_sqs::Client,
    queue_url: String,
}

fn template(source: &str) -> String {
    format!(
        "Resources: {{ Jobs: {{ Type: AWS::SQS::Queue }}, Echo: {{ Type: AWS::Serverless::Function, \
         Metadata: {{ Binary: echo_function }}, Properties: {{ Timeout: 1, Events: {{ Jobs: {{ Type: SQS, \
         Properties: {{ Queue: !GetAtt Jobs.Arn, {source} }} }} }} }} }} }}"
    )
}

impl Pipeline {
    async fn start(source: &str, visibility_timeout_secs: u32) -> Self {
        Self::start_with(source, visibility_timeout_secs, &[]).await
    }

    /// Sends messages before the host starts.
    async fn start_with(source: &str, visibility_timeout_secs: u32, messages: &[Value]) -> Self {
        Self::start_interfered(source, visibility_timeout_secs, messages, None).await
    }

    /// Also lets `interference` decide about each invocation.
    async fn start_interfered(
        source: &str,
        visibility_timeout_secs: u32,
        messages: &[Value],
        interference: Option<InvocationPlan>,
    ) -> Self {
        let options = AwsOptions {
            data_dir: None,
            region: "us-east-1".to_owned(),
            observer: None,
            meter: None,
            authorizer: None,
            interceptor: None,
            time_scale: 1,
        };
        let aws = Aws::start(options).await.unwrap();
        let spec = QueueSpec {
            name: QUEUE.to_owned(),
            visibility_timeout_secs,
            delay_secs: 0,
            retention_secs: 3_600,
            redrive: None,
        };
        let queue_url = aws.create_queue(spec).await.unwrap();
        let (url, arn) = (queue_url.clone(), aws.queue_arn(QUEUE).unwrap());
        let resolver = move |id: &str, attribute: &str| match (id, attribute) {
            ("Jobs", "Ref") => Some(url.clone()),
            ("Jobs", "Arn") => Some(arn.clone()),
            _ => None,
        };
        let bindings = Bindings::new("us-east-1", sandbox_aws::ACCOUNT_ID, "test").with_resolver(resolver);
        let endpoint = aws.endpoint(Service::Sqs);
        let client = client(&endpoint);
        for message in messages {
            send(&client, &queue_url, message).await;
        }
        let mut options = options_with(&template(source), bindings, &endpoint);
        options.prewarm = true;
        options.interference = interference;
        Self {
            test: TestHost::start(options).await,
            aws,
            client,
            queue_url,
        }
    }

    async fn send(&self, command: Value) {
        send(&self.client, &self.queue_url, &command).await;
    }

    fn depths(&self) -> QueueDepths {
        self.aws.queues().depths()[QUEUE]
    }

    async fn drained(&self) {
        eventually("an empty queue", || {
            let depths = self.depths();
            depths.visible + depths.in_flight + depths.delayed == 0
        })
        .await;
        patiently("idle", self.test.host.idle()).await;
    }

    fn invocations(&self) -> usize {
        self.test
            .host
            .process_table()
            .iter()
            .map(|span| span.invocations.len())
            .sum()
    }

    async fn finish(self) {
        self.test.finish().await;
        patiently("stopping", self.aws.shutdown()).await.unwrap();
    }
}

fn client(endpoint: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(
            "TEST",
            sandbox_aws::SECRET_ACCESS_KEY,
            None,
            None,
            "test",
        ))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    aws_sdk_sqs::Client::from_conf(config.build())
}

async fn send(client: &aws_sdk_sqs::Client, queue_url: &str, command: &Value) {
    client
        .send_message()
        .queue_url(queue_url)
        .message_body(command.to_string())
        .send()
        .await
        .unwrap();
}

const PARTIAL: &str = "FunctionResponseTypes: [ReportBatchItemFailures]";

#[tokio::test]
async fn message_is_dispatched_promptly_and_deleted() {
    let pipeline = Pipeline::start(PARTIAL, 30).await;
    let record = pipeline.test.file("record");
    let sent = Instant::now();
    pipeline.send(json!({ "touch": record })).await;
    eventually("the function", || record.exists()).await;
    // The dispatch takes about ten milliseconds on an idle machine; the long poll lasts twenty seconds. The limit
    // leaves room for load.
    let elapsed = sent.elapsed();
    assert!(elapsed.as_secs() < 5, "{elapsed:?}");
    pipeline.drained().await;
    let record: Value = serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:us-east-1:000000000000:test-Jobs");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    pipeline.finish().await;
}

#[tokio::test]
async fn seventeenth_invocation_in_one_chain_is_stopped() {
    let pipeline = Pipeline::start(PARTIAL, 1).await;
    for (hops, touched) in [(15, "allowed"), (16, "stopped")] {
        let trace = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value(format!("Root=1-0;Lineage=other:30|echo_function:{hops}"));
        let command = json!({ "touch": pipeline.test.file(touched) });
        let message = pipeline
            .client
            .send_message()
            .queue_url(&pipeline.queue_url)
            .message_body(command.to_string());
        let message = message.message_system_attributes(
            MessageSystemAttributeNameForSends::AwsTraceHeader,
            trace.build().unwrap(),
        );
        message.send().await.unwrap();
    }
    let hops = || pipeline.test.host.hops()["echo_function"];
    eventually("one that is stopped, again and again", || hops().dropped >= 2).await;
    eventually("one that is not", || pipeline.test.file("allowed").exists()).await;
    assert_eq!(hops().most, 16);
    assert!(!pipeline.test.file("stopped").exists());
    pipeline.finish().await;
}

#[tokio::test]
async fn only_failed_messages_are_redelivered() {
    let pipeline = Pipeline::start_with(PARTIAL, 1, &[json!({}), json!({ "fail": true }), json!({})]).await;
    eventually("a second delivery", || {
        let messages = pipeline.aws.queues().messages(QUEUE).unwrap_or_default();
        messages.len() == 1 && messages[0].receive_count >= 2
    })
    .await;
    let left = pipeline.aws.queues().messages(QUEUE).unwrap();
    assert_eq!(left[0].body, json!({ "fail": true }).to_string());
    pipeline.finish().await;
}

#[tokio::test]
async fn batch_size_follows_the_template() {
    let messages: Vec<Value> = (0..10).map(|_| json!({})).collect();
    let pipeline = Pipeline::start_with(&format!("BatchSize: 5, {PARTIAL}"), 30, &messages).await;
    pipeline.drained().await;
    assert_eq!(pipeline.invocations(), 2);
    pipeline.finish().await;
}

#[tokio::test]
async fn batching_window_gathers_several_receives() {
    let messages: Vec<Value> = (0..12).map(|_| json!({})).collect();
    let source = format!("BatchSize: 12, MaximumBatchingWindowInSeconds: 5, {PARTIAL}");
    let pipeline = Pipeline::start_with(&source, 30, &messages).await;
    pipeline.drained().await;
    assert_eq!(pipeline.invocations(), 1);
    pipeline.finish().await;
}

#[tokio::test]
async fn malformed_reply_crash_or_timeout_fails_the_whole_batch() {
    for command in [
        json!({ "reply": { "batchItemFailures": [{ "itemIdentifier": "nobody" }] } }),
        json!({ "reply": "nonsense" }),
        json!({ "exit": 1 }),
        json!({ "hang": true }),
    ] {
        let pipeline = Pipeline::start_with(PARTIAL, 600, &[json!({}), command.clone()]).await;
        let failed = || {
            pipeline
                .test
                .log()
                .iter()
                .any(|line| line.text.contains("the whole batch failed"))
        };
        eventually("the batch", failed).await;
        let depths = pipeline.depths();
        assert_eq!((depths.visible, depths.in_flight), (0, 2), "{command}");
        pipeline.finish().await;
    }
}

#[tokio::test]
async fn messages_of_a_killed_process_are_redelivered() {
    for (first, kind) in [
        (Interference::KillBefore, "killed_before"),
        (Interference::KillAfter, "killed_after"),
    ] {
        let plan: InvocationPlan = Arc::new(move |invocation: &Invocation| match invocation.ordinal {
            1 => first,
            _ => Interference::Go,
        });
        let pipeline = Pipeline::start_interfered(PARTIAL, 1, &[], Some(plan)).await;
        let record = pipeline.test.file("record");
        pipeline.send(json!({ "touch": record })).await;
        pipeline.drained().await;
        let record: Value = serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
        assert_eq!(record["attributes"]["ApproximateReceiveCount"], "2", "{kind}");
        assert_eq!(pipeline.test.host.interference_counts(), [(kind, 1)].into());
        pipeline.finish().await;
    }
}

#[tokio::test]
async fn reply_without_partial_failures_means_success() {
    let pipeline = Pipeline::start_with("BatchSize: 10", 600, &[json!({ "reply": "whatever" })]).await;
    pipeline.drained().await;
    pipeline.finish().await;
}

#[tokio::test]
async fn concurrent_batches_stay_within_the_source_limit() {
    let source = format!("BatchSize: 1, ScalingConfig: {{ MaximumConcurrency: 2 }}, {PARTIAL}");
    let pipeline = Pipeline::start(&source, 600).await;
    let gate = pipeline.test.file("gate");
    let started: Vec<_> = (0..3)
        .map(|index| pipeline.test.file(&format!("started-{index}")))
        .collect();
    for started in &started {
        pipeline.send(json!({ "touch": started, "waitFor": gate })).await;
    }
    let count = || started.iter().filter(|file| file.exists()).count();
    eventually("two batches", || count() == 2).await;
    // The third message stays visible while the two batches run.
    assert_eq!(
        (pipeline.depths().visible, pipeline.depths().in_flight, count()),
        (1, 2, 2)
    );
    std::fs::write(&gate, "").unwrap();
    pipeline.drained().await;
    assert_eq!(count(), 3);
    pipeline.finish().await;
}
