//! Mutates valid documents: their structure, their text and their bytes.

pub mod bytes;
pub mod json;
pub mod text;

use serde_json::Value;

use crate::chance::Chance;

/// A document as text. Its structure is usually mutated; its text and its bytes sometimes are.
pub fn document(mut value: Value, chance: &mut Chance) -> Vec<u8> {
    for _ in 0..chance.pick([0, 1, 1, 1, 2, 3, 6]) {
        json::mutate(&mut value, chance);
    }
    let mut text = value.to_string();
    if chance.one_in(4) {
        text = json::respell(&value, text, chance);
    }
    let mut bytes = text.into_bytes();
    if chance.one_in(8) {
        for _ in 0..chance.pick([1, 1, 2, 8]) {
            bytes::mutate(&mut bytes, chance);
        }
    }
    bytes
}
