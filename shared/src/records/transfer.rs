//! One transfer of a record into the bucket. Each byte passes once: it is hashed, checked and sent in one of the parts.
//! Only the part being filled and up to [`PARTS_AT_ONCE`] parts being sent are in memory, whatever the size of the
//! record.

mod reading;
mod sink;

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, timeout_at};

use super::{PutRecord, RecordsError};
use crate::domain::patient::ExpectedPatient;
use crate::domain::record::{Conversion, StoredObject};
use sink::Sink;

/// Size of one part, in bytes; S3 requires at least 5 MiB.
pub const PART_BYTES: usize = 8 * 1024 * 1024;
/// Maximum number of parts being sent at once. With the part being filled, a transfer holds 32 MiB.
pub const PARTS_AT_ONCE: usize = 3;
/// Largest accepted record, in bytes, unpacked.
pub const RECORD_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Longest wait for the link to open, and for each next piece.
const STALL: Duration = Duration::from_secs(30);
/// After a failure, the parts being sent have this time to end, and then the abort of the upload has the same time.
const TIDY: Duration = Duration::from_secs(5);
/// Longest time that a transfer takes beyond its time limit.
pub const TIDYING_MAX: Duration = TIDY.saturating_mul(2);

/// Moves a record into the bucket, until `until` at the latest, and compares its Patients with `expected`. After an
/// error, the upload is discarded within [`TIDYING_MAX`]. If only the bucket's last answer was lost, the complete
/// object may nevertheless exist.
///
/// # Errors
/// Fails if the stream does not open, breaks, stalls or takes too long, or if the bucket refuses. Also fails if the
/// content is too large, or is not a FHIR Bundle, a complete PDF, or HTML that is not empty, as requested.
pub async fn transfer<S>(
    opening: impl Future<Output = Result<S, RecordsError>>,
    bucket: &(impl PutRecord + Sync),
    (key, form): (&str, Conversion),
    expected: ExpectedPatient,
    until: Instant,
) -> Result<StoredObject, RecordsError>
where
    S: Stream<Item = Result<Bytes, RecordsError>>,
{
    let mut sink = Sink::new(bucket, (key, form), expected);
    let moved = timeout_at(until, sink.take_in(opening)).await;
    let moved = moved.unwrap_or(Err(RecordsError::Broken("time limit reached")));
    if moved.is_err() {
        sink.discard().await;
    }
    moved
}

#[cfg(test)]
mod tests;
