//! Writes that DynamoDB applies together or not at all. The error of a failed transaction names the failed conditions.
//!
//! A write of one item is a transaction, too. If the answer to a write is lost, the SDK sends the write again. A plain
//! conditional write could then fail on its own effect; DynamoDB recognises a repeated transaction by its token.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::{ConditionCheckBuilder, DeleteBuilder};
use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use serde::Serialize;

use super::keys::Key;
use super::table::{Item, number, refused, text, to_item};
use super::{Result, StoreError, Table, keys};
use crate::domain::person_root::Grant;
use crate::domain::{OwnerId, Time};

/// A condition of a write, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The person's grant holds: neither a withdrawal nor an erasure ended it.
    GrantHeld,
    /// The patient link has not changed since it was read.
    PatientAsRead,
    /// No other person owns or claims the Metriport patient.
    PatientUnowned,
    /// The Metriport patient belongs to this person.
    PatientOurs,
    /// The root of the person's items has not changed since it was read.
    RootAsRead,
    /// The person is not being erased.
    NotErasing,
    /// The erasure has not changed since it was read, or is new.
    ErasureAsRead,
    /// The export has not changed since it was read, or is new.
    ExportAsRead,
    /// The item still exists, or the row still belongs to the person.
    StillStored,
    /// The identity has not changed since it was read.
    IdentityAsRead,
    /// The challenge has not changed since it was read.
    ChallengeAsRead,
    /// The AAL2 session was never used.
    SessionUnused,
    /// The patient has no open pull.
    NoOpenPull,
    /// The pull has not changed since it was read.
    PullAsRead,
    /// The record has not changed since it was read.
    RecordAsRead,
    /// The retention check has not changed since it was read.
    RetentionAsRead,
    /// The list of the records that the person asked for has not changed since it was read.
    OpenRecordsAsRead,
    /// The patient has no open consolidated query.
    NoOpenConsolidated,
    /// The pull or record that releases a lock still holds it.
    LockOurs,
    /// The message was not seen before.
    MessageUnseen,
    /// The state of replays has not changed since it was read.
    ReplaysAsRead,
    /// The person's shares have not changed since they were read.
    SharesAsRead,
    /// The access log has no entry of this time and kind, about this pull or record.
    EntryNew,
    /// The row is new.
    RowNew,
}

/// DynamoDB's code for a write that collided with another transaction on the same item.
const COLLISION: &str = "TransactionConflict";
/// Maximum number of times that a transaction is sent again after collisions.
const COLLISIONS_MAX: u32 = 10;
/// The condition that the item does not exist, or that its deadline has passed.
const NOTHING_ALIVE: &str = "attribute_not_exists(pk) OR deadline <= :now";
/// The condition that the item does not exist, that its deadline has passed, or that its `owner` is this person.
/// `owner` is a reserved word, hence `#owner`.
const NOBODY_ELSES: &str = "attribute_not_exists(pk) OR deadline <= :now OR #owner = :owner";

/// The condition that neither a withdrawal nor an erasure ended this grant. `GRANT` is a reserved word.
const GRANT_HELD: &str = "#grant = :grant";
/// The same for the first grant, which a person without a root item has, too.
const FIRST_GRANT_HELD: &str = "attribute_not_exists(#grant) OR #grant = :grant";

pub(super) struct Transaction<'a> {
    pub(super) table: &'a Table,
    writes: Vec<(Condition, TransactWriteItem)>,
}

/// The condition on the item that a put replaces.
pub(super) enum Replaces<'a> {
    /// The item does not exist.
    Nothing,
    /// The item has this version; version 0 means that it does not exist.
    Version(u64),
    /// The item does not exist, or its `deadline` has passed.
    NothingAlive(Time),
    /// The item does not exist, or its `deadline` has passed, or its `owner` is this person.
    NobodyElses(&'a OwnerId, Time),
    /// The item is a lock of this holder.
    LockOf(&'a str),
    /// No condition: any item is overwritten.
    Anything,
}

impl Table {
    pub(super) const fn transaction(&self) -> Transaction<'_> {
        Transaction {
            table: self,
            writes: Vec::new(),
        }
    }
}

impl Transaction<'_> {
    /// Puts an item, with `more` attributes. If `replaces` does not hold, the error names `condition`.
    pub(super) fn put(
        mut self,
        condition: Condition,
        replaces: &Replaces<'_>,
        key: Key,
        value: &impl Serialize,
        more: impl IntoIterator<Item = (&'static str, aws_sdk_dynamodb::types::AttributeValue)>,
    ) -> Result<Self> {
        let mut item: Item = to_item(key, value, "item")?;
        item.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let put = Put::builder().table_name(&self.table.name).set_item(Some(item));
        let put = match replaces {
            Replaces::Nothing | Replaces::Version(0) => put.condition_expression("attribute_not_exists(pk)"),
            Replaces::Version(version) => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(version)),
            Replaces::NothingAlive(now) => put
                .condition_expression(NOTHING_ALIVE)
                .expression_attribute_values(":now", number(now.millis())),
            Replaces::NobodyElses(owner, now) => put
                .condition_expression(NOBODY_ELSES)
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":owner", text(owner.as_str().to_owned()))
                .expression_attribute_values(":now", number(now.millis())),
            Replaces::LockOf(holder) => put
                .condition_expression("holder = :holder")
                .expression_attribute_values(":holder", text(*holder)),
            Replaces::Anything => put,
        };
        let put = put
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete put".to_owned()))?;
        self.writes
            .push((condition, TransactWriteItem::builder().put(put).build()));
        Ok(self)
    }

    /// Deletes a lock, if `holder` still holds it. After its deadline, a lock may have a new holder.
    pub(super) fn release(self, key: Key, holder: &str) -> Result<Self> {
        let delete = self
            .delete_item(key)
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", text(holder));
        self.add_delete(Condition::LockOurs, delete)
    }

    /// Requires that an item has this version, without writing it. Version 0 means that it does not exist.
    pub(super) fn check(self, condition: Condition, key: Key, version: u64) -> Result<Self> {
        let check = self.condition_check(key);
        let check = match version {
            0 => check.condition_expression("attribute_not_exists(pk)"),
            version => check
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(version)),
        };
        self.add_check(condition, check)
    }

    /// Requires that a person's grant still holds. A grant without a number always holds.
    pub(super) fn check_grant(self, owner: &OwnerId, grant: Grant) -> Result<Self> {
        let Some(number_of_grant) = grant.number() else {
            return Ok(self);
        };
        let held = if number_of_grant == 0 {
            FIRST_GRANT_HELD
        } else {
            GRANT_HELD
        };
        let check = self
            .condition_check(keys::root(owner))
            .condition_expression(held)
            .expression_attribute_names("#grant", "grant")
            .expression_attribute_values(":grant", number(number_of_grant));
        self.add_check(Condition::GrantHeld, check)
    }

    /// Requires that a person's grant still holds, like [`Transaction::check_grant`]. If the person was erased before,
    /// their root is an item that expires; from now on it stays.
    pub(super) fn keep_root(mut self, owner: &OwnerId, grant: Grant) -> Result<Self> {
        let Some(number_of_grant) = grant.number().filter(|number| *number > 0) else {
            return self.check_grant(owner, grant);
        };
        let Key { pk, sk } = keys::root(owner);
        let update = Update::builder()
            .table_name(&self.table.name)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .update_expression("REMOVE #ttl")
            .condition_expression(GRANT_HELD)
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#grant", "grant")
            .expression_attribute_values(":grant", number(number_of_grant))
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete update".to_owned()))?;
        let write = TransactWriteItem::builder().update(update).build();
        self.writes.push((Condition::GrantHeld, write));
        Ok(self)
    }

    /// Requires that the person is not being erased.
    pub(super) fn check_not_erasing(self, owner: &OwnerId) -> Result<Self> {
        let check = self.condition_check(keys::root(owner));
        let check = check.condition_expression("attribute_not_exists(erasure)");
        self.add_check(Condition::NotErasing, check)
    }

    fn condition_check(&self, key: Key) -> ConditionCheckBuilder {
        ConditionCheck::builder()
            .table_name(&self.table.name)
            .key("pk", text(key.pk))
            .key("sk", text(key.sk))
    }

    fn add_check(mut self, condition: Condition, check: ConditionCheckBuilder) -> Result<Self> {
        let check = check
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete check".to_owned()))?;
        self.writes
            .push((condition, TransactWriteItem::builder().condition_check(check).build()));
        Ok(self)
    }

    /// Deletes the owner row of a patient, if the person owns the patient and does not only claim it.
    pub(super) fn delete_owner(self, key: Key, owner: &OwnerId) -> Result<Self> {
        let delete = self
            .delete_item(key)
            .condition_expression("#owner = :owner AND attribute_not_exists(deadline)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner.as_str()));
        self.add_delete(Condition::PatientOurs, delete)
    }

    /// Deletes an item, if it still exists. If it is a row outside the person's partition, it must be the person's.
    pub(super) fn delete_stored(self, key: Key, of: Option<&OwnerId>) -> Result<Self> {
        let delete = self.delete_item(key);
        let delete = match of {
            None => delete.condition_expression("attribute_exists(pk)"),
            Some(owner) => delete
                .condition_expression("#owner = :owner")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":owner", text(owner.as_str())),
        };
        self.add_delete(Condition::StillStored, delete)
    }

    /// Deletes an item, if it still has this version.
    pub(super) fn delete(self, condition: Condition, key: Key, version: u64) -> Result<Self> {
        let delete = self
            .delete_item(key)
            .condition_expression("version = :version")
            .expression_attribute_values(":version", number(version));
        self.add_delete(condition, delete)
    }

    fn delete_item(&self, key: Key) -> DeleteBuilder {
        Delete::builder()
            .table_name(&self.table.name)
            .key("pk", text(key.pk))
            .key("sk", text(key.sk))
    }

    fn add_delete(mut self, condition: Condition, delete: DeleteBuilder) -> Result<Self> {
        let delete = delete
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete delete".to_owned()))?;
        self.writes
            .push((condition, TransactWriteItem::builder().delete(delete).build()));
        Ok(self)
    }

    /// Requires that a lock is free, or that its deadline has passed, without writing it.
    pub(super) fn check_unlocked(self, condition: Condition, key: Key, now: Time) -> Result<Self> {
        let check = self
            .condition_check(key)
            .condition_expression(NOTHING_ALIVE)
            .expression_attribute_values(":now", number(now.millis()));
        self.add_check(condition, check)
    }

    /// Writes all, or nothing. Two failures are retried here, because the result of an upstream call must not be lost:
    ///
    /// - A collision with another transaction. DynamoDB wrote nothing, the other transaction ends within milliseconds,
    ///   and the SDK does not retry such a write. The transaction is sent again at once, up to ten times.
    /// - A lock that its holder has lost. The other writes are sent again without the write of that lock. A lock is
    ///   rarely lost, so no read checks it before its release.
    pub(super) async fn commit(self) -> Result<()> {
        // DynamoDB reports one reason per write, by position, so both lists keep the same order.
        let (mut conditions, mut writes): (Vec<_>, Vec<_>) = self.writes.into_iter().unzip();
        let mut collisions = 0;
        loop {
            let call = self.table.client.transact_write_items();
            let Err(error) = call.set_transact_items(Some(writes.clone())).send().await else {
                return Ok(());
            };
            match cancelled(&error, &conditions) {
                StoreError::Unavailable(code) if code == COLLISION && collisions < COLLISIONS_MAX => collisions += 1,
                StoreError::Conflict(failed) if failed.iter().all(|one| *one == Condition::LockOurs) => {
                    // Only locks failed: send the other writes again.
                    let failed = failed_writes(&error);
                    let pairs = conditions.into_iter().zip(writes).zip(failed);
                    (conditions, writes) = pairs.filter_map(|(pair, failed)| (!failed).then_some(pair)).unzip();
                }
                error => return Err(error),
            }
        }
    }
}

fn reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            Some(cancelled.cancellation_reasons())
        }
        _ => None,
    }
}

/// For each write, whether its condition failed.
fn failed_writes<R>(error: &SdkError<TransactWriteItemsError, R>) -> Vec<bool> {
    let reasons = reasons(error).unwrap_or_default().iter();
    reasons
        .map(|reason| reason.code() == Some("ConditionalCheckFailed"))
        .collect()
}

fn cancelled<R>(error: &SdkError<TransactWriteItemsError, R>, conditions: &[Condition]) -> StoreError {
    let Some(reasons) = reasons(error) else {
        return refused(error);
    };
    let failed = conditions.iter().zip(failed_writes(error));
    let failed: Vec<_> = failed
        .filter_map(|(condition, failed)| failed.then_some(*condition))
        .collect();
    // A failed condition decides the error, even if other writes of the transaction collided.
    if failed.contains(&Condition::GrantHeld) {
        return StoreError::GrantEnded;
    }
    if !failed.is_empty() {
        return StoreError::Conflict(failed);
    }
    let code = reasons
        .iter()
        .filter_map(|reason| reason.code())
        .find(|code| *code != "None")
        .unwrap_or("unknown");
    match code {
        COLLISION | "ThrottlingError" | "ProvisionedThroughputExceeded" => StoreError::Unavailable(code.to_owned()),
        _ => StoreError::Refused(code.to_owned()),
    }
}
