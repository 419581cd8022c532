//! The root of a person's items, which holds their consent and the quarantine of their records.

use aws_sdk_dynamodb::types::AttributeValue;

use super::person::ttl;
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

port! {
    /// Puts persons' data on legal hold. No function has this port.
    pub trait WriteHold via HasStore {
        /// Stores the root with or without the hold over the previous version, and logs the access. Fails if the root
        /// has changed since it was read ([`Condition::RootAsRead`]).
        async fn put_hold(
            &self,
            owner: &OwnerId,
            root: &PersonRoot,
            what: Access,
            actor: &Actor,
            now: Time,
        ) -> Result<()>;
    }
}

impl WriteHold for Table {
    async fn put_hold(&self, owner: &OwnerId, root: &PersonRoot, what: Access, actor: &Actor, now: Time) -> Result<()> {
        self.transaction()
            .put_root(owner, root)?
            .put_log(owner, &self.log_entry(what, actor, now)?)?
            .commit()
            .await
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
        self.put_root_with(owner, root, due_purge(root))
    }

    /// Puts the root of an erased person. It expires when no message and no webhook of the person can be left.
    pub(super) fn put_erased_root(self, owner: &OwnerId, root: &PersonRoot, now: Time) -> Result<Self> {
        self.put_root_with(owner, root, vec![("ttl", ttl(now))])
    }

    fn put_root_with(
        self,
        owner: &OwnerId,
        root: &PersonRoot,
        more: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Self> {
        let replaces = Replaces::Version(root.version.saturating_sub(1));
        self.put(Condition::RootAsRead, &replaces, keys::root(owner), root, more)
    }
}
