//! Records in transit: from Metriport's link, through a reader that never holds a whole record, into our bucket. The
//! app reads them from the bucket through our own links.

mod address;
mod bucket;
mod hosts;
mod link;
mod patient_check;
mod transfer;
mod unpack;

pub use bucket::{
    Bucket, DeleteObject, EraseObjects, ListObjects, MintExportLink, MintLink, ObjectPage, Part, PutExport, PutRecord,
    Upload,
};
pub use bundle_scan::{BundleScan, PatientField, ResourceSink, ScanError};
pub use link::{LinkClient, LinkPolicy, LinkRefusal, OpenLink};
pub use transfer::{PART_BYTES, PARTS_AT_ONCE, RECORD_BYTES_MAX, TIDYING_MAX, transfer};
pub use unpack::SWELLING_MAX;

/// An error of a record in transit. It holds kinds and statuses, but no link and no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The link may not be followed.
    #[error("link refused: {0}")]
    Link(#[from] LinkRefusal),
    /// The link answered with a status other than 200.
    #[error("the link answered {0}")]
    Dead(u16),
    /// The transfer could not begin or broke off.
    #[error("the transfer broke: {0}")]
    Broken(&'static str),
    /// The content is not a record.
    #[error("unreadable: {0}")]
    Unreadable(#[from] ScanError),
    /// The content is larger than a record may be.
    #[error("larger than {RECORD_BYTES_MAX} bytes")]
    TooLarge,
    /// The packed content unpacks to more than [`SWELLING_MAX`] times its size, like a decompression bomb.
    #[error("unpacks to more than {SWELLING_MAX} times its size")]
    Swollen,
    /// The bucket failed.
    #[error("bucket: {0}")]
    Bucket(String),
}

impl RecordsError {
    /// Whether the same transfer may succeed later.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Dead(_) | Self::Broken(_) | Self::Bucket(_) | Self::Unreadable(ScanError::Truncated(_)) => true,
            Self::Link(_) | Self::Unreadable(_) | Self::TooLarge | Self::Swollen => false,
        }
    }
}
