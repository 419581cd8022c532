//! Erasures: the request, the job, and the deletion of a person's items.

use shared::domain::erasure::{Erasure, ErasureId};
use shared::domain::export::Export;
use shared::domain::log::{Access, Actor};
use shared::domain::person_root::PersonRoot;
use shared::domain::{OwnerId, PatientId, Time};
use shared::store::{
    Condition, EraseItems, ItemsToErase, ReadErasure, ReadExport, ReadUnfinishedErasures, RequestErasure, StoredItem,
    UnfinishedErasure, WriteErasure,
};

use super::Stored;
use super::consent::put_root;
use crate::io::{Io, Op, Reply};
use crate::store::{ERASED_MAX, Effect, Item, Key, Place, Require, Write};

fn put_erasure(job: &Erasure) -> Write {
    let read = Require::Version(job.version.saturating_sub(1));
    let key = Key::Erasure(job.id);
    Write::put(Condition::ErasureAsRead, read, key, Item::Erasure(job.clone()))
}

/// The write that deletes an item of the person, on the condition that it is still stored and theirs.
fn delete(owner: &OwnerId, key: Key) -> Write {
    let require = match key.owner() {
        Some(_) => Require::Present,
        None => Require::Names(owner.clone()),
    };
    Write {
        condition: Condition::StillStored,
        key,
        require,
        effect: Effect::Delete,
    }
}

/// The item as the steps see it. They look only at its kind, so its ids do not matter.
fn stored_item(key: &Key) -> StoredItem {
    let (partition, sort) = match key {
        Key::Patient(_) => ("OWNER#o", "PATIENT"),
        Key::Identity(_) => ("OWNER#o", "IDENTITY"),
        Key::Challenge(_) => ("OWNER#o", "CHALLENGE"),
        Key::Pull(..) => ("OWNER#o", "RUN#p"),
        Key::Entry(..) => ("OWNER#o", "EVENT#p"),
        Key::Record(..) => ("OWNER#o", "RECORD#r"),
        Key::OpenRecords(_) => ("OWNER#o", "OPEN_RECORDS"),
        Key::Retention(_) => ("OWNER#o", "RETENTION"),
        Key::PatientOwner(_) => ("PATIENT#p", "OWNER"),
        Key::OpenPull(_) => ("PATIENT#p", "OPEN_RUN"),
        Key::OpenConsolidated(_) => ("PATIENT#p", "OPEN_CONSOLIDATED"),
        Key::Session(_) => ("SESSION#s", "OWNER"),
        Key::Mark(_) => ("MARK#m", "OWNER"),
        Key::Request(_) => ("REQUEST#r", "RUN"),
        Key::Used(_) => ("AAL2#a", "USED"),
        Key::Root(_) | Key::Shares(_) | Key::Log(_) | Key::Seen(_) | Key::Replays | Key::Erasure(_) => {
            unreachable!("no erasure deletes {key:?}")
        }
    };
    StoredItem::new(partition, sort, key.owner().is_none())
}

impl RequestErasure for Io {
    async fn request_erasure(&self, owner: &OwnerId, root: &PersonRoot, job: &Erasure, _actor: &Actor) -> Stored<()> {
        let entry = self.put_log(owner, Access::ErasureRequested);
        let writes = [put_root(owner, root), put_erasure(job)].into_iter();
        self.commit(writes.chain(entry).collect()).await
    }
}

impl ReadErasure for Io {
    async fn erasure(&self, id: ErasureId) -> Stored<Option<Erasure>> {
        let item = self.get(Key::Erasure(id)).await?;
        Ok(item.and_then(|item| item.erasure().cloned()))
    }
}

/// Persons of the simulation ask for no exports.
impl ReadExport for Io {
    async fn export(&self, _owner: &OwnerId, _number: u8) -> Stored<Option<Export>> {
        Ok(None)
    }

    async fn exports(&self, _owner: &OwnerId) -> Stored<Vec<Export>> {
        Ok(Vec::new())
    }
}

impl WriteErasure for Io {
    async fn write_erasure(&self, job: &Erasure) -> Stored<()> {
        self.commit(vec![put_erasure(job)]).await
    }
}

impl EraseItems for Io {
    /// Reads the rows only after the partition, because every row is inserted with an item of the partition.
    async fn items_to_erase(&self, owner: &OwnerId, owned: Option<&PatientId>) -> Stored<ItemsToErase> {
        let mut keys = self.keys(owner, Place::Partition).await?;
        let mut more = keys.len() >= ERASED_MAX;
        if !more {
            let rows = self.keys(owner, Place::Rows).await?;
            let stays = owned.cloned().map(Key::PatientOwner);
            more = rows.len() >= ERASED_MAX || keys.len() + rows.len() > ERASED_MAX;
            keys.extend(rows.into_iter().filter(|key| Some(key) != stays.as_ref()));
            keys.truncate(ERASED_MAX);
        }
        let items = keys.iter().map(stored_item).collect();
        self.keep_listed(keys);
        Ok(ItemsToErase { items, more })
    }

    /// Deletes the items that were listed last. The steps delete each list before they ask for the next one.
    async fn erase_items(&self, owner: &OwnerId, items: &[StoredItem], job: &Erasure) -> Stored<()> {
        let keys = self.listed_keys();
        assert_eq!(keys.len(), items.len(), "other items than those listed");
        let deletes = keys.into_iter().map(|key| delete(owner, key));
        self.commit([put_erasure(job)].into_iter().chain(deletes).collect())
            .await
    }

    async fn finish_erasure(&self, owner: &OwnerId, root: &PersonRoot, job: &Erasure, _now: Time) -> Stored<()> {
        let entry = self.put_log(owner, Access::Erased);
        let writes = [put_root(owner, root), put_erasure(job)].into_iter();
        self.commit(writes.chain(entry).collect()).await
    }
}

impl ReadUnfinishedErasures for Io {
    async fn unfinished_erasures(&self) -> Stored<Vec<UnfinishedErasure>> {
        match self.call(Op::Erasures).await {
            Reply::Erasures(unfinished) => Ok(unfinished),
            other => unreachable!("{other:?}"),
        }
    }
}
