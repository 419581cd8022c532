//! DynamoDB: conditional, transactional and indexed state.

use crate::harness;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use sandbox_aws::{Aws, IndexProjection, IndexSpec, KeyAttribute, TableSpec};

pub const TABLE: &str = "state";

pub fn table() -> TableSpec {
    TableSpec {
        name: TABLE.to_owned(),
        hash_key: KeyAttribute::string("pk"),
        range_key: Some(KeyAttribute::string("sk")),
        gsis: vec![IndexSpec {
            name: "due".to_owned(),
            hash_key: KeyAttribute::string("shard"),
            range_key: Some(KeyAttribute::number("dueAt")),
            projection: IndexProjection::KeysOnly,
        }],
        ttl_attribute: Some("ttl".to_owned()),
    }
}

pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

async fn start() -> Aws {
    let aws = harness::start().await;
    aws.create_table(table()).await.unwrap();
    aws
}

#[tokio::test]
async fn failed_condition_refuses_the_write() {
    let aws = start().await;
    let client = harness::dynamodb(&aws);
    let put = || {
        let put = client
            .put_item()
            .table_name(TABLE)
            .item("pk", text("a"))
            .item("sk", text("1"));
        put.condition_expression("attribute_not_exists(pk)").send()
    };
    put().await.unwrap();
    assert_eq!(harness::code(put().await), "ConditionalCheckFailedException");
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn failed_transaction_writes_nothing_and_names_its_condition() {
    let aws = start().await;
    let client = harness::dynamodb(&aws);
    let put = Put::builder()
        .table_name(TABLE)
        .item("pk", text("a"))
        .item("sk", text("1"))
        .build()
        .unwrap();
    let check = ConditionCheck::builder()
        .table_name(TABLE)
        .key("pk", text("none"))
        .key("sk", text("1"));
    let check = check.condition_expression("attribute_exists(pk)").build().unwrap();
    let transaction = client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(put).build())
        .transact_items(TransactWriteItem::builder().condition_check(check).build());
    let error = transaction.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        reasons,
    ) = error
    else {
        panic!("not a cancelled transaction: {error:?}")
    };
    let codes: Vec<_> = reasons
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code().unwrap())
        .collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    let item = client
        .get_item()
        .table_name(TABLE)
        .key("pk", text("a"))
        .key("sk", text("1"))
        .send()
        .await
        .unwrap();
    assert!(item.item.is_none());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn sparse_index_returns_items_in_numeric_order() {
    let aws = start().await;
    let client = harness::dynamodb(&aws);
    for (sk, due) in [("1", Some(900)), ("2", Some(1_000)), ("3", None), ("4", Some(20))] {
        let mut put = client
            .put_item()
            .table_name(TABLE)
            .item("pk", text("a"))
            .item("sk", text(sk));
        if let Some(due) = due {
            put = put.item("shard", text("0")).item("dueAt", number(due));
        }
        put.send().await.unwrap();
    }
    let query = client
        .query()
        .table_name(TABLE)
        .index_name("due")
        .key_condition_expression("#shard = :s AND dueAt <= :now");
    let due = query
        // SHARD is one of DynamoDB's reserved words.
        .expression_attribute_names("#shard", "shard")
        .expression_attribute_values(":s", text("0"))
        .expression_attribute_values(":now", number(900));
    let found: Vec<_> = due
        .send()
        .await
        .unwrap()
        .items()
        .iter()
        .map(|item| item["sk"].clone())
        .collect();
    assert_eq!(found, [text("4"), text("1")]);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn expiry_attribute_of_a_new_table_is_set() {
    let aws = start().await;
    let described = harness::dynamodb(&aws)
        .describe_time_to_live()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    assert_eq!(
        described.time_to_live_description().unwrap().attribute_name(),
        Some("ttl")
    );
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn items_survive_a_restart_and_a_second_table_creation() {
    let folder = tempfile::tempdir().unwrap();
    let aws = harness::start_in(folder.path()).await;
    aws.create_table(table()).await.unwrap();
    let put = harness::dynamodb(&aws)
        .put_item()
        .table_name(TABLE)
        .item("pk", text("a"))
        .item("sk", text("1"));
    put.send().await.unwrap();
    aws.shutdown().await.unwrap();

    let aws = harness::start_in(folder.path()).await;
    aws.create_table(table()).await.unwrap();
    let get = harness::dynamodb(&aws)
        .get_item()
        .table_name(TABLE)
        .key("pk", text("a"))
        .key("sk", text("1"));
    assert!(get.send().await.unwrap().item.is_some());
    aws.shutdown().await.unwrap();
}
