//! The root of a person's items, which holds their consent and the quarantine of their records.

use aws_sdk_dynamodb::types::AttributeValue;

use super::table::{number, text};
use super::transaction::{Replaces, Transaction};
use super::{Condition, Result, Table, keys};
use crate::domain::log::{Access, Actor};
use crate::domain::person_root::PersonRoot;
use crate::domain::{OwnerId, Time};
use crate::ports::port;

port! {
    /// Reads the root of a person's items.
    pub trait ReadRoot via HasStore {
        /// The root; an empty one if nothing is stored.
        async fn root(&self, owner: &OwnerId) -> Result<PersonRoot>;
    }
}

port! {
    /// Writes a person's consent.
    pub trait WriteConsent via HasStore {
        /// Stores the root with a newly given consent over the previous version, and logs the access. Fails if the root
        /// has changed since it was read ([`Condition::RootAsRead`]).
        async fn put_consent(&self, owner: &OwnerId, root: &PersonRoot, actor: &Actor, now: Time) -> Result<()>;
    }
}

impl ReadRoot for Table {
    async fn root(&self, owner: &OwnerId) -> Result<PersonRoot> {
        Ok(self.get(keys::root(owner), "root").await?.unwrap_or_default())
    }
}

impl WriteConsent for Table {
    async fn put_consent(&self, owner: &OwnerId, root: &PersonRoot, actor: &Actor, now: Time) -> Result<()> {
        self.transaction()
            .put_root(owner, root)?
            .put_log(owner, &self.log_entry(Access::ConsentGiven, actor, now)?)?
            .commit()
            .await
    }
}

/// The attributes by which an active quarantine appears in the due index.
fn due_purge(root: &PersonRoot) -> Vec<(&'static str, AttributeValue)> {
    let active = root.active_quarantine().into_iter();
    let attributes = active.flat_map(|quarantine| {
        [
            ("dueShard", text(keys::DUE_QUARANTINES)),
            ("dueAt", number(quarantine.purge_by.millis())),
        ]
    });
    attributes.collect()
}

impl Transaction<'_> {
    /// Requires that the root is unchanged: neither a withdrawal nor a quarantine came in between.
    pub(super) fn check_root(self, owner: &OwnerId, root: &PersonRoot) -> Result<Self> {
        self.check(Condition::RootAsRead, keys::root(owner), root.version)
    }

    /// Puts the root over its previous version.
    pub(super) fn put_root(self, owner: &OwnerId, root: &PersonRoot) -> Result<Self> {
        let replaces = Replaces::Version(root.version.saturating_sub(1));
        self.put(
            Condition::RootAsRead,
            &replaces,
            keys::root(owner),
            root,
            due_purge(root),
        )
    }
}
