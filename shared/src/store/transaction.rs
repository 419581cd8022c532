//! Writes that belong together: all of them, or none, with the failed conditions by name.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};
use serde::Serialize;

use super::keys::Key;
use super::table::{Item, number, refused, text, to_item};
use super::{Result, StoreError, Table};
use crate::domain::{OwnerId, Time};

/// A condition of a write, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The patient link is as it was read.
    PatientAsRead,
    /// The Metriport patient belongs to nobody else.
    PatientUnowned,
    /// The Metriport patient belongs to this person.
    PatientOurs,
    /// The identity is as it was read.
    IdentityAsRead,
    /// The challenge is as it was read.
    ChallengeAsRead,
    /// The AAL2 session was never used.
    SessionUnused,
    /// The patient has no open run.
    NoOpenRun,
    /// The run is as it was read.
    RunAsRead,
    /// The record is as it was read.
    RecordAsRead,
    /// The list of the records that the person asked for is as it was read.
    OpenRecordsAsRead,
    /// The patient has no open consolidated query.
    NoOpenConsolidated,
    /// The lock to be released is ours.
    LockOurs,
    /// The message was not seen before.
    MessageUnseen,
    /// The state of replays is as it was read.
    ReplaysAsRead,
    /// The row is new.
    RowNew,
}

/// The code of a transaction that met another one on the same items.
const COLLISION: &str = "TransactionConflict";
/// How often such a transaction is sent again.
const COLLISIONS_MAX: u32 = 10;
/// Holds where there is no item, or one whose deadline has passed.
const NOTHING_ALIVE: &str = "attribute_not_exists(pk) OR deadline <= :now";
/// Holds there, and where the item is this person's. The name of the attribute is a reserved word.
const NOBODY_ELSES: &str = "attribute_not_exists(pk) OR deadline <= :now OR #owner = :owner";

/// A transaction being put together.
pub(super) struct Transaction<'a> {
    table: &'a Table,
    writes: Vec<(Condition, TransactWriteItem)>,
}

/// What must hold of an item that is replaced.
pub(super) enum Replaces<'a> {
    /// There is none.
    Nothing,
    /// It has this version; version 0 is an item that does not exist.
    Version(u64),
    /// There is none, or its `deadline` has passed.
    NothingAlive(Time),
    /// There is none, or its `deadline` has passed, or its `owner` is this person.
    NobodyElses(&'a OwnerId, Time),
    /// Whatever is there.
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
    /// Puts an item.
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
            Replaces::Anything => put,
        };
        let put = put
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete put".to_owned()))?;
        self.writes
            .push((condition, TransactWriteItem::builder().put(put).build()));
        Ok(self)
    }

    /// Deletes a lock, if `holder` still holds it: one whose deadline has passed may be another's by now, and is left
    /// alone.
    pub(super) fn release(mut self, key: Key, holder: &str) -> Result<Self> {
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .key("pk", text(key.pk))
            .key("sk", text(key.sk))
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", text(holder))
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete delete".to_owned()))?;
        self.writes
            .push((Condition::LockOurs, TransactWriteItem::builder().delete(delete).build()));
        Ok(self)
    }

    /// Requires that an item has this version, without writing it.
    pub(super) fn check(mut self, condition: Condition, key: Key, version: u64) -> Result<Self> {
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .key("pk", text(key.pk))
            .key("sk", text(key.sk))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", number(version))
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete check".to_owned()))?;
        self.writes
            .push((condition, TransactWriteItem::builder().condition_check(check).build()));
        Ok(self)
    }

    /// Deletes the row that says whose a patient is, if it is this person's and not a claim that ends.
    pub(super) fn delete_owner(mut self, key: Key, owner: &OwnerId) -> Result<Self> {
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .key("pk", text(key.pk))
            .key("sk", text(key.sk))
            .condition_expression("#owner = :owner AND attribute_not_exists(deadline)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner.as_str()))
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete delete".to_owned()))?;
        let write = TransactWriteItem::builder().delete(delete).build();
        self.writes.push((Condition::PatientOurs, write));
        Ok(self)
    }

    /// Requires that a lock is not held, or that its deadline has passed, without writing it.
    pub(super) fn check_unlocked(mut self, condition: Condition, key: Key, now: Time) -> Result<Self> {
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .key("pk", text(key.pk))
            .key("sk", text(key.sk))
            .condition_expression(NOTHING_ALIVE)
            .expression_attribute_values(":now", number(now.millis()))
            .build()
            .map_err(|_incomplete| StoreError::Refused("incomplete check".to_owned()))?;
        let write = TransactWriteItem::builder().condition_check(check).build();
        self.writes.push((condition, write));
        Ok(self)
    }

    /// Writes all, or nothing.
    ///
    /// A transaction that meets another on the same items is cancelled, and the SDK does not repeat it. Nothing was
    /// written, and the other is done within milliseconds: it is sent again at once, a few times. What an upstream call
    /// has brought must not be lost to a passing collision.
    ///
    /// Nor must it be lost to a lock that is not ours any more: without its release, the rest is sent again. That is
    /// rare, so no lock is read before it is released.
    pub(super) async fn commit(self) -> Result<()> {
        let (mut conditions, mut writes): (Vec<_>, Vec<_>) = self.writes.into_iter().unzip();
        let mut collisions = 0;
        loop {
            let call = self.table.client.transact_write_items();
            let Err(error) = call.set_transact_items(Some(writes.clone())).send().await else {
                return Ok(());
            };
            match cancelled(&error, &conditions) {
                StoreError::Unavailable(code) if code == COLLISION && collisions < COLLISIONS_MAX => collisions += 1,
                StoreError::Conflict(failed) if failed == [Condition::LockOurs] => {
                    let kept = conditions.into_iter().zip(writes);
                    (conditions, writes) = kept.filter(|(condition, _)| *condition != Condition::LockOurs).unzip();
                }
                error => return Err(error),
            }
        }
    }
}

fn cancelled<R>(error: &SdkError<TransactWriteItemsError, R>, conditions: &[Condition]) -> StoreError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return refused(error);
    };
    let reasons = cancelled.cancellation_reasons();
    let failed: Vec<_> = conditions
        .iter()
        .zip(reasons)
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(condition, _)| *condition)
        .collect();
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
