//! The permissions that a DynamoDB request needs: for each item an action on its table, with the item's partition key
//! as a leading key.
//!
//! A transaction needs the actions of its elements (DynamoDB developer guide, "Using IAM with DynamoDB transactions").
//! AWS does not document whether it checks each element separately, or all elements of one action together. This module
//! checks them together, which is stricter: a policy that passes this check also passes separate checks. Conditions and
//! returned values of a write need no further permission.

use super::{Need, PartitionKeys};
use crate::ACCOUNT_ID;
use serde_json::Value;
use std::collections::BTreeMap;

/// The permissions that a request needs. `None` for operations that are not modelled, and for unknown tables, indexes
/// and key conditions.
pub(super) fn needs(
    operation: &str,
    request: &Value,
    region: &str,
    tables: &BTreeMap<String, PartitionKeys>,
) -> Option<Vec<Need>> {
    let names = Names { region, tables };
    match operation {
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" => Some(vec![names.of_item(operation, request)?]),
        "Query" => Some(vec![names.of_query(request)?]),
        // A scan names no item, and so has no leading keys.
        "Scan" => Some(vec![names.place(request)?.need("Scan", None)]),
        "TransactGetItems" | "TransactWriteItems" => {
            let elements = request.get("TransactItems")?.as_array()?.iter();
            let needs: Option<Vec<Need>> = elements.map(|element| names.of_element(element)).collect();
            Some(together(needs?))
        }
        _ => None,
    }
}

struct Names<'a> {
    region: &'a str,
    tables: &'a BTreeMap<String, PartitionKeys>,
}

/// A table or an index: its ARN, and the name of its partition key attribute.
struct Place<'a> {
    arn: String,
    key: &'a str,
}

impl Place<'_> {
    fn need(self, action: &str, leading_key: Option<String>) -> Need {
        Need {
            action: format!("dynamodb:{action}"),
            resource: self.arn,
            leading_keys: leading_key.into_iter().collect(),
        }
    }
}

impl Names<'_> {
    /// The resource that a request names: a table, by name or ARN, or one of its indexes.
    fn place(&self, request: &Value) -> Option<Place<'_>> {
        let table = request.get("TableName")?.as_str()?;
        let table = table.rsplit('/').next()?;
        let keys = self.tables.get(table)?;
        let arn = format!("arn:aws:dynamodb:{}:{ACCOUNT_ID}:table/{table}", self.region);
        match request.get("IndexName").and_then(Value::as_str) {
            None => Some(Place { arn, key: &keys.table }),
            Some(index) => Some(Place {
                arn: format!("{arn}/index/{index}"),
                key: keys.indexes.get(index)?,
            }),
        }
    }

    fn of_item(&self, action: &str, request: &Value) -> Option<Need> {
        let place = self.place(request)?;
        let named_by = if action == "PutItem" { "Item" } else { "Key" };
        let key = scalar(request.get(named_by)?.get(place.key)?)?;
        Some(place.need(action, Some(key)))
    }

    /// One element of a transaction, for example `{"Put": {…}}`.
    fn of_element(&self, element: &Value) -> Option<Need> {
        let (kind, request) = element.as_object().filter(|kinds| kinds.len() == 1)?.iter().next()?;
        let action = match kind.as_str() {
            "Get" => "GetItem",
            "Put" => "PutItem",
            "Update" => "UpdateItem",
            "Delete" => "DeleteItem",
            "ConditionCheck" => "ConditionCheckItem",
            _ => return None,
        };
        self.of_item(action, request)
    }

    fn of_query(&self, request: &Value) -> Option<Need> {
        let place = self.place(request)?;
        let condition = request.get("KeyConditionExpression")?.as_str()?;
        let alias = |name: &str| request.get("ExpressionAttributeNames")?.get(name)?.as_str();
        let placeholder = equal_to(condition, |name| alias(name).unwrap_or(name) == place.key)?;
        let key = scalar(request.get("ExpressionAttributeValues")?.get(placeholder)?)?;
        Some(place.need("Query", Some(key)))
    }
}

/// Merges needs: one for each action on each resource, with all leading keys.
fn together(needs: Vec<Need>) -> Vec<Need> {
    let mut merged: Vec<Need> = Vec::new();
    for need in needs {
        let same = |other: &&mut Need| other.action == need.action && other.resource == need.resource;
        match merged.iter_mut().find(same) {
            Some(other) => other.leading_keys.extend(need.leading_keys),
            None => merged.push(need),
        }
    }
    merged
}

/// A key's value as text, for each of the types `S`, `N` and `B`.
fn scalar(value: &Value) -> Option<String> {
    let (_, value) = value.as_object()?.iter().next()?;
    value.as_str().map(str::to_owned)
}

/// The placeholder that a key condition compares the partition key with. A partition key allows only `=`.
fn equal_to(condition: &str, is_key: impl Fn(&str) -> bool) -> Option<&str> {
    let tokens = tokens(condition);
    tokens.windows(3).find_map(|tokens| match *tokens {
        [name, "=", value] if is_key(name) => Some(value),
        _ => None,
    })
}

fn tokens(mut condition: &str) -> Vec<&str> {
    #[derive(PartialEq)]
    enum Kind {
        Name,
        Comparison,
        Separator,
    }
    let kind = |character: char| match character {
        '<' | '=' | '>' => Kind::Comparison,
        ' ' | '\t' | '\r' | '\n' | '(' | ')' | ',' => Kind::Separator,
        _ => Kind::Name,
    };
    let mut tokens = Vec::new();
    while let Some(first) = condition.chars().next().map(kind) {
        let end = condition.find(|character| kind(character) != first);
        let (token, rest) = condition.split_at(end.unwrap_or(condition.len()));
        if first != Kind::Separator {
            tokens.push(token);
        }
        condition = rest;
    }
    tokens
}

#[cfg(test)]
mod tests;
