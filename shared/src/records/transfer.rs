//! One transfer: the bytes go by once, are hashed and read on the way, and leave in parts, several at once. Held are
//! the parts under way and the one being filled, and nothing else, whatever the size of the record.

mod reading;
mod sink;

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, timeout_at};

use super::{PutRecord, RecordsError};
use crate::domain::record::{Conversion, StoredObject};
use sink::Sink;

/// Size of one part, in bytes; S3 wants at least 5 MiB.
pub const PART_BYTES: usize = 8 * 1024 * 1024;
/// Most parts under way at once. With the one being filled, a transfer holds 32 MiB.
pub const PARTS_AT_ONCE: usize = 3;
/// Largest record taken, in bytes, unpacked.
pub const RECORD_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Longest wait for the first bytes, and for the next ones.
const STALL: Duration = Duration::from_secs(30);
/// How long the parts under way may take to end when a transfer has failed, and then the upload's abort.
const TIDY: Duration = Duration::from_secs(5);
/// How much longer than it was given a transfer takes at most.
pub const TIDYING_MAX: Duration = TIDY.saturating_mul(2);

/// Moves a record into the bucket, until a time at which it gives up. An error leaves nothing unfinished: the upload is
/// thrown away, in [`TIDYING_MAX`] at most. What may be there after one is the whole record, if all was sent and the
/// bucket's last answer did not come.
///
/// # Errors
/// When the stream does not open, breaks, stalls or takes too long, is not what it should be (a FHIR Bundle, a PDF with
/// an end, something at all), is too large, or the bucket refuses.
pub async fn transfer<S>(
    opening: impl Future<Output = Result<S, RecordsError>>,
    bucket: &(impl PutRecord + Sync),
    (key, form): (&str, Conversion),
    until: Instant,
) -> Result<StoredObject, RecordsError>
where
    S: Stream<Item = Result<Bytes, RecordsError>>,
{
    let mut sink = Sink::new(bucket, key, form);
    let moved = timeout_at(until, sink.take_in(opening)).await;
    let moved = moved.unwrap_or(Err(RecordsError::Broken("out of time")));
    if moved.is_err() {
        sink.discard().await;
    }
    moved
}

#[cfg(test)]
mod tests;
