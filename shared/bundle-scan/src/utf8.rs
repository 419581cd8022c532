//! Joins UTF-8 characters that are divided between two pieces.

/// The beginning of a character whose end has not arrived.
#[derive(Default)]
pub(super) struct Cut {
    bytes: [u8; 4],
    length: usize,
}

/// The result of adding the next piece to a divided character.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whole<'p> {
    /// A whole character, its length in bytes, and the bytes after it.
    Character([u8; 4], usize, &'p [u8]),
    /// The character is still incomplete.
    NotYet,
    /// The bytes are not a character.
    Invalid,
}

impl Cut {
    /// Whether no bytes are held back.
    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many bytes are held back.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// Holds back the last bytes of a piece, fewer than four.
    pub(super) fn hold(&mut self, rest: &[u8]) {
        for (held, byte) in self.bytes.iter_mut().zip(rest) {
            *held = *byte;
        }
        self.length = rest.len().min(self.bytes.len());
    }

    /// Adds bytes of the next piece until the character is whole.
    pub(super) fn complete<'p>(&mut self, piece: &'p [u8]) -> Whole<'p> {
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            let Some(held) = self.bytes.get_mut(self.length) else {
                return Whole::Invalid;
            };
            *held = byte;
            self.length += 1;
            rest = after;
            match std::str::from_utf8(self.bytes.get(..self.length).unwrap_or_default()) {
                Ok(_) => {
                    let length = std::mem::take(&mut self.length);
                    return Whole::Character(self.bytes, length, rest);
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Whole::Invalid,
            }
        }
        Whole::NotYet
    }
}

/// Splits a piece. Returns its valid beginning, the bytes after it, and whether those bytes can never become a
/// character.
pub(super) fn valid(piece: &[u8]) -> (&[u8], &[u8], bool) {
    match std::str::from_utf8(piece) {
        Ok(_) => (piece, &[], false),
        Err(error) => {
            let (valid, rest) = piece.split_at(error.valid_up_to());
            (valid, rest, error.error_len().is_some())
        }
    }
}
