use super::*;
use crate::dynamodb::{IndexProjection, IndexSpec, KeyAttribute, TableSpec};
use serde_json::json;

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:000000000000:table/state";

fn needs_of_request(operation: &str, request: &Value) -> Option<Vec<Need>> {
    let spec = TableSpec {
        name: "state".to_owned(),
        hash_key: KeyAttribute::string("pk"),
        range_key: Some(KeyAttribute::string("sk")),
        gsis: vec![IndexSpec {
            name: "due".to_owned(),
            hash_key: KeyAttribute::string("shard"),
            range_key: None,
            projection: IndexProjection::KeysOnly,
        }],
        ttl_attribute: None,
    };
    let tables = [(spec.name.clone(), PartitionKeys::of(&spec))].into();
    needs(operation, request, "eu-central-1", &tables)
}

fn need(action: &str, resource: &str, leading_keys: &[&str]) -> Need {
    Need {
        action: format!("dynamodb:{action}"),
        resource: resource.to_owned(),
        leading_keys: leading_keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

fn item(field: &str, pk: &str) -> Value {
    json!({ "TableName": "state", field: { "sk": { "S": "s" }, "pk": { "S": pk } } })
}

#[test]
fn item_needs_its_action_with_its_partition_key() {
    for (operation, field) in [
        ("GetItem", "Key"),
        ("PutItem", "Item"),
        ("UpdateItem", "Key"),
        ("DeleteItem", "Key"),
    ] {
        let expected = vec![need(operation, TABLE, &["OWNER#1"])];
        assert_eq!(needs_of_request(operation, &item(field, "OWNER#1")), Some(expected));
    }
    let mut by_arn = item("Key", "a");
    by_arn["TableName"] = TABLE.into();
    assert_eq!(
        needs_of_request("GetItem", &by_arn),
        Some(vec![need("GetItem", TABLE, &["a"])])
    );
}

#[test]
fn transaction_needs_each_action_with_all_its_keys() {
    let request = json!({ "TransactItems": [
        { "Put": item("Item", "a") }, { "ConditionCheck": item("Key", "b") }, { "Put": item("Item", "c") },
        { "Delete": item("Key", "d") }, { "Update": item("Key", "e") },
    ]});
    let expected = vec![
        need("PutItem", TABLE, &["a", "c"]),
        need("ConditionCheckItem", TABLE, &["b"]),
        need("DeleteItem", TABLE, &["d"]),
        need("UpdateItem", TABLE, &["e"]),
    ];
    assert_eq!(needs_of_request("TransactWriteItems", &request), Some(expected));
    let request = json!({ "TransactItems": [{ "Get": item("Key", "a") }] });
    assert_eq!(
        needs_of_request("TransactGetItems", &request),
        Some(vec![need("GetItem", TABLE, &["a"])])
    );
}

#[test]
fn query_needs_its_index_and_its_partition_key() {
    let mut request = json!({
        "TableName": "state",
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
        "ExpressionAttributeValues": { ":pk": { "S": "OWNER#1" }, ":prefix": { "S": "RUN#" } },
    });
    assert_eq!(
        needs_of_request("Query", &request),
        Some(vec![need("Query", TABLE, &["OWNER#1"])])
    );
    request["KeyConditionExpression"] = "sk>=:prefix and (#p=:pk)".into();
    request["ExpressionAttributeNames"] = json!({ "#p": "pk" });
    assert_eq!(
        needs_of_request("Query", &request),
        Some(vec![need("Query", TABLE, &["OWNER#1"])])
    );

    let index = format!("{TABLE}/index/due");
    let mut request = json!({
        "TableName": "state", "IndexName": "due",
        "KeyConditionExpression": "shard = :shard AND dueAt <= :before",
        "ExpressionAttributeValues": { ":shard": { "S": "DUE#3" }, ":before": { "N": "7" } },
    });
    assert_eq!(
        needs_of_request("Query", &request),
        Some(vec![need("Query", &index, &["DUE#3"])])
    );
    request["IndexName"] = "other".into();
    assert_eq!(needs_of_request("Query", &request), None);
}

#[test]
fn scan_lacks_leading_keys() {
    assert_eq!(
        needs_of_request("Scan", &json!({ "TableName": "state" })),
        Some(vec![need("Scan", TABLE, &[])])
    );
}

#[test]
fn unmodelled_requests_have_unknown_needs() {
    let mut elsewhere = item("Key", "a");
    elsewhere["TableName"] = "other".into();
    assert_eq!(needs_of_request("GetItem", &elsewhere), None);
    assert_eq!(
        needs_of_request(
            "GetItem",
            &json!({ "TableName": "state", "Key": { "sk": { "S": "s" } } })
        ),
        None
    );
    assert_eq!(
        needs_of_request("BatchGetItem", &json!({ "RequestItems": { "state": {} } })),
        None
    );
    let odd = json!({ "TransactItems": [{ "Put": item("Item", "a") }, { "Other": item("Key", "b") }] });
    assert_eq!(needs_of_request("TransactWriteItems", &odd), None);
    let keyless = json!({
        "TableName": "state", "KeyConditionExpression": "sk = :sk",
        "ExpressionAttributeValues": { ":sk": { "S": "s" } },
    });
    assert_eq!(needs_of_request("Query", &keyless), None);
}
