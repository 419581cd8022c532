//! Mutations of bytes: flipped, cut and doubled bytes, and sequences that are not UTF-8.

use crate::chance::Chance;

/// Broken or unusual sequences, and the characters of JSON's syntax.
const PIECES: [&[u8]; 16] = [
    b"\xff",
    b"\xfe\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"\xf0\x9f\x92\xa5",
    b"\0",
    b"\"",
    b"\\",
    b"\\u",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
];

/// Changes some bytes.
pub fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len());
    match chance.below(6) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = chance.byte();
            }
        }
        2 => {
            bytes.splice(at..at, chance.pick(PIECES).iter().copied());
        }
        3 => {
            let end = bytes.len().min(at + 1 + chance.below(16));
            bytes.drain(at.min(end)..end);
        }
        4 => {
            let end = bytes.len().min(at + 1 + chance.below(64));
            let again = bytes.get(at..end).unwrap_or_default().to_vec();
            bytes.splice(at..at, again);
        }
        _ => bytes.truncate(at),
    }
}

/// Random bytes.
pub fn noise(chance: &mut Chance) -> Vec<u8> {
    let length = chance.pick([0, 1, 2, 7, 40, 300]);
    (0..length).map(|_| chance.byte()).collect()
}
