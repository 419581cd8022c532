//! Every request passes the gate, which sees its operation and its caller.

use crate::harness;
use sandbox_aws::{Call, Observer, SECRET_ACCESS_KEY, Service};
use std::sync::{Arc, Mutex};

type ObservedCalls = Arc<Mutex<Vec<(Service, String, Option<String>)>>>;

fn collecting_observer() -> (ObservedCalls, Observer) {
    let calls = ObservedCalls::default();
    let writer = calls.clone();
    let observer: Observer = Arc::new(move |call: &Call| {
        writer
            .lock()
            .unwrap()
            .push((call.service, call.operation.clone(), call.access_key_id.clone()));
    });
    (calls, observer)
}

#[tokio::test]
async fn observer_receives_service_operation_and_key_of_every_call() {
    let (calls, observer) = collecting_observer();
    let aws = harness::start_with(None, Some(observer)).await;
    aws.create_bucket("records").await.unwrap();
    harness::dynamodb(&aws).list_tables().send().await.unwrap();
    harness::sqs(&aws).list_queues().send().await.unwrap();
    harness::secrets(&aws).list_secrets().send().await.unwrap();
    harness::kms(&aws)
        .get_public_key()
        .key_id("none")
        .send()
        .await
        .unwrap_err();
    harness::sts(&aws).get_caller_identity().send().await.unwrap();
    let put = harness::s3_as(&aws, harness::credentials("record-fetch"))
        .put_object()
        .bucket("records")
        .key("a/b");
    put.send().await.unwrap();
    // A refused call is observed too.
    harness::sqs(&aws)
        .purge_queue()
        .queue_url("none")
        .send()
        .await
        .unwrap_err();

    let caller = Some("test-caller".to_owned());
    let expected = [
        (Service::DynamoDb, "ListTables".to_owned(), caller.clone()),
        (Service::Sqs, "ListQueues".to_owned(), caller.clone()),
        (Service::SecretsManager, "ListSecrets".to_owned(), caller.clone()),
        (Service::Kms, "GetPublicKey".to_owned(), caller.clone()),
        (Service::Sts, "GetCallerIdentity".to_owned(), caller.clone()),
        (Service::S3, "PutObject".to_owned(), Some("record-fetch".to_owned())),
        (Service::Sqs, "PurgeQueue".to_owned(), caller),
    ];
    assert_eq!(*calls.lock().unwrap(), expected);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn environment_has_every_endpoint_and_lacks_a_key_id() {
    let aws = harness::start().await;
    let env = aws.env();
    for service in Service::ALL {
        assert!(env.contains(&(service.endpoint_variable().to_owned(), aws.endpoint(service))));
        assert!(aws.endpoint(service).starts_with("http://127.0.0.1:"));
    }
    assert!(env.contains(&("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET_ACCESS_KEY.to_owned())));
    assert!(env.iter().all(|(name, _)| name != "AWS_ACCESS_KEY_ID"));
    aws.shutdown().await.unwrap();
}
