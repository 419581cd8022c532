//! Bundles of any size, made while they are sent: a sample record over and over, with other ids and dates in each copy.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use jiff::civil::{Date, date};
use sandbox_fhir::adapt_sample;
use sha2::{Digest, Sha256};

/// The copies that are repeated. They are some twenty megabytes, far more than any cache holds.
const COPIES: u64 = 150;
/// When the person was born, and when the record is pulled.
const BIRTH_DATE: Date = date(1961, 4, 9);
const TODAY: Date = date(2026, 11, 22);
/// Size of the blocks that are sent, in bytes.
const BLOCK_BYTES: usize = 128 * 1024;
const START: &[u8] = br#"{"resourceType":"Bundle","type":"collection","entry":["#;
const END: &[u8] = br#"{"resource":{"resourceType":"Basic","id":"end","code":{"text":"end"}}}]}"#;

/// Whole entries, each with the comma after it.
pub struct Entries(Vec<Bytes>);

/// A Bundle of a certain size.
#[derive(Clone)]
pub struct Bundle {
    entries: Arc<Entries>,
    blocks: usize,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Entries {
    /// The same for the same seed.
    pub fn generate(seed: u64) -> Arc<Self> {
        let mut blocks = Vec::new();
        let mut block = Vec::with_capacity(2 * BLOCK_BYTES);
        for number in 0..COPIES {
            let record = adapt_sample(seed + number, BIRTH_DATE, TODAY);
            for resource in record.resources() {
                block.extend_from_slice(br#"{"resource":"#);
                block.extend_from_slice(resource.get().as_bytes());
                block.extend_from_slice(b"},");
                if block.len() >= BLOCK_BYTES {
                    blocks.push(Bytes::from(std::mem::take(&mut block)));
                }
            }
        }
        Arc::new(Self(blocks))
    }

    /// A Bundle of at least so many bytes, and at most a block more.
    pub fn bundle(self: &Arc<Self>, bytes_min: u64) -> Bundle {
        let (mut bytes, mut blocks) = ((START.len() + END.len()) as u64, 0);
        let mut hash = Sha256::new_with_prefix(START);
        for block in self.0.iter().cycle() {
            if bytes >= bytes_min {
                break;
            }
            hash.update(block);
            bytes += block.len() as u64;
            blocks += 1;
        }
        Bundle {
            entries: Arc::clone(self),
            blocks,
            bytes,
            sha256: hex::encode(hash.chain_update(END).finalize()),
        }
    }
}

impl Bundle {
    /// The bytes.
    pub fn send(&self) -> impl Stream<Item = Bytes> + Send + use<> {
        let entries = Arc::clone(&self.entries);
        let blocks = (0..self.blocks).map(move |number| {
            let at = number.checked_rem(entries.0.len()).unwrap_or_default();
            entries.0.get(at).cloned().unwrap_or_default()
        });
        stream::iter([Bytes::from_static(START)])
            .chain(stream::iter(blocks))
            .chain(stream::iter([Bytes::from_static(END)]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn a_bundle_is_one_and_is_as_large_as_it_says() {
        let bundle = Entries::generate(1).bundle(1_000_000);
        let bytes = bundle.send().collect::<Vec<_>>().await.concat();
        assert_eq!(bytes.len() as u64, bundle.bytes);
        assert!((1_000_000..1_300_000).contains(&bytes.len()));
        assert_eq!(hex::encode(Sha256::digest(&bytes)), bundle.sha256);
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert!(read["entry"].as_array().unwrap().len() > 500);
    }
}
