//! The authorizer gets the needs of each request. A request that it refuses has no effect.

use crate::harness;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::sign::{SignError, SignOutput};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::SigningAlgorithmSpec;
use sandbox_aws::{Authorizer, Aws, Call, KeyAttribute, Lacking, Need, QueueSpec, TableSpec};
use std::sync::{Arc, Mutex};

type Heard = Arc<Mutex<Vec<Option<Vec<Need>>>>>;

/// Grants everything, and records the needs.
fn listening() -> (Heard, Authorizer) {
    let heard = Heard::default();
    let writer = heard.clone();
    let authorizer: Authorizer = Arc::new(move |_: &Call, needs| {
        writer.lock().unwrap().push(needs.map(<[Need]>::to_vec));
        Ok(())
    });
    (heard, authorizer)
}

fn closed() -> Authorizer {
    Arc::new(|call: &Call, needs: Option<&[Need]>| {
        let first = needs.and_then(<[Need]>::first);
        Err(first.map_or_else(
            || Lacking::untold(call),
            |need| Lacking {
                action: need.action.clone(),
                resource: need.resource.clone(),
            },
        ))
    })
}

/// Creates a table, a queue, a bucket, a key and a secret. Returns the queue's URL and the secret's ARN.
async fn furnish(aws: &Aws) -> (String, String) {
    let table = TableSpec {
        name: "state".to_owned(),
        hash_key: KeyAttribute::string("pk"),
        range_key: None,
        gsis: Vec::new(),
        ttl_attribute: None,
    };
    aws.create_table(table).await.unwrap();
    aws.create_bucket("records").await.unwrap();
    aws.create_signing_key("seal").unwrap();
    let queue = QueueSpec {
        name: "work".to_owned(),
        visibility_timeout_secs: 30,
        delay_secs: 0,
        retention_secs: 3_600,
        redrive: None,
    };
    let url = aws.create_queue(queue).await.unwrap();
    (url, aws.create_secret("key", "value").await.unwrap())
}

fn need(action: &str, resource: &str, leading_keys: &[&str]) -> Need {
    Need {
        action: action.to_owned(),
        resource: resource.to_owned(),
        leading_keys: leading_keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

async fn write_in_transaction(client: &aws_sdk_dynamodb::Client) {
    let put = Put::builder().table_name("state").item("pk", text("OWNER#1"));
    let check = ConditionCheck::builder()
        .table_name("state")
        .key("pk", text("PATIENT#1"));
    let check = check.condition_expression("attribute_not_exists(pk)").build().unwrap();
    let elements = [
        TransactWriteItem::builder().put(put.build().unwrap()).build(),
        TransactWriteItem::builder().condition_check(check).build(),
    ];
    let written = client.transact_write_items();
    written.set_transact_items(Some(elements.into())).send().await.unwrap();
}

async fn sign(aws: &Aws) -> Result<SignOutput, SdkError<SignError>> {
    let call = harness::kms(aws).sign().key_id("seal").message(Blob::new("text"));
    call.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await
}

async fn abort_upload(client: &aws_sdk_s3::Client) {
    let begun = client.create_multipart_upload().bucket("records").key("a/b c");
    let begun = begun.send().await.unwrap();
    let aborted = client.abort_multipart_upload().bucket("records").key("a/b c");
    aborted.upload_id(begun.upload_id.unwrap()).send().await.unwrap();
}

#[tokio::test]
async fn authorizer_receives_the_needs_of_each_sdk_call() {
    let (heard, authorizer) = listening();
    let aws = harness::start_authorized(authorizer).await;
    let (queue, secret) = furnish(&aws).await;
    write_in_transaction(&harness::dynamodb(&aws)).await;
    let sent = harness::sqs(&aws).send_message().queue_url(queue).message_body("m");
    sent.send().await.unwrap();
    let read = harness::secrets(&aws).get_secret_value().secret_id("key");
    read.send().await.unwrap();
    sign(&aws).await.unwrap();
    harness::sts(&aws).get_caller_identity().send().await.unwrap();
    abort_upload(&harness::s3(&aws)).await;
    harness::sqs(&aws).list_queues().send().await.unwrap();

    let table = "arn:aws:dynamodb:eu-central-1:000000000000:table/state";
    let object = "arn:aws:s3:::records/a/b c";
    let key = "arn:aws:kms:eu-central-1:000000000000:key/seal";
    let expected = [
        Some(vec![
            need("dynamodb:PutItem", table, &["OWNER#1"]),
            need("dynamodb:ConditionCheckItem", table, &["PATIENT#1"]),
        ]),
        Some(vec![need(
            "sqs:SendMessage",
            "arn:aws:sqs:eu-central-1:000000000000:work",
            &[],
        )]),
        Some(vec![need("secretsmanager:GetSecretValue", &secret, &[])]),
        Some(vec![need("kms:Sign", key, &[])]),
        Some(Vec::new()),
        Some(vec![need("s3:PutObject", object, &[])]),
        Some(vec![need("s3:AbortMultipartUpload", object, &[])]),
        None,
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn denied_call_is_refused_in_its_services_format() {
    let aws = harness::start_authorized(closed()).await;
    let (queue, secret) = furnish(&aws).await;
    let item = harness::dynamodb(&aws).put_item().table_name("state");
    let item = item.item("pk", text("a")).send().await;
    let message = harness::sqs(&aws).send_message().queue_url(queue).message_body("m");
    let message = message.send().await;
    let body = aws_sdk_s3::primitives::ByteStream::from(vec![7; 3_000_000]);
    let object = harness::s3(&aws).put_object().bucket("records").key("a").body(body);
    let object = object.send().await;
    let value = harness::secrets(&aws).get_secret_value().secret_id(secret);
    let value = value.send().await;
    let signature = sign(&aws).await;
    let statuses = [
        item.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(),
        message.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(),
        object.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(),
        value.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(),
        signature
            .as_ref()
            .unwrap_err()
            .raw_response()
            .unwrap()
            .status()
            .as_u16(),
    ];
    assert_eq!(statuses, [400, 403, 403, 400, 400]);
    assert_eq!(
        [
            harness::code(item),
            harness::code(message),
            harness::code(object),
            harness::code(value),
            harness::code(signature)
        ],
        [
            "AccessDeniedException",
            "AccessDenied",
            "AccessDenied",
            "AccessDeniedException",
            "AccessDeniedException"
        ]
    );
    let depths = aws.queues().depths();
    assert_eq!(depths["work"].visible, 0);
    aws.shutdown().await.unwrap();
}

/// The sandbox writes the text of the refusal, and must use AWS's wording.
#[tokio::test]
async fn refusal_names_the_action_and_the_resource() {
    let aws = harness::start_authorized(closed()).await;
    furnish(&aws).await;
    let get = harness::dynamodb(&aws).get_item().table_name("state");
    let refused = get.key("pk", text("a")).send().await.unwrap_err();
    let message = refused.into_service_error().meta().message().unwrap().to_owned();
    assert_eq!(
        message,
        "User: test-caller is not authorized to perform: dynamodb:GetItem on resource: \
         arn:aws:dynamodb:eu-central-1:000000000000:table/state because no identity-based policy allows the \
         dynamodb:GetItem action"
    );
    aws.shutdown().await.unwrap();
}
