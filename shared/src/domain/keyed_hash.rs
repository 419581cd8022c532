//! Keyed hashes of several parts.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// HMAC-SHA256 of a label and parts, under the key of `mac`. Each has its length in front, so that two different lists
/// never give the same bytes. The label separates the uses of the key.
pub(crate) fn keyed_hash(mut mac: Hmac<Sha256>, label: &str, parts: &[&[u8]]) -> [u8; 32] {
    for part in std::iter::once(&label.as_bytes()).chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
