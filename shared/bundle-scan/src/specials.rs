//! Finds the special bytes of JSON strings: quotes, backslashes and control characters. Most bytes of a record lie
//! between special bytes, so this search decides how fast a record is read. It examines whole blocks and does not stop
//! at a special byte, because the length of a string cannot be predicted.

use wide::u8x16;

/// How many bytes are examined at a time, before the lexer reads them. They fit into the processor's nearest cache.
pub(super) const WINDOW: usize = BLOCKS * BLOCK;
const BLOCKS: usize = 64;
const BLOCK: usize = u64::BITS as usize;

/// One bit for each byte of a window, set if the byte is special. The lowest bit of a word stands for the first byte of
/// its block. Special bytes follow the window, so that every search ends. One more block follows, so that every block
/// has a next one.
pub(super) struct Specials([u64; BLOCKS + 2]);

impl Specials {
    /// Examines a window of at most [`WINDOW`] bytes.
    pub(super) fn of(window: &[u8]) -> Self {
        let (blocks, rest) = window.as_chunks();
        let mut last = [b'"'; BLOCK];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let mut specials = [0; BLOCKS + 2];
        for (bits, block) in specials.iter_mut().zip(blocks.iter().chain([&last])) {
            *bits = look(block);
        }
        Self(specials)
    }

    /// The position of the first special byte from `at` on, or a position behind the window if the rest of it is plain.
    #[inline]
    pub(super) fn next(&self, at: usize) -> usize {
        let (block, bit) = (at / BLOCK, at % BLOCK);
        let blocks = self.0.get(block..).and_then(<[u64]>::first_chunk);
        let Some([bits, next]) = blocks else { return at };
        // The 64 bits from `at` on, taken from two blocks. Few strings are longer, so further blocks are seldom read.
        match bits >> bit | next << 1 << (BLOCK - 1 - bit) {
            0 => self.next_of_blocks(block + 1),
            bits => at + bits.trailing_zeros() as usize,
        }
    }

    #[cold]
    fn next_of_blocks(&self, block: usize) -> usize {
        let plain = self.0.iter().skip(block).take_while(|bits| **bits == 0).count();
        let bits = self.0.get(block + plain).copied().unwrap_or_default();
        (block + plain) * BLOCK + bits.trailing_zeros() as usize
    }
}

#[inline]
fn look(block: &[u8; BLOCK]) -> u64 {
    let lanes = block.as_chunks().0.iter().rev();
    lanes.fold(0, |bits, lanes| bits << 16 | u64::from(look_at_lanes(lanes)))
}

#[inline]
fn look_at_lanes(lanes: &[u8; 16]) -> u32 {
    let lanes = u8x16::new(*lanes);
    let is = |byte| lanes.simd_eq(u8x16::splat(byte));
    let is_control = lanes.min(u8x16::splat(0x1f)).simd_eq(lanes);
    (is_control | is(b'"') | is(b'\\')).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The position of the first special byte, from each byte on.
    fn all(window: &[u8]) -> Vec<usize> {
        let specials = Specials::of(window);
        (0..=window.len()).map(|at| specials.next(at)).collect()
    }

    fn one_by_one(window: &[u8]) -> Vec<usize> {
        let mut from = vec![window.len(); window.len() + 1];
        for (at, byte) in window.iter().enumerate().rev() {
            let special = matches!(byte, 0..=0x1f | b'"' | b'\\');
            from[at] = if special { at } else { from[at + 1] };
        }
        from
    }

    #[test]
    fn next_special_byte_is_found_at_every_position() {
        for length in (0..200).chain([WINDOW - 65, WINDOW - 64, WINDOW - 1, WINDOW]) {
            for at in (0..length).step_by(1 + length / 100) {
                let mut window = vec![b'a'; length];
                assert_eq!(all(&window), one_by_one(&window), "none in {length}");
                window[at] = b'"';
                assert_eq!(all(&window), one_by_one(&window), "at {at} of {length}");
            }
        }
    }

    #[test]
    fn quotes_backslashes_and_control_characters_are_special() {
        let every: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(all(&every), one_by_one(&every));
        let backwards: Vec<u8> = (0..=u8::MAX).rev().collect();
        assert_eq!(all(&backwards), one_by_one(&backwards));
    }
}
