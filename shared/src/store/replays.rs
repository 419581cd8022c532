//! The state of failed webhook deliveries: one row for the whole account, without data about a person.

use super::transaction::Replaces;
use super::{Condition, Result, Table, keys};
use crate::domain::replay::Replays;
use crate::ports::port;

port! {
    /// Reads and writes the state of replays.
    pub trait KeepReplays via HasStore {
        /// The state; a new one if nothing is stored.
        async fn replays(&self) -> Result<Replays>;
        /// Stores the state over the previous version.
        async fn put_replays(&self, replays: &Replays) -> Result<()>;
    }
}

impl KeepReplays for Table {
    async fn replays(&self) -> Result<Replays> {
        Ok(self.get(keys::replays(), "state of replays").await?.unwrap_or_default())
    }

    async fn put_replays(&self, replays: &Replays) -> Result<()> {
        let replaces = Replaces::Version(replays.version.saturating_sub(1));
        let transaction = self.transaction();
        transaction
            .put(Condition::ReplaysAsRead, &replaces, keys::replays(), replays, [])?
            .commit()
            .await
    }
}
