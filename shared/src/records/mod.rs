//! Records in transit: from the link Metriport gives, through a reader that never holds them, into our bucket, and out
//! again by a link of our own.

mod address;
mod bucket;
mod hosts;
mod link;
mod transfer;
mod unpack;

pub use bucket::{Bucket, MintLink, Part, PutRecord, Upload};
pub use bundle_scan::{BundleScan, ScanError};
pub use link::{LinkClient, LinkPolicy, LinkRefusal, OpenLink};
pub use transfer::{PART_BYTES, PARTS_AT_ONCE, RECORD_BYTES_MAX, TIDYING_MAX, transfer};
pub use unpack::SWELLING_MAX;

/// What can go wrong with a record on its way. Names kinds and statuses; no link, no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The link leads where records are not fetched from.
    #[error("link refused: {0}")]
    Link(#[from] LinkRefusal),
    /// The link gives nothing any more.
    #[error("the link answered {0}")]
    Dead(u16),
    /// The transfer could not begin or broke off.
    #[error("the transfer broke: {0}")]
    Broken(&'static str),
    /// What came is no record.
    #[error("unreadable: {0}")]
    Unreadable(#[from] ScanError),
    /// More came than a record may have.
    #[error("larger than {RECORD_BYTES_MAX} bytes")]
    TooLarge,
    /// What came packed is no record: it grows without end.
    #[error("unpacks to more than {SWELLING_MAX} times its size")]
    Swollen,
    /// The bucket.
    #[error("bucket: {0}")]
    Bucket(String),
}

impl RecordsError {
    /// Whether the same may succeed later.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Dead(_) | Self::Broken(_) | Self::Bucket(_) | Self::Unreadable(ScanError::Truncated(_)) => true,
            Self::Link(_) | Self::Unreadable(_) | Self::TooLarge | Self::Swollen => false,
        }
    }
}
