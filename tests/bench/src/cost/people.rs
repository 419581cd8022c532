//! Many people in the table, each with the items of a person who has pulled once.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_machine::Sandbox;
use serde_json::{Map, Value, json};
use shared::aws::Aws;
use shared::config::Env;

use crate::Problem;
use crate::relay::OPERATOR;

const TABLE: &str = "ias-Table";
/// People written to the table at once. All of them together would not fit into memory.
const AT_ONCE: usize = 2_000;

/// The items of the only person in the table, in the partitions of owner, access log and patient.
pub struct Possessions(Vec<HashMap<String, AttributeValue>>);

impl Possessions {
    pub async fn read(sandbox: &Sandbox) -> Result<Self, Problem> {
        let key = ("AWS_ACCESS_KEY_ID".to_owned(), OPERATOR.to_owned());
        let aws = Aws::read(&Env::from_vars(sandbox.aws().env().into_iter().chain([key])))?;
        let page = aws.dynamodb().scan().table_name(TABLE).send().await?;
        if page.last_evaluated_key.is_some() {
            return Err("a person who does not fit one page".into());
        }
        let mut items = page.items.unwrap_or_default();
        items.retain(|item| partition(item).is_some());
        Ok(Self(items))
    }

    /// The number of items and their bytes as DynamoDB counts them: names and values (docs.aws.amazon.com, DynamoDB
    /// developer guide, "DynamoDB Item sizes and formats"). Numbers count a byte for each digit, slightly more
    /// than in DynamoDB.
    pub fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0.iter().map(bytes_of_map).sum())
    }

    /// Puts this many copies of the person into the table. Only the ids differ, and they keep their length.
    pub async fn multiply(&self, sandbox: &Sandbox, people: usize) -> Result<(), Problem> {
        let items = self.0.iter().map(json_of_map).collect::<Value>().to_string();
        let ids: BTreeSet<&str> = self.0.iter().filter_map(partition).collect();
        for first in (0..people).step_by(AT_ONCE) {
            let mut copies = Vec::new();
            for number in first..people.min(first + AT_ONCE) {
                let copy = ids
                    .iter()
                    .fold(items.clone(), |copy, id| copy.replace(id, &numbered(id, number)));
                copies.extend(serde_json::from_str::<Vec<Value>>(&copy)?);
            }
            sandbox.aws().import(TABLE, copies).await?;
        }
        Ok(())
    }
}

/// The owner id or patient id in an item's partition key; `None` in every other partition.
fn partition(item: &HashMap<String, AttributeValue>) -> Option<&str> {
    let key = item.get("pk")?.as_s().ok()?;
    let prefixes = ["OWNER#", "LOG#", "PATIENT#"];
    prefixes.into_iter().find_map(|prefix| key.strip_prefix(prefix))
}

/// The id with a number in place of its last characters.
fn numbered(id: &str, number: usize) -> String {
    let number = format!("{number:08}");
    let prefix_bytes = id.len().saturating_sub(number.len());
    format!("{}{number}", id.get(..prefix_bytes).unwrap_or_default())
}

fn json_of_map(map: &HashMap<String, AttributeValue>) -> Value {
    let fields = map.iter().map(|(name, value)| (name.clone(), json_of(value)));
    fields.collect::<Map<_, _>>().into()
}

/// A value in DynamoDB's own JSON.
fn json_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(bool) => json!({ "BOOL": bool }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(json_of).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": json_of_map(map) }),
        _ => json!({ "NULL": true }),
    }
}

fn bytes_of_map(map: &HashMap<String, AttributeValue>) -> usize {
    map.iter().map(|(name, value)| name.len() + bytes(value)).sum()
}

fn bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::L(values) => 3 + values.iter().map(bytes).sum::<usize>(),
        AttributeValue::M(map) => 3 + bytes_of_map(map),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_length_and_values_their_types() {
        assert_eq!(numbered("v1.0123456789abcdef", 7), "v1.0123456700000007");
        let list = AttributeValue::L(vec![AttributeValue::S("x".to_owned()), AttributeValue::Bool(true)]);
        assert_eq!(json_of(&list), json!({ "L": [{ "S": "x" }, { "BOOL": true }] }));
        assert_eq!(bytes(&list), 5);
    }
}
