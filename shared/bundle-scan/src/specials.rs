//! Finds quotes, backslashes and control characters in a JSON text. Most of a record lies between them, so this decides
//! how fast it is read. Whole blocks are examined, because the length of a text cannot be predicted.

use wide::u8x16;

/// How many bytes are examined before they are read: few enough for the nearest cache.
pub(super) const WINDOW: usize = BLOCKS * BLOCK;
const BLOCKS: usize = 64;
const BLOCK: usize = u64::BITS as usize;

/// One bit per byte of a window: whether it is special, with a block's first byte in its lowest bit. A special byte
/// follows the last one, and one more block follows, so that each block has a next one.
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

    /// The place of the first special byte from `at` on; without one, a place behind the window.
    #[inline]
    pub(super) fn next(&self, at: usize) -> usize {
        let (block, bit) = (at / BLOCK, at % BLOCK);
        let blocks = self.0.get(block..).and_then(<[u64]>::first_chunk);
        let Some([bits, next]) = blocks else { return at };
        // As many bits as a block has, from `at` on: few texts are longer.
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

    /// The place of the first special byte, from each byte on.
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
    fn finds_the_next_special_byte_wherever_it_stands() {
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
    fn knows_what_is_special() {
        let every: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(all(&every), one_by_one(&every));
        let backwards: Vec<u8> = (0..=u8::MAX).rev().collect();
        assert_eq!(all(&backwards), one_by_one(&backwards));
    }
}
