//! Ids of the simulated world. They are made from counters, so a schedule always gives the same ids and a trace can
//! name them.

use shared::domain::{OwnerId, PullId, ReceiptId, RecordFolder, RecordId};
use uuid::Uuid;

/// Parses an opaque id from a text that is always valid.
macro_rules! opaque {
    ($kind:ty, $($text:tt)*) => {
        <$kind>::parse(format!($($text)*)).unwrap_or_else(|error| unreachable!("{error}"))
    };
}
pub(crate) use opaque;

pub(crate) fn owner(person: u8) -> OwnerId {
    opaque!(OwnerId, "v1.person-{person}")
}

pub(crate) fn person(owner: &OwnerId) -> u8 {
    let number = owner.as_str().rsplit('-').next();
    number.and_then(|number| number.parse().ok()).unwrap_or(u8::MAX)
}

pub(crate) fn mark(person: u8, n: u32) -> Uuid {
    Uuid::from_u128((1 << 112) | (u128::from(person) << 64) | u128::from(n))
}

/// The receipt id that a person's n-th request for erasure brings.
pub(crate) fn receipt(person: u8, n: u32) -> ReceiptId {
    ReceiptId::new(Uuid::from_u128((1 << 104) | (u128::from(person) << 64) | u128::from(n)))
}

/// The folder that the n-th request for a link brings.
pub(crate) const fn folder(n: u32) -> RecordFolder {
    RecordFolder::new(Uuid::from_u128(n as u128))
}

pub(crate) fn pull(n: u32) -> PullId {
    PullId::new(Uuid::from_u128(u128::from(n)))
}

/// The id of the n-th record that a person asked for.
pub(crate) fn requested_record_id(n: u32) -> RecordId {
    RecordId::new(Uuid::from_u128((1 << 96) | u128::from(n)))
}

/// The id of the record that a pull makes when it changes to `version`. Only one change to a version is ever written,
/// so ids never collide.
pub(crate) fn spare(pull: PullId, version: u64) -> RecordId {
    RecordId::new(Uuid::from_u128(
        (u128::from(pull_number(pull)) << 64) | (1 << 100) | u128::from(version),
    ))
}

fn number(bytes: &[u8; 16]) -> u128 {
    u128::from_be_bytes(*bytes)
}

fn pull_number(pull: PullId) -> u32 {
    u32::try_from(number(pull.as_bytes())).unwrap_or(u32::MAX)
}

pub(crate) fn pull_name(pull: PullId) -> String {
    format!("pull {}", pull_number(pull))
}

pub(crate) fn record_name(record: RecordId) -> String {
    let bits = number(record.as_bytes());
    if bits >> 100 == 1 {
        let pull = (bits >> 64) & u128::from(u32::MAX);
        format!("record {pull}.{}", bits & u128::from(u64::MAX))
    } else {
        format!("asked record {}", bits & u128::from(u32::MAX))
    }
}
