//! Just enough of DynamoDB for one person's pull: items by key, and the conditions of updates.
//!
//! Conditions of other writes are taken to hold. One person does one thing after the other here, so they do.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

type Item = Map<String, Value>;

/// The items, by partition and sort key.
#[derive(Debug, Clone, Default)]
pub struct Table(BTreeMap<(String, String), Item>);

/// A condition did not hold; what is there.
pub struct Unmet(Item);

impl Unmet {
    /// As DynamoDB says it.
    pub fn body(self) -> Value {
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message": "The conditional request failed",
            "Item": self.0,
        })
    }
}

impl Table {
    /// Does one operation.
    pub fn call(&mut self, operation: &str, input: &Value) -> Result<Value, Unmet> {
        match operation {
            "GetItem" => Ok(self.get(input).map_or(json!({}), |item| json!({ "Item": item }))),
            "Query" => Ok(self.query(input)),
            "UpdateItem" => self.update(input),
            "PutItem" => {
                self.put(input);
                Ok(json!({}))
            }
            _ => {
                for write in input["TransactItems"].as_array().into_iter().flatten() {
                    self.put(&write["Put"]);
                    self.0.remove(&key(&write["Delete"]["Key"]));
                }
                Ok(json!({}))
            }
        }
    }

    fn get(&self, input: &Value) -> Option<&Item> {
        self.0.get(&key(&input["Key"]))
    }

    fn put(&mut self, input: &Value) {
        if let Some(item) = input["Item"].as_object() {
            self.0.insert(key(&input["Item"]), item.clone());
        }
    }

    /// A partition's items by the beginning of their sort key. Nothing is ever due.
    fn query(&self, input: &Value) -> Value {
        let values = &input["ExpressionAttributeValues"];
        let (partition, prefix) = (text(&values[":pk"]), text(&values[":prefix"]));
        let of_partition = |((pk, sk), _): &(&(String, String), &Item)| pk == partition && sk.starts_with(prefix);
        let items: Vec<&Item> = self.0.iter().filter(of_partition).map(|(_, item)| item).collect();
        json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items })
    }

    fn update(&mut self, input: &Value) -> Result<Value, Unmet> {
        let key = key(&input["Key"]);
        let before = self.0.get(&key).cloned().unwrap_or_default();
        let names = Names(input);
        if !names.hold(&before) {
            return Err(Unmet(before));
        }
        let mut after = before.clone();
        if let Some(fields) = input["Key"].as_object() {
            after.extend(fields.clone());
        }
        names.update(&mut after);
        self.0.insert(key, after.clone());
        let old = input["ReturnValues"] == "UPDATED_OLD";
        Ok(json!({ "Attributes": if old { before } else { after } }))
    }
}

fn key(fields: &Value) -> (String, String) {
    (text(&fields["pk"]).to_owned(), text(&fields["sk"]).to_owned())
}

fn text(attribute: &Value) -> &str {
    attribute["S"].as_str().unwrap_or_default()
}

/// The expressions of an update.
struct Names<'a>(&'a Value);

impl Names<'_> {
    fn attribute<'n>(&'n self, name: &'n str) -> &'n str {
        self.0["ExpressionAttributeNames"][name].as_str().unwrap_or(name)
    }

    fn number(&self, item: &Item, operand: &str) -> Option<f64> {
        let value = match operand.starts_with(':') {
            true => &self.0["ExpressionAttributeValues"][operand],
            false => item.get(self.attribute(operand))?,
        };
        value["N"].as_str()?.parse().ok()
    }

    /// Conditions are alternatives in brackets joined by AND.
    fn hold(&self, item: &Item) -> bool {
        let Some(condition) = self.0["ConditionExpression"].as_str() else {
            return true;
        };
        let all = condition.split(" AND ");
        let mut all = all.map(|any| {
            any.split(" OR ")
                .any(|term| self.holds(item, term.trim_start_matches('(')))
        });
        all.all(|holds| holds)
    }

    fn holds(&self, item: &Item, term: &str) -> bool {
        if let Some(name) = term.strip_prefix("attribute_not_exists(") {
            return !item.contains_key(self.attribute(name.trim_end_matches(')')));
        }
        let term: Vec<&str> = term.trim_end_matches(')').split(' ').collect();
        let [left, operator, right] = term.as_slice() else {
            return false;
        };
        let (Some(left), Some(right)) = (self.number(item, left), self.number(item, right)) else {
            return false;
        };
        match *operator {
            "<" => left < right,
            "<=" => left <= right,
            ">=" => left >= right,
            _ => false,
        }
    }

    /// `SET a = b`, `SET a = b + c` and `ADD a b`.
    fn update(&self, item: &mut Item) {
        let words: Vec<&str> = self.0["UpdateExpression"]
            .as_str()
            .unwrap_or_default()
            .split(' ')
            .collect();
        let sum =
            |item: &Item, operands: &[&str]| operands.iter().filter_map(|operand| self.number(item, operand)).sum();
        let (name, value): (&str, f64) = match words.as_slice() {
            ["ADD", name, value, "SET", ..] => (name, sum(item, &[name, value])),
            ["SET", name, "=", value] => (name, sum(item, &[value])),
            ["SET", name, "=", left, "+", right] => (name, sum(item, &[left, right])),
            _ => return,
        };
        item.insert(self.attribute(name).to_owned(), json!({ "N": format!("{value}") }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Value {
        json!({ "pk": { "S": "P" }, "sk": { "S": "S" } })
    }

    #[test]
    fn what_is_put_is_there() {
        let mut table = Table::default();
        let write = json!({ "TransactItems": [{ "Put": { "Item": key() } }] });
        assert!(table.call("TransactWriteItems", &write).is_ok());
        let read = table.call("GetItem", &json!({ "Key": key() })).ok().unwrap();
        assert_eq!(read, json!({ "Item": key() }));
        let write = json!({ "TransactItems": [{ "Delete": { "Key": key() } }] });
        assert!(table.call("TransactWriteItems", &write).is_ok());
        assert_eq!(table.call("GetItem", &json!({ "Key": key() })).ok(), Some(json!({})));
    }

    #[test]
    fn an_update_is_made_if_its_condition_holds() {
        let mut table = Table::default();
        let update = |condition: &str, expression: &str| {
            json!({
                "Key": key(), "UpdateExpression": expression, "ConditionExpression": condition,
                "ExpressionAttributeNames": { "#next": "next" },
                "ExpressionAttributeValues": { ":now": { "N": "5" }, ":by": { "N": "2" }, ":last": { "N": "9" } },
            })
        };
        let queue = update("#next >= :now AND #next <= :last", "SET #next = #next + :by");
        assert!(table.call("UpdateItem", &queue).is_err());
        let begin = update("(attribute_not_exists(#next) OR #next < :now)", "SET #next = :now");
        assert!(table.call("UpdateItem", &begin).is_ok());
        assert!(table.call("UpdateItem", &begin).is_err());
        let after = table.call("UpdateItem", &queue).ok().unwrap();
        assert_eq!(after["Attributes"]["next"]["N"], "7");
    }
}
