//! Calls to DynamoDB, from the JSON of its protocol to the SDK's types.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, ReturnValue, TransactWriteItem};
use lambda_runtime::Error;
use serde_json::Value;

type Item = HashMap<String, AttributeValue>;

pub async fn call(client: &Client, operation: &str, input: &Value) -> Result<(), Error> {
    match operation {
        "GetItem" => {
            let call = client
                .get_item()
                .table_name(text(input, "TableName"))
                .consistent_read(true);
            call.set_key(item(&input["Key"])).send().await?;
        }
        "PutItem" => {
            let call = client
                .put_item()
                .table_name(text(input, "TableName"))
                .set_item(item(&input["Item"]));
            let call = call.set_condition_expression(optional(input, "ConditionExpression"));
            let call = call.set_expression_attribute_names(names(&input["ExpressionAttributeNames"]));
            call.set_expression_attribute_values(item(&input["ExpressionAttributeValues"]))
                .send()
                .await?;
        }
        "UpdateItem" => {
            let call = client
                .update_item()
                .table_name(text(input, "TableName"))
                .set_key(item(&input["Key"]));
            let call = call.set_condition_expression(optional(input, "ConditionExpression"));
            let call = call.set_update_expression(optional(input, "UpdateExpression"));
            let returned = optional(input, "ReturnValues").map(|value| ReturnValue::from(value.as_str()));
            let call = call.set_return_values(returned);
            let call = call.set_expression_attribute_names(names(&input["ExpressionAttributeNames"]));
            call.set_expression_attribute_values(item(&input["ExpressionAttributeValues"]))
                .send()
                .await?;
        }
        "Query" => {
            let call = client
                .query()
                .table_name(text(input, "TableName"))
                .set_index_name(optional(input, "IndexName"));
            let call = call.set_key_condition_expression(optional(input, "KeyConditionExpression"));
            let call = call.set_expression_attribute_names(names(&input["ExpressionAttributeNames"]));
            call.set_expression_attribute_values(item(&input["ExpressionAttributeValues"]))
                .send()
                .await?;
        }
        "TransactWriteItems" => {
            let writes = input["TransactItems"].as_array().into_iter().flatten().map(write);
            let writes = writes.collect::<Result<Vec<_>, _>>()?;
            client
                .transact_write_items()
                .set_transact_items(Some(writes))
                .send()
                .await?;
        }
        _ => return Err(format!("no such call: {operation}").into()),
    }
    Ok(())
}

fn write(write: &Value) -> Result<TransactWriteItem, Error> {
    macro_rules! conditioned {
        ($builder:expr, $input:expr) => {
            $builder
                .table_name(text($input, "TableName"))
                .set_condition_expression(optional($input, "ConditionExpression"))
                .set_expression_attribute_names(names(&$input["ExpressionAttributeNames"]))
                .set_expression_attribute_values(item(&$input["ExpressionAttributeValues"]))
                .build()?
        };
    }
    let builder = TransactWriteItem::builder();
    let builder = if let Some(put) = write.get("Put") {
        builder.put(conditioned!(Put::builder().set_item(item(&put["Item"])), put))
    } else if let Some(delete) = write.get("Delete") {
        builder.delete(conditioned!(Delete::builder().set_key(item(&delete["Key"])), delete))
    } else {
        let check = write.get("ConditionCheck").ok_or("an unknown write")?;
        builder.condition_check(conditioned!(
            ConditionCheck::builder().set_key(item(&check["Key"])),
            check
        ))
    };
    Ok(builder.build())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn optional(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn names(value: &Value) -> Option<HashMap<String, String>> {
    let names = value.as_object()?.iter();
    Some(
        names
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
    )
}

fn item(value: &Value) -> Option<Item> {
    let attributes = value.as_object()?.iter();
    Some(
        attributes
            .map(|(name, value)| (name.clone(), attribute(value)))
            .collect(),
    )
}

fn attribute(value: &Value) -> AttributeValue {
    let Some((kind, value)) = value.as_object().and_then(|tagged| tagged.iter().next()) else {
        return AttributeValue::Null(true);
    };
    let text = || value.as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap_or_default()),
        "M" => AttributeValue::M(item(value).unwrap_or_default()),
        "L" => AttributeValue::L(value.as_array().into_iter().flatten().map(attribute).collect()),
        _ => AttributeValue::Null(true),
    }
}
