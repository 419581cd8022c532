//! Exports: the request, the job, and the states that it reads.

use serde::de::DeserializeOwned;

use super::table::{Item, from_item, refused, text};
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, StoreError, Table, keys};
use crate::domain::OwnerId;
use crate::domain::export::{Export, StoredState, WITHHELD};
use crate::domain::log::{Access, Actor};
use crate::domain::retention::kind_of;
use crate::ports::port;

/// A page of a person's states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatesPage {
    /// The states, in the order of their sort keys.
    pub states: Vec<StoredState>,
    /// The last sort key, if states may follow it.
    pub after: Option<String>,
}

port! {
    /// Reads exports.
    pub trait ReadExport via HasStore {
        /// The export at this number.
        async fn export(&self, owner: &OwnerId, number: u8) -> Result<Option<Export>>;
        /// A person's exports, expired ones included.
        async fn exports(&self, owner: &OwnerId) -> Result<Vec<Export>>;
    }
}

port! {
    /// Takes requests for exports.
    pub trait RequestExport via HasStore {
        /// Stores a new export, and logs the request. Fails if the person is being erased
        /// ([`Condition::NotErasing`]), or if another export has its number ([`Condition::ExportAsRead`]).
        async fn request_export(&self, owner: &OwnerId, export: &Export, actor: &Actor) -> Result<()>;
    }
}

port! {
    /// Writes the progress of exports. Only `account-work` has this port.
    pub trait WriteExport via HasStore {
        /// Stores the export over its previous version. Fails if it has changed since it was read
        /// ([`Condition::ExportAsRead`]), or if the person is being erased ([`Condition::NotErasing`]).
        async fn write_export(&self, owner: &OwnerId, export: &Export) -> Result<()>;
        /// Deletes the export. Fails if it has changed since it was read ([`Condition::ExportAsRead`]).
        async fn delete_export(&self, owner: &OwnerId, export: &Export) -> Result<()>;
    }
}

port! {
    /// Reads the states in a person's partition that an export shows.
    pub trait ReadStates via HasStore {
        /// The states after this sort key, at most one megabyte of them.
        async fn states(&self, owner: &OwnerId, after: Option<&str>) -> Result<StatesPage>;
    }
}

impl ReadExport for Table {
    async fn export(&self, owner: &OwnerId, number: u8) -> Result<Option<Export>> {
        self.get(keys::export(owner, number), "export").await
    }

    async fn exports(&self, owner: &OwnerId) -> Result<Vec<Export>> {
        self.list_all(keys::owner_partition(owner), keys::EXPORT, "export")
            .await
    }
}

impl RequestExport for Table {
    async fn request_export(&self, owner: &OwnerId, export: &Export, actor: &Actor) -> Result<()> {
        let entry = self.log_entry(Access::ExportRequested, actor, export.requested_at)?;
        self.transaction()
            .put_export(owner, export)?
            .check_not_erasing(owner)?
            .put_log(owner, &entry)?
            .commit()
            .await
    }
}

impl WriteExport for Table {
    async fn write_export(&self, owner: &OwnerId, export: &Export) -> Result<()> {
        self.transaction()
            .put_export(owner, export)?
            .check_not_erasing(owner)?
            .commit()
            .await
    }

    async fn delete_export(&self, owner: &OwnerId, export: &Export) -> Result<()> {
        self.transaction()
            .delete(
                Condition::ExportAsRead,
                keys::export(owner, export.number),
                export.version,
            )?
            .commit()
            .await
    }
}

impl ReadStates for Table {
    async fn states(&self, owner: &OwnerId, after: Option<&str>) -> Result<StatesPage> {
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let call = call
            .key_condition_expression("pk = :pk AND sk > :after")
            .expression_attribute_values(":pk", text(keys::owner_partition(owner)))
            // Every sort key is greater than a space.
            .expression_attribute_values(":after", text(after.unwrap_or(" ")));
        let answer = call.send().await.map_err(|error| refused(&error))?;
        let last = answer.last_evaluated_key.as_ref().map(sort_key).transpose()?;
        let states = answer.items.unwrap_or_default().into_iter().map(read_state);
        let states: Vec<_> = states.collect::<Result<_>>()?;
        Ok(StatesPage {
            states: states.into_iter().flatten().collect(),
            after: last,
        })
    }
}

fn sort_key(item: &Item) -> Result<String> {
    let sort_key = item.get("sk").and_then(|sk| sk.as_s().ok());
    sort_key.cloned().ok_or(StoreError::Unreadable("key"))
}

/// The state that an item holds; `None` for a kind that exports leave out.
///
/// # Errors
/// Fails if the item is of an unknown kind, so that no export silently lacks it.
fn read_state(item: Item) -> Result<Option<StoredState>> {
    fn read<T: DeserializeOwned>(item: Item) -> Result<T> {
        from_item(item, "state")
    }
    let sort = sort_key(&item)?;
    let state = match sort.as_str() {
        keys::PATIENT => StoredState::Patient(read(item)?),
        keys::IDENTITY => StoredState::Identity(read(item)?),
        keys::ROOT => StoredState::Root(read(item)?),
        keys::CHALLENGE => StoredState::Challenge(read(item)?),
        sort if sort.starts_with(keys::PULL) => StoredState::Pull(read(item)?),
        sort if sort.starts_with(keys::RECORD) => StoredState::Record(read(item)?),
        sort if sort.starts_with(keys::EVENT) => {
            let pull = keys::read_event(sort).ok_or(StoreError::Unreadable("key"))?;
            StoredState::Event(pull, read(item)?)
        }
        sort => {
            let kind = kind_of("OWNER#", sort).map(|kind| kind.keys);
            let withheld = WITHHELD.iter().any(|(withheld, _)| Some(*withheld) == kind);
            return if withheld {
                Ok(None)
            } else {
                Err(StoreError::Unreadable("state"))
            };
        }
    };
    Ok(Some(state))
}

impl Transaction<'_> {
    /// Puts the export over its previous version.
    fn put_export(self, owner: &OwnerId, export: &Export) -> Result<Self> {
        let replaces = Replaces::Version(export.version.saturating_sub(1));
        let due = ("dueShard", text(keys::DUE_ACCOUNT_WORK));
        self.put(
            Condition::ExportAsRead,
            &replaces,
            keys::export(owner, export.number),
            export,
            [due],
        )
    }
}
