//! Entries of idempotency keys: one item per key, in the person's own partition.
//!
//! Stored replies may hold links to hosted pages. They are encrypted at rest like all of the person's items, and only
//! that person receives them.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::table::{number, refused, to_item};
use super::{Result, StoreError, Table, keys};
use crate::domain::OwnerId;
use crate::idempotency::{Entry, KeyHash, Stamp, Storage};

/// The idempotency keys of one person.
#[derive(Clone, Copy)]
pub struct PersonsKeys<'a> {
    table: &'a Table,
    owner: &'a OwnerId,
}

impl Table {
    /// The idempotency keys of one person.
    #[must_use]
    pub const fn keys_of<'a>(&'a self, owner: &'a OwnerId) -> PersonsKeys<'a> {
        PersonsKeys { table: self, owner }
    }
}

impl Storage for PersonsKeys<'_> {
    type Error = StoreError;

    async fn load(&self, key: &KeyHash) -> Result<Option<Entry>> {
        self.table
            .get(keys::idempotency(self.owner, key), "idempotency key")
            .await
    }

    async fn replace(&self, key: &KeyHash, read: Option<&Stamp>, entry: &Entry) -> Result<bool> {
        let mut item = to_item(keys::idempotency(self.owner, key), entry, "idempotency key")?;
        item.insert("ttl".to_owned(), number(entry.expires_at.seconds_ceil()));
        let put = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item));
        // Only one of several writes at the same moment meets the condition.
        let put = match read {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(stamp) => put
                .condition_expression("stamp = :stamp")
                .expression_attribute_values(":stamp", AttributeValue::S(stamp.as_str().to_owned())),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_other(&error) => Ok(false),
            Err(error) => Err(refused(&error)),
        }
    }
}

/// Whether the write failed because the stored entry is no longer the one that was read.
fn is_other<R>(error: &SdkError<PutItemError, R>) -> bool {
    error
        .as_service_error()
        .is_some_and(PutItemError::is_conditional_check_failed_exception)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;
    use crate::idempotency::{Fingerprint, State, StoredReply};
    use crate::owner::OwnerKey;
    use uuid::Uuid;

    #[test]
    fn stored_entry_is_read_unchanged() {
        let secret = OwnerKey::parse(&"k".repeat(32)).unwrap();
        let until = Time::from_millis(1_764_000_000_001);
        let states = [
            State::Leased { until },
            State::Replied {
                reply: StoredReply {
                    status: 201,
                    headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                    body: "{}".to_owned(),
                },
                until,
            },
        ];
        for state in states {
            let entry = Entry {
                stamp: serde_json::from_str("\"1.end\"").unwrap(),
                fingerprint: Fingerprint::of(&secret, "POST /v1/records", b"{}", None).unwrap(),
                thing: Uuid::from_u128(7),
                state,
                expires_at: until,
            };
            let owner = OwnerId::parse("v1.00").unwrap();
            let key = crate::idempotency::IdempotencyKey::parse("k").unwrap();
            let key = keys::idempotency(&owner, &key.hash(&secret, "nora").unwrap());
            assert!(
                key.sk.starts_with("IDEMPOTENCY#") && key.sk.len() == 12 + 64,
                "{}",
                key.sk
            );
            let mut item = to_item(key, &entry, "idempotency key").unwrap();
            item.insert("ttl".to_owned(), number(1));
            assert_eq!(
                super::super::table::from_item::<Entry>(item, "idempotency key"),
                Ok(entry)
            );
        }
    }
}
