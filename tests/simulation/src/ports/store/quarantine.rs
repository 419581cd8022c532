//! Quarantines of a person's records.

use shared::domain::log::{Access, Actor};
use shared::domain::record::Record;
use shared::domain::{OwnerId, Time};
use shared::store::{Condition, CountQuarantines, QuarantineWrite, ReportRecord, WriteQuarantine};

use super::Stored;
use super::consent::put_root;
use crate::io::Io;
use crate::store::{Key, Require, Write};

impl ReportRecord for Io {
    async fn put_report(
        &self,
        owner: &OwnerId,
        _record: &Record,
        write: QuarantineWrite<'_>,
        _actor: &Actor,
        _now: Time,
    ) -> Stored<()> {
        let mut writes = self.quarantine_writes(owner, write);
        writes.extend(self.put_log(owner, Access::NotMe));
        self.commit(writes).await
    }
}

impl WriteQuarantine for Io {
    async fn put_quarantine(
        &self,
        owner: &OwnerId,
        _record: &Record,
        write: QuarantineWrite<'_>,
        _now: Time,
    ) -> Stored<()> {
        self.commit(self.quarantine_writes(owner, write)).await
    }
}

/// Deadlines of quarantines are not modelled, because only a metric needs them.
impl CountQuarantines for Io {
    async fn active_quarantines(&self) -> Stored<u64> {
        Ok(0)
    }

    async fn count_overdue_quarantines(&self, _before: Time) -> Stored<u64> {
        Ok(0)
    }
}

impl Io {
    /// The root with the quarantine and its entry, or the check that the root is unchanged.
    pub(super) fn quarantine_writes(&self, owner: &OwnerId, write: QuarantineWrite<'_>) -> Vec<Write> {
        match write.next {
            Some(next) => {
                let entry = self.put_log(owner, Access::Quarantined);
                [put_root(owner, next)].into_iter().chain(entry).collect()
            }
            None => {
                let (key, read) = (Key::Root(owner.clone()), Require::Version(write.read.version));
                vec![Write::check(Condition::RootAsRead, read, key)]
            }
        }
    }
}
