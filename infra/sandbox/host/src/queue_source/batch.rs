//! Finds the failed messages of a batch in the function's reply (docs.aws.amazon.com, "Handling errors for an SQS event
//! source in Lambda", "Success and failure conditions").

use serde::Deserialize;
use serde_json::Value;

/// A reply that fails the whole batch, so that none of its messages is deleted. The error omits the reply's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BatchFailure {
    #[error("the reply is not a partial batch response")]
    Malformed,
    #[error("the reply names a message that is not in the batch")]
    UnknownMessage,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    item_identifier: String,
}

/// The ids of the failed messages. An empty reply, `null`, an empty object, and an empty or null list all mean that no
/// message failed.
pub(super) fn failures(reply: &[u8], batch: &[&str]) -> Result<Vec<String>, BatchFailure> {
    if reply.is_empty() {
        return Ok(Vec::new());
    }
    let reply: Value = serde_json::from_slice(reply).or(Err(BatchFailure::Malformed))?;
    let list = match &reply {
        Value::Null => return Ok(Vec::new()),
        Value::Object(fields) => fields.get("batchItemFailures").unwrap_or(&Value::Null),
        _ => return Err(BatchFailure::Malformed),
    };
    let failures: Option<Vec<Failure>> = Deserialize::deserialize(list).or(Err(BatchFailure::Malformed))?;
    let ids: Vec<String> = failures
        .into_iter()
        .flatten()
        .map(|failure| failure.item_identifier)
        .collect();
    match ids.iter().all(|id| batch.contains(&id.as_str())) {
        true => Ok(ids),
        false => Err(BatchFailure::UnknownMessage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_as_lambda_reads_them() {
        let read = |reply: &str| failures(reply.as_bytes(), &["a", "b"]);
        for all_well in [
            "",
            "null",
            "{}",
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
        ] {
            assert_eq!(read(all_well), Ok(Vec::new()), "{all_well}");
        }
        assert_eq!(
            read(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#),
            Ok(vec!["b".to_owned()])
        );
        for malformed in [
            "nonsense",
            "[]",
            "\"ok\"",
            r#"{"batchItemFailures":"b"}"#,
            r#"{"batchItemFailures":["b"]}"#,
            r#"{"batchItemFailures":[{"messageId":"b"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
        ] {
            assert_eq!(read(malformed), Err(BatchFailure::Malformed), "{malformed}");
        }
        for unknown in [
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#,
        ] {
            assert_eq!(read(unknown), Err(BatchFailure::UnknownMessage), "{unknown}");
        }
    }
}
