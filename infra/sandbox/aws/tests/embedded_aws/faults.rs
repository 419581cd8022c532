//! An interceptor's effects on calls and messages, as unmodified SDKs see them.

use crate::harness::{self, code};
use crate::sqs::{queue, receive, send};
use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_aws::Verdict;
use sandbox_aws::{Aws, Call, Ending, Failure, Interceptor, KeyAttribute, MessageInfo, Passage, TableSpec};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

type Number = (Option<String>, u64);

/// Applies its lists of decisions to one operation, and records the number of every call.
#[derive(Clone, Default)]
struct Script {
    operation: &'static str,
    /// Verdicts for the first calls of the operation.
    before: Arc<Mutex<Vec<Verdict>>>,
    after: Arc<Mutex<Vec<Ending>>>,
    numbers: Arc<Mutex<Vec<Number>>>,
}

impl Script {
    fn before(operation: &'static str, verdicts: &[Verdict]) -> Script {
        Script {
            operation,
            before: Arc::new(Mutex::new(verdicts.to_vec())),
            ..Script::default()
        }
    }

    fn after(operation: &'static str, endings: &[Ending]) -> Script {
        Script {
            operation,
            after: Arc::new(Mutex::new(endings.to_vec())),
            ..Script::default()
        }
    }

    fn next<T>(&self, call: &Call, list: &Mutex<Vec<T>>) -> Option<T> {
        let mut list = list.lock().unwrap();
        (call.operation == self.operation && !list.is_empty()).then(|| list.remove(0))
    }
}

#[async_trait::async_trait]
impl Interceptor for Script {
    async fn before(&self, call: &Call) -> Verdict {
        let mut numbers = self.numbers.lock().unwrap();
        numbers.push((call.access_key_id.clone(), call.ordinal));
        self.next(call, &self.before).unwrap_or(Verdict::Forward)
    }

    async fn after(&self, call: &Call, status: u16) -> Ending {
        assert_eq!(status, 200, "{}", call.operation);
        self.next(call, &self.after).unwrap_or(Ending::Return)
    }
}

async fn create_table(aws: &Aws) {
    aws.create_table(TableSpec {
        name: "state".to_owned(),
        hash_key: KeyAttribute::string("pk"),
        range_key: None,
        gsis: Vec::new(),
        ttl_attribute: None,
    })
    .await
    .unwrap();
}

async fn put(client: &aws_sdk_dynamodb::Client) -> Result<(), aws_sdk_dynamodb::Error> {
    let put = client.put_item().table_name("state");
    put.item("pk", AttributeValue::S("a".to_owned())).send().await?;
    Ok(())
}

async fn is_there(client: &aws_sdk_dynamodb::Client) -> bool {
    let get = client.get_item().table_name("state").consistent_read(true);
    let got = get.key("pk", AttributeValue::S("a".to_owned())).send().await;
    got.unwrap().item.is_some()
}

#[tokio::test]
async fn sdk_retries_a_throttled_call() {
    let script = Script::before("PutItem", &[Verdict::Throttle, Verdict::Throttle]);
    let aws = harness::start_intercepted(script).await;
    create_table(&aws).await;
    let client = harness::patient_dynamodb(&aws);
    put(&client).await.unwrap();
    assert!(is_there(&client).await);
    assert_eq!(aws.fault_counts(), [("throttled", 2)].into());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn faults_use_the_error_codes_of_each_service() {
    for (verdict, expected) in [
        (
            Verdict::Throttle,
            [
                "ProvisionedThroughputExceededException",
                "RequestThrottled",
                "SlowDown",
                "ThrottlingException",
            ],
        ),
        (
            Verdict::Fail(Failure::Internal),
            [
                "InternalServerError",
                "InternalFailure",
                "InternalError",
                "InternalServiceError",
            ],
        ),
        (Verdict::Fail(Failure::Unavailable), ["ServiceUnavailable"; 4]),
    ] {
        let aws = harness::start_intercepted(Always(verdict)).await;
        let item = harness::dynamodb(&aws).get_item().table_name("state");
        let item = item.key("pk", AttributeValue::S("a".to_owned())).send().await;
        let queues = harness::sqs(&aws).list_queues().send().await;
        let body = aws_sdk_s3::primitives::ByteStream::from(vec![7; 3_000_000]);
        let object = harness::s3(&aws).put_object().bucket("records").key("a").body(body);
        let object = object.send().await;
        let secrets = harness::secrets(&aws).list_secrets().send().await;
        assert_eq!([code(item), code(queues), code(object), code(secrets)], expected);
        aws.shutdown().await.unwrap();
    }
}

struct Always(Verdict);

#[async_trait::async_trait]
impl Interceptor for Always {
    async fn before(&self, _: &Call) -> Verdict {
        self.0
    }
}

#[tokio::test]
async fn call_dropped_before_the_service_is_without_effect() {
    let aws = harness::start_intercepted(Script::before("PutItem", &[Verdict::Drop])).await;
    create_table(&aws).await;
    let client = harness::dynamodb(&aws);
    put(&client).await.unwrap_err();
    assert!(!is_there(&client).await);
    assert_eq!(aws.fault_counts(), [("dropped_before", 1)].into());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn call_dropped_or_failed_after_the_service_has_its_effect() {
    for (ending, kind) in [
        (Ending::Drop, "dropped_after"),
        (Ending::Fail(Failure::Internal), "failed_after"),
    ] {
        let aws = harness::start_intercepted(Script::after("PutItem", &[ending])).await;
        create_table(&aws).await;
        let client = harness::dynamodb(&aws);
        put(&client).await.unwrap_err();
        assert!(is_there(&client).await);
        assert_eq!(aws.fault_counts(), [(kind, 1)].into());
        aws.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn calls_are_numbered_by_caller_across_services() {
    let script = Script::default();
    let aws = harness::start_intercepted(script.clone()).await;
    harness::dynamodb(&aws).list_tables().send().await.unwrap();
    let other = harness::s3_as(&aws, harness::credentials("other"));
    other.list_buckets().send().await.unwrap();
    harness::sqs(&aws).list_queues().send().await.unwrap();
    let numbers = script.numbers.lock().unwrap().clone();
    let caller = |name: &str| Some(name.to_owned());
    assert_eq!(
        numbers,
        [
            (caller("test-caller"), 1),
            (caller("other"), 1),
            (caller("test-caller"), 2)
        ]
    );
    assert!(aws.fault_counts().is_empty());
    aws.shutdown().await.unwrap();
}

/// Waits for `go_on`, even after its caller has disconnected.
#[derive(Clone, Default)]
struct Patient {
    arrival: Arc<Notify>,
    go_on: Arc<Notify>,
    end: Arc<Notify>,
}

#[async_trait::async_trait]
impl Interceptor for Patient {
    async fn before(&self, _: &Call) -> Verdict {
        self.arrival.notify_one();
        self.go_on.notified().await;
        self.end.notify_one();
        Verdict::Drop
    }
}

#[tokio::test]
async fn interceptor_finishes_after_the_caller_disconnects() {
    let patient = Patient::default();
    let aws = harness::start_intercepted(patient.clone()).await;
    let client = harness::dynamodb(&aws);
    let call = tokio::spawn(async move { client.list_tables().send().await.is_ok() });
    patient.arrival.notified().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    patient.go_on.notify_one();
    let end = tokio::time::timeout(Duration::from_secs(20), patient.end.notified());
    end.await.expect("the interceptor was cut off");
    aws.shutdown().await.unwrap();
}

struct First(Passage);

impl Interceptor for First {
    fn message(&self, message: &MessageInfo) -> Passage {
        assert_eq!(
            (message.queue.as_str(), message.sender.as_str()),
            ("work", "test-caller")
        );
        match message.ordinal {
            1 => self.0,
            _ => Passage::default(),
        }
    }
}

#[tokio::test]
async fn deleted_message_can_be_delivered_again() {
    let passage = Passage {
        again_after_ms: Some(300),
        ..Passage::default()
    };
    let aws = harness::start_intercepted(First(passage)).await;
    let url = aws.create_queue(queue("work")).await.unwrap();
    let client = harness::sqs(&aws);
    send(&client, &url, "once").await;
    let first = receive(&client, &url, 20).await.unwrap();
    let delete = client.delete_message().queue_url(&url);
    delete
        .receipt_handle(first.receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
    let second = receive(&client, &url, 20).await.expect("no second delivery");
    assert_eq!((second.message_id(), second.body()), (first.message_id(), Some("once")));
    assert_ne!(second.receipt_handle(), first.receipt_handle());
    assert_eq!(aws.fault_counts(), [("message_doubled", 1)].into());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn later_message_overtakes_a_late_message() {
    let passage = Passage {
        late_ms: 500,
        ..Passage::default()
    };
    let aws = harness::start_intercepted(First(passage)).await;
    let url = aws.create_queue(queue("work")).await.unwrap();
    let client = harness::sqs(&aws);
    send(&client, &url, "late").await;
    send(&client, &url, "next").await;
    assert_eq!(receive(&client, &url, 20).await.unwrap().body(), Some("next"));
    assert_eq!(receive(&client, &url, 20).await.unwrap().body(), Some("late"));
    assert_eq!(aws.fault_counts(), [("message_late", 1)].into());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn calls_without_an_interceptor_have_the_number_zero() {
    let numbers: Arc<Mutex<Vec<u64>>> = Arc::default();
    let writer = numbers.clone();
    let observer = Arc::new(move |call: &Call| writer.lock().unwrap().push(call.ordinal));
    let aws = harness::start_with(None, Some(observer)).await;
    harness::dynamodb(&aws).list_tables().send().await.unwrap();
    assert_eq!(*numbers.lock().unwrap(), [0]);
    assert!(aws.fault_counts().is_empty());
    aws.shutdown().await.unwrap();
}
