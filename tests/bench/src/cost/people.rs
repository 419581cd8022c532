//! Many people in the table, each with what a person has who has pulled once.

use sandbox_machine::Sandbox;
use sandbox_machine::sandbox::ISSUER;
use serde_json::{Map, Value, json};
use shared::config::Env;
use shared::domain::OwnerId;
use shared::owner::OwnerKey;
use tokio::time::Instant;

use crate::Problem;

/// Whoever looks into the table, and is not counted.
const OPERATOR: &str = "BENCH";
const TABLE: &str = "ias-Table";
/// As many people are put into the table at once, so that they fit into memory.
const AT_ONCE: usize = 2_000;

/// What one person has.
pub(super) struct Possessions {
    owner: String,
    patient: String,
    items: Vec<Value>,
}

/// How large a person is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) items: usize,
    pub(super) bytes: usize,
}

/// Clients of the embedded AWS under a key that is nobody's.
fn operator(sandbox: &Sandbox) -> Result<shared::aws::Aws, Problem> {
    let key = ("AWS_ACCESS_KEY_ID".to_owned(), OPERATOR.to_owned());
    Ok(shared::aws::Aws::read(&Env::from_vars(
        sandbox.aws().env().into_iter().chain([key]),
    ))?)
}

/// Everything in the partitions of a person and of their patient.
///
/// # Errors
/// When the sandbox does not answer, or the person has no patient.
pub(super) async fn possessions(sandbox: &Sandbox, subject: &str) -> Result<Possessions, Problem> {
    let aws = operator(sandbox)?;
    let secret = aws
        .secrets()
        .get_secret_value()
        .secret_id("ias-OwnerKeySecret")
        .send()
        .await?;
    let key = OwnerKey::parse(secret.secret_string().unwrap_or_default())?;
    let owner: OwnerId = key.owner(ISSUER, subject)?;
    let mut items = partition(&aws, &format!("OWNER#{}", owner.as_str())).await?;
    let link = items
        .iter()
        .find_map(|item| item.pointer("/link/patient")?.as_str().map(str::to_owned));
    let patient = link.ok_or("a person without a patient")?;
    items.extend(partition(&aws, &format!("PATIENT#{patient}")).await?);
    Ok(Possessions {
        owner: owner.as_str().to_owned(),
        patient,
        items,
    })
}

async fn partition(aws: &shared::aws::Aws, key: &str) -> Result<Vec<Value>, Problem> {
    let query = aws
        .dynamodb()
        .query()
        .table_name(TABLE)
        .key_condition_expression("pk = :pk");
    let pages = query.expression_attribute_values(":pk", aws_sdk_dynamodb::types::AttributeValue::S(key.to_owned()));
    let answer = pages.send().await?;
    if answer.last_evaluated_key.is_some() {
        return Err("a person who does not fit one page".into());
    }
    Ok(serde_dynamo::from_items(answer.items.unwrap_or_default())?)
}

impl Possessions {
    /// How large the person is, as DynamoDB reckons: names and values (docs.aws.amazon.com, DynamoDB developer guide,
    /// "DynamoDB Item sizes and formats"); numbers are taken at their digits, which is a little more.
    pub(super) fn size(&self) -> Size {
        Size {
            items: self.items.len(),
            bytes: self.items.iter().map(bytes).sum(),
        }
    }

    /// Puts so many people like this one into the table. Only the ids differ, and they are as long.
    ///
    /// # Errors
    /// When the table does not take them.
    pub(super) async fn multiply(&self, sandbox: &Sandbox, people: usize) -> Result<std::time::Duration, Problem> {
        let (begun, template) = (Instant::now(), serde_json::to_string(&self.items)?);
        for first in (0..people).step_by(AT_ONCE) {
            let mut items = Vec::new();
            for number in first..people.min(first + AT_ONCE) {
                let copy = template.replace(&self.owner, &numbered(&self.owner, number));
                let copy = copy.replace(&self.patient, &numbered(&self.patient, number));
                items.extend(
                    serde_json::from_str::<Vec<Map<String, Value>>>(&copy)?
                        .iter()
                        .map(dynamo_map),
                );
            }
            sandbox.aws().import(TABLE, items).await?;
        }
        Ok(begun.elapsed())
    }
}

/// The id with a number in the place of its last characters.
fn numbered(id: &str, number: usize) -> String {
    let number = format!("{number:08}");
    let kept = id.len().saturating_sub(number.len());
    format!("{}{number}", id.get(..kept).unwrap_or_default())
}

fn dynamo_map(map: &Map<String, Value>) -> Value {
    map.iter()
        .map(|(name, value)| (name.clone(), dynamo(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// A value as DynamoDB writes it.
fn dynamo(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(bool) => json!({ "BOOL": bool }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(values) => json!({ "L": values.iter().map(dynamo).collect::<Vec<_>>() }),
        Value::Object(map) => json!({ "M": dynamo_map(map) }),
    }
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text.len(),
        Value::Array(values) => 3 + values.iter().map(bytes).sum::<usize>(),
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + bytes(value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_length_and_values_their_types() {
        assert_eq!(numbered("v1.0123456789abcdef", 7), "v1.0123456700000007");
        assert_eq!(
            dynamo(&json!({ "a": 1, "b": ["x", null, true] })),
            json!({ "M": { "a": { "N": "1" }, "b": { "L": [{ "S": "x" }, { "NULL": true }, { "BOOL": true }] } } })
        );
    }
}
