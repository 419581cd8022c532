//! Common parts of all batch operations: up to ten entries with distinct ids, each with its own outcome
//! (docs.aws.amazon.com, Amazon SQS developer guide, "Amazon SQS batch actions").

use crate::sqs::refusal::Refusal;
use serde::Serialize;
use std::collections::HashSet;

const ENTRIES_MAX: usize = 10;
const ID_CHARS_MAX: usize = 80;

pub(super) trait Entry {
    fn id(&self) -> &str;
}

/// The outcomes of a batch. Callers must not rely on their order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Outcome<T> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    successful: Vec<T>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    sender_fault: bool,
    code: String,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Success {
    pub(super) id: String,
}

/// Refuses the whole batch if its size or its entries' ids are invalid.
pub(super) fn check<E: Entry>(entries: &[E]) -> Result<(), Refusal> {
    if entries.is_empty() {
        return Err(Refusal::EmptyBatchRequest);
    }
    if entries.len() > ENTRIES_MAX {
        return Err(Refusal::TooManyEntriesInBatchRequest(entries.len()));
    }
    let mut ids = HashSet::new();
    for id in entries.iter().map(Entry::id) {
        check_id(id)?;
        if !ids.insert(id) {
            return Err(Refusal::BatchEntryIdsNotDistinct(id.to_owned()));
        }
    }
    Ok(())
}

fn check_id(id: &str) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let valid = (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(allowed);
    if valid {
        Ok(())
    } else {
        Err(Refusal::InvalidBatchEntryId)
    }
}

/// Runs `one` on each entry, and separates the successes from the failures.
pub(super) fn each<E: Entry, T>(entries: Vec<E>, mut one: impl FnMut(E) -> Result<T, Refusal>) -> Outcome<T> {
    let mut outcome = Outcome {
        successful: Vec::new(),
        failed: Vec::new(),
    };
    for entry in entries {
        let id = entry.id().to_owned();
        match one(entry) {
            Ok(success) => outcome.successful.push(success),
            Err(refusal) => outcome.failed.push(failed(id, &refusal)),
        }
    }
    outcome
}

fn failed(id: String, refusal: &Refusal) -> Failed {
    Failed {
        id,
        sender_fault: true,
        code: refusal.query_code(),
        message: refusal.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Entry for &str {
        fn id(&self) -> &str {
            self
        }
    }

    #[test]
    fn bad_batch_sizes_and_entry_ids_are_refused() {
        assert_eq!(check::<&str>(&[]), Err(Refusal::EmptyBatchRequest));
        assert_eq!(check(&["a"; 11]), Err(Refusal::TooManyEntriesInBatchRequest(11)));
        assert_eq!(
            check(&["a", "b", "a"]),
            Err(Refusal::BatchEntryIdsNotDistinct("a".to_owned()))
        );
        assert_eq!(check(&["a b"]), Err(Refusal::InvalidBatchEntryId));
        assert_eq!(check(&["a", "b-1", "c_2"]), Ok(()));
    }

    #[test]
    fn failed_entry_leaves_other_entries_successful() {
        let outcome = each(vec!["good", "bad"], |id| match id {
            "good" => Ok(Success { id: id.to_owned() }),
            _ => Err(Refusal::ReceiptHandleIsInvalid),
        });
        let wire = serde_json::to_value(outcome).unwrap();
        assert_eq!(wire["Successful"][0]["Id"], "good");
        assert_eq!(wire["Failed"][0]["Id"], "bad");
        assert_eq!(wire["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
        assert_eq!(wire["Failed"][0]["SenderFault"], true);
    }
}
