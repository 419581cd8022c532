//! Erasures: the request, the job, and the deletion of everything that belongs to a person.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use serde::Deserialize;

use super::keys::Key;
use super::table::{Item, from_item, refused, text};
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, StoreError, Table, keys};
use crate::domain::erasure::{Erasure, ErasureId, ErasureStage};
use crate::domain::log::{Access, Actor};
use crate::domain::person_root::PersonRoot;
use crate::domain::retention::kind_of;
use crate::domain::{OwnerId, PatientId, Time};
use crate::ports::port;

/// Maximum number of items that one transaction deletes. With the job, this stays below DynamoDB's 100
/// (`TransactWriteItems` in the DynamoDB API Reference).
const DELETED_MAX: usize = 90;
/// Number of keys that one query reads.
const PAGE: i32 = 90;

/// An item that an erasure deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    key: Key,
    /// Whether the row is outside the person's partition.
    outside: bool,
}

impl StoredItem {
    /// The item with these keys. `outside` if the row is outside the person's partition.
    #[must_use]
    pub fn new(partition: impl Into<String>, sort: impl Into<String>, outside: bool) -> Self {
        let (pk, sk) = (partition.into(), sort.into());
        Self {
            key: Key { pk, sk },
            outside,
        }
    }

    /// Its kind, as the receipt counts it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        kind_of(&self.key.pk, &self.key.sk).map_or("another kind", |kind| kind.keys)
    }
}

/// Items that an erasure deletes together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemsToErase {
    /// The items, at most as many as one transaction can delete.
    pub items: Vec<StoredItem>,
    /// Whether there are more.
    pub more: bool,
}

/// An unfinished erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedErasure {
    /// The erasure.
    pub id: ErasureId,
    /// When the person asked.
    pub requested_at: Time,
    /// When a worker must continue it.
    pub due_at: Time,
}

port! {
    /// Takes requests for erasures.
    pub trait RequestErasure via HasStore {
        /// Stores the job and the marked root, and logs the request. Fails if the root has changed since it was read
        /// ([`Condition::RootAsRead`]), or if the job exists ([`Condition::ErasureAsRead`]).
        async fn request_erasure(
            &self,
            owner: &OwnerId,
            root: &PersonRoot,
            job: &Erasure,
            actor: &Actor,
        ) -> Result<()>;
    }
}

port! {
    /// Reads erasures.
    pub trait ReadErasure via HasStore {
        /// The erasure; `None` if it is not stored.
        async fn erasure(&self, id: ErasureId) -> Result<Option<Erasure>>;
    }
}

port! {
    /// Writes the progress of erasures.
    pub trait WriteErasure via HasStore {
        /// Stores the job over its previous version. Fails if it has changed since it was read
        /// ([`Condition::ErasureAsRead`]).
        async fn write_erasure(&self, job: &Erasure) -> Result<()>;
    }
}

port! {
    /// Deletes what is stored about a person. Only `account-work` has this port.
    pub trait EraseItems via HasStore {
        /// Items of the person that are to be deleted. The row by which the person owns the patient `owned` stays. The
        /// index of rows outside the person's partition is read eventually consistent, so a row of the last seconds can
        /// be missing.
        async fn items_to_erase(&self, owner: &OwnerId, owned: Option<&PatientId>) -> Result<ItemsToErase>;
        /// Deletes these items, and stores the job that counts them. Fails if an item is gone
        /// ([`Condition::StillStored`]) or the job has changed ([`Condition::ErasureAsRead`]).
        async fn erase_items(&self, owner: &OwnerId, items: &[StoredItem], job: &Erasure) -> Result<()>;
        /// Stores the finished job and the root that is left, and logs the end. Fails if the job or the root has
        /// changed since it was read.
        async fn finish_erasure(&self, owner: &OwnerId, root: &PersonRoot, job: &Erasure, now: Time) -> Result<()>;
    }
}

port! {
    /// Finds unfinished erasures.
    pub trait ReadUnfinishedErasures via HasStore {
        /// The unfinished erasures, the earliest due time first. The index is read eventually consistent, so one of the
        /// last seconds can be missing.
        async fn unfinished_erasures(&self) -> Result<Vec<UnfinishedErasure>>;
    }
}

impl RequestErasure for Table {
    async fn request_erasure(&self, owner: &OwnerId, root: &PersonRoot, job: &Erasure, actor: &Actor) -> Result<()> {
        let entry = self.log_entry(Access::ErasureRequested, actor, job.requested_at)?;
        self.transaction()
            .put_root(owner, root)?
            .put_erasure(job)?
            .put_log(owner, &entry)?
            .commit()
            .await
    }
}

impl ReadErasure for Table {
    async fn erasure(&self, id: ErasureId) -> Result<Option<Erasure>> {
        self.get(keys::erasure(id), "erasure").await
    }
}

impl WriteErasure for Table {
    async fn write_erasure(&self, job: &Erasure) -> Result<()> {
        self.transaction().put_erasure(job)?.commit().await
    }
}

impl EraseItems for Table {
    async fn items_to_erase(&self, owner: &OwnerId, owned: Option<&PatientId>) -> Result<ItemsToErase> {
        let (inside, more) = self.keys_of_partition(keys::owner_partition(owner)).await?;
        let inside = inside.into_iter().filter(is_erased);
        let mut items: Vec<_> = inside.map(|key| StoredItem { key, outside: false }).collect();
        if more {
            return Ok(ItemsToErase { items, more });
        }
        let stays = owned.map(keys::patient_owner);
        let mut start = None;
        loop {
            let page = self.rows_of(owner, start).await?;
            let listed = page.keys.into_iter().filter(|key| Some(key) != stays.as_ref());
            let rows = listed.map(|key| self.own_row(owner, key));
            let rows = try_join_all(rows).await?.into_iter().flatten();
            items.extend(rows.map(|key| StoredItem { key, outside: true }));
            let more = items.len() > DELETED_MAX || page.next.is_some() && items.len() == DELETED_MAX;
            // The index may list rows that were deleted moments ago, so only its last page proves that none is left.
            if more || page.next.is_none() {
                items.truncate(DELETED_MAX);
                return Ok(ItemsToErase { items, more });
            }
            start = page.next;
        }
    }

    async fn erase_items(&self, owner: &OwnerId, items: &[StoredItem], job: &Erasure) -> Result<()> {
        let mut transaction = self.transaction().put_erasure(job)?;
        for StoredItem { key, outside } in items {
            transaction = transaction.delete_stored(key.clone(), outside.then_some(owner))?;
        }
        transaction.commit().await
    }

    async fn finish_erasure(&self, owner: &OwnerId, root: &PersonRoot, job: &Erasure, now: Time) -> Result<()> {
        let entry = self.log_entry(Access::Erased, &Actor::Function, now)?;
        self.transaction()
            .put_erased_root(owner, root, now)?
            .put_erasure(job)?
            .put_log(owner, &entry)?
            .commit()
            .await
    }
}

/// Whether an item of the person's partition is deleted. The root's numbers stay, so that late writes fail; the shares
/// stay, so that an erasure does not renew them. Both expire.
fn is_erased(key: &Key) -> bool {
    key.sk != keys::ROOT && key.sk != keys::SHARES
}

#[derive(Deserialize)]
struct Keys {
    pk: String,
    sk: String,
}

fn key_of(item: Item) -> Result<Key> {
    let Keys { pk, sk } = from_item(item, "key")?;
    Ok(Key { pk, sk })
}

/// A page of the index `owner`.
struct RowPage {
    keys: Vec<Key>,
    /// The start of the next page.
    next: Option<Item>,
}

#[derive(Deserialize)]
struct OwnedRow {
    owner: OwnerId,
}

impl Table {
    /// The keys of a partition's first items, and whether there are more.
    async fn keys_of_partition(&self, partition: String) -> Result<(Vec<Key>, bool)> {
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let answer = call
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(partition))
            .projection_expression("pk, sk")
            .limit(PAGE)
            .send()
            .await
            .map_err(|error| refused(&error))?;
        let keys = answer.items.unwrap_or_default().into_iter().map(key_of);
        Ok((keys.collect::<Result<_>>()?, answer.last_evaluated_key.is_some()))
    }

    /// The keys of rows outside the person's partition that lead to the person.
    async fn rows_of(&self, owner: &OwnerId, start: Option<Item>) -> Result<RowPage> {
        let call = self.client.query().table_name(&self.name).index_name("owner");
        let answer = call
            .key_condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner.as_str()))
            .set_exclusive_start_key(start)
            .limit(PAGE)
            .send()
            .await
            .map_err(|error| refused(&error))?;
        let keys = answer.items.unwrap_or_default().into_iter().map(key_of);
        Ok(RowPage {
            keys: keys.collect::<Result<_>>()?,
            next: answer.last_evaluated_key,
        })
    }

    /// The key, if its row is still the person's. The index may list a row that was deleted or taken over.
    async fn own_row(&self, owner: &OwnerId, key: Key) -> Result<Option<Key>> {
        let row: Option<OwnedRow> = self.get(key.clone(), "row of a person").await?;
        Ok(row.filter(|row| row.owner == *owner).map(|_| key))
    }
}

impl ReadUnfinishedErasures for Table {
    async fn unfinished_erasures(&self) -> Result<Vec<UnfinishedErasure>> {
        let items = self.list_due(keys::DUE_ERASURES).await?;
        items.into_iter().map(read_due).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueRow {
    pk: String,
    due_at: Time,
    due_seq: Time,
}

fn read_due(item: Item) -> Result<UnfinishedErasure> {
    let row: DueRow = from_item(item, "due erasure")?;
    let id = keys::read_erasure(&row.pk).ok_or(StoreError::Unreadable("due erasure"))?;
    Ok(UnfinishedErasure {
        id,
        requested_at: row.due_seq,
        due_at: row.due_at,
    })
}

impl Transaction<'_> {
    /// Puts the job over its previous version.
    fn put_erasure(self, job: &Erasure) -> Result<Self> {
        let replaces = Replaces::Version(job.version.saturating_sub(1));
        let due = job.due_at.map(|_| ("dueShard", text(keys::DUE_ERASURES)));
        // An unfinished erasure must not expire, because the person would stay marked.
        let expires = match job.stage {
            ErasureStage::Finished => Some(("ttl", self.table.log_ttl(job.requested_at)?)),
            _ => None,
        };
        let more: HashMap<&'static str, AttributeValue> = due.into_iter().chain(expires).collect();
        self.put(Condition::ErasureAsRead, &replaces, keys::erasure(job.id), job, more)
    }
}
