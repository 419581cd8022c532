//! Weights of calls, by the rules of AWS (docs.aws.amazon.com, DynamoDB developer guide, "Read and write operations").

use crate::dynamodb::{TABLE, number, table, text};
use crate::harness;
use crate::sqs::queue;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use sandbox_aws::{Aws, Meter, Weight};
use serde_json::json;
use std::sync::{Arc, Mutex};

type Weighed = Arc<Mutex<Vec<Weight>>>;

fn collecting_meter() -> (Weighed, Meter) {
    let weighed = Weighed::default();
    let writer = weighed.clone();
    (
        weighed,
        Arc::new(move |weight: &Weight| writer.lock().unwrap().push(weight.clone())),
    )
}

/// The weights since the last call of this function: operation, read units, write units.
fn units(weighed: &Weighed) -> Vec<(String, f64, f64)> {
    let taken = std::mem::take(&mut *weighed.lock().unwrap());
    let units = taken.into_iter();
    units
        .map(|weight| (weight.call.operation, weight.read_units, weight.write_units))
        .collect()
}

/// An embedded AWS with a table, and the weights that its meter records.
async fn start_with_table() -> (Weighed, Aws, Client) {
    let (weighed, meter) = collecting_meter();
    let aws = harness::start_metered(meter).await;
    aws.create_table(table()).await.unwrap();
    let client = harness::dynamodb(&aws);
    (weighed, aws, client)
}

/// An item of `filler` bytes and about twenty more.
fn put(client: &Client, sort: &str, filler: usize) -> PutItemFluentBuilder {
    let put = client.put_item().table_name(TABLE);
    put.item("pk", text("a"))
        .item("sk", text(sort))
        .item("filler", text(&"x".repeat(filler)))
}

#[track_caller]
fn assert_units<const N: usize>(weighed: &Weighed, expected: [(&str, f64, f64); N]) {
    assert_eq!(
        units(weighed),
        expected.map(|(operation, read, write)| (operation.to_owned(), read, write))
    );
}

#[tokio::test]
async fn write_units_follow_from_item_size_and_index() {
    let (weighed, aws, client) = start_with_table().await;
    put(&client, "1", 10).send().await.unwrap();
    put(&client, "2", 1500).send().await.unwrap();
    // One unit for the item, one for its entry in the index.
    put(&client, "3", 10)
        .item("shard", text("s"))
        .item("dueAt", number(1))
        .send()
        .await
        .unwrap();
    assert_units(
        &weighed,
        [("PutItem", 0.0, 1.0), ("PutItem", 0.0, 2.0), ("PutItem", 0.0, 2.0)],
    );
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn write_with_a_failed_condition_is_billed() {
    let (weighed, aws, client) = start_with_table().await;
    put(&client, "1", 10).send().await.unwrap();
    put(&client, "1", 10)
        .condition_expression("attribute_not_exists(pk)")
        .send()
        .await
        .unwrap_err();
    assert_units(&weighed, [("PutItem", 0.0, 1.0), ("PutItem", 0.0, 1.0)]);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn item_in_a_transaction_costs_twice_the_units() {
    let (weighed, aws, client) = start_with_table().await;
    let one = Put::builder()
        .table_name(TABLE)
        .item("pk", text("b"))
        .item("sk", text("1"))
        .build()
        .unwrap();
    let transaction = client.transact_write_items();
    transaction
        .transact_items(TransactWriteItem::builder().put(one).build())
        .send()
        .await
        .unwrap();
    assert_units(&weighed, [("TransactWriteItems", 0.0, 2.0)]);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn consistent_read_costs_twice_the_units() {
    let (weighed, aws, client) = start_with_table().await;
    put(&client, "2", 1500).send().await.unwrap();
    let get = client
        .get_item()
        .table_name(TABLE)
        .key("pk", text("a"))
        .key("sk", text("2"));
    get.clone().consistent_read(true).send().await.unwrap();
    get.send().await.unwrap();
    assert_units(
        &weighed,
        [("PutItem", 0.0, 2.0), ("GetItem", 1.0, 0.0), ("GetItem", 0.5, 0.0)],
    );
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn messages_and_object_bytes_are_counted() {
    let (weighed, meter) = collecting_meter();
    let aws = harness::start_metered(meter).await;
    let s3 = harness::s3_as(&aws, harness::credentials("record-fetch"));
    aws.create_bucket("records").await.unwrap();
    let put = s3
        .put_object()
        .bucket("records")
        .key("a/b")
        .body(vec![b'x'; 5000].into());
    put.send().await.unwrap();
    let object = weighed.lock().unwrap().pop().unwrap();
    assert_eq!(
        (object.call.operation.as_str(), object.status, object.request_bytes),
        ("PutObject", 200, 5000)
    );

    let sqs = harness::sqs(&aws);
    let url = aws.create_queue(queue("q")).await.unwrap();
    sqs.receive_message().queue_url(&url).send().await.unwrap();
    sqs.send_message()
        .queue_url(&url)
        .message_body("hello")
        .send()
        .await
        .unwrap();
    sqs.receive_message().queue_url(&url).send().await.unwrap();
    let messages: Vec<usize> = weighed.lock().unwrap().iter().map(|weight| weight.messages).collect();
    assert_eq!(messages, [0, 0, 1]);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn imported_items_are_readable() {
    let aws = harness::start().await;
    aws.create_table(table()).await.unwrap();
    let item =
        json!({ "pk": { "S": "a" }, "sk": { "S": "1" }, "n": { "N": "7" }, "m": { "M": { "x": { "BOOL": true } } } });
    assert_eq!(aws.import(TABLE, vec![item]).await.unwrap(), 1);
    let client = harness::dynamodb(&aws);
    let get = client
        .get_item()
        .table_name(TABLE)
        .key("pk", text("a"))
        .key("sk", text("1"));
    assert_eq!(get.send().await.unwrap().item.unwrap()["n"], number(7));
    aws.shutdown().await.unwrap();
}
