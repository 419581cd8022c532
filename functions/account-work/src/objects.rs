//! Objects and unfinished uploads of a person in the bucket.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use shared::Error;
use shared::domain::erasure::BucketEntry;
use shared::domain::record::Record;
use shared::records::{Bucket, EraseObjects};

/// Number of entries that are deleted at the same time.
const DELETIONS_AT_ONCE: usize = 8;

/// Keys of objects outside the person's folder, where earlier versions stored them. If the item names no
/// object, one may nevertheless exist under the possible key.
pub(crate) fn loose_keys(records: &[Record], prefix: Option<&str>) -> Vec<String> {
    let keys = records.iter().flat_map(|record| {
        let stored = record.object.as_ref().map(|object| object.key.clone());
        let possible = Bucket::key(None, record.id, record.query.conversion);
        stored.into_iter().chain(record.object.is_none().then_some(possible))
    });
    let inside = |key: &String| prefix.is_some_and(|prefix| key.starts_with(prefix));
    let loose: BTreeSet<_> = keys.filter(|key| !inside(key)).collect();
    loose.into_iter().collect()
}

/// Deletes entries, several at the same time.
pub(crate) async fn delete(
    io: &impl EraseObjects,
    entries: impl IntoIterator<Item = &BucketEntry>,
) -> Result<(), Error> {
    let calls = entries.into_iter().map(|entry| io.erase_entry(entry));
    stream::iter(calls)
        .buffer_unordered(DELETIONS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}
