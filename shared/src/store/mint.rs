//! The write before a record link is made. It adds the link's entry to the access log and charges the person's share,
//! in one transaction.

use super::table::number;
use super::transaction::Replaces;
use super::{Condition, Result, Table, keys};
use crate::domain::budget::{PersonRules, PersonShares};
use crate::domain::log::{Access, Actor, LogEntry};
use crate::domain::person_root::PersonRoot;
use crate::domain::record::Record;
use crate::domain::{OwnerId, Time};

/// A link that is about to be made.
#[derive(Debug, Clone, Copy)]
pub struct Mint<'a> {
    /// The record to which it leads.
    pub record: &'a Record,
    /// The root that permits it, as it was read.
    pub root: &'a PersonRoot,
    /// The person who asked for it.
    pub actor: &'a Actor,
    /// The time of its entry.
    pub at: Time,
}

/// Reads the shares of a person, and writes them with the entry of a link.
pub trait WriteMint {
    /// The shares; unused ones if nothing is stored.
    fn shares(&self, owner: &OwnerId) -> impl Future<Output = Result<PersonShares>> + Send;
    /// Writes a link's entry, and the shares `charged`, which include the link's charge. Fails if
    ///
    /// - the stored shares have changed since they were read ([`Condition::SharesAsRead`]),
    /// - another link to the record has the same time ([`Condition::EntryNew`]),
    /// - the root has changed, for example by a withdrawal of consent ([`Condition::RootAsRead`]).
    fn write_mint(
        &self,
        owner: &OwnerId,
        mint: Mint<'_>,
        charged: &PersonShares,
        rules: &PersonRules,
    ) -> impl Future<Output = Result<()>> + Send;
}

impl WriteMint for Table {
    async fn shares(&self, owner: &OwnerId) -> Result<PersonShares> {
        let shares = self.get(keys::shares(owner), "person's shares").await?;
        Ok(shares.unwrap_or_default())
    }

    async fn write_mint(
        &self,
        owner: &OwnerId,
        mint: Mint<'_>,
        charged: &PersonShares,
        rules: &PersonRules,
    ) -> Result<()> {
        let entry = LogEntry {
            run: mint.record.pull,
            record: Some(mint.record.id),
            result: Some(mint.record.query.conversion.as_str().to_owned()),
            ..self.log_entry(Access::LinkMinted, mint.actor, mint.at)?
        };
        let read = Replaces::Version(charged.version.saturating_sub(1));
        let ttl = ("ttl", number(rules.expires_at(mint.at).seconds_ceil()));
        self.transaction()
            .put_log(owner, &entry)?
            .put(Condition::SharesAsRead, &read, keys::shares(owner), charged, [ttl])?
            .check(Condition::RootAsRead, keys::root(owner), mint.root.version)?
            .commit()
            .await
    }
}
