//! How far a JSON text is plain: most of a record lies inside of texts, so this decides how fast it is read.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many bytes there are before the next quote, backslash or control character.
#[inline]
pub(super) fn plain_bytes(text: &[u8]) -> usize {
    // The usual text is short.
    if let Some([one, two]) = text.as_chunks::<8>().0.first_chunk::<2>() {
        match specials(u64::from_le_bytes(*one)) {
            0 => {}
            found => return first(found),
        }
        match specials(u64::from_le_bytes(*two)) {
            0 => {}
            found => return 8 + first(found),
        }
        return 16 + many_plain_bytes(text.get(16..).unwrap_or_default());
    }
    many_plain_bytes(text)
}

/// The same for a longer text, such as a document in base64, of which whole blocks are looked at.
#[inline(never)]
fn many_plain_bytes(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    let mut before = 0;
    for word in words.iter().take(4) {
        match specials(u64::from_le_bytes(*word)) {
            0 => before += 8,
            found => return before + first(found),
        }
    }
    let (blocks, _) = text.get(before..).unwrap_or_default().as_chunks::<64>();
    before += 64 * blocks.iter().take_while(|block| is_plain(block)).count();
    for word in words.iter().skip(before / 8) {
        match specials(u64::from_le_bytes(*word)) {
            0 => before += 8,
            found => return before + first(found),
        }
    }
    before + tail.iter().take_while(|byte| !is_special(**byte)).count()
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\')
}

/// Without a branch for each byte, so that the compiler looks at many of them at once.
fn is_plain(block: &[u8; 64]) -> bool {
    let special = block.iter().fold(false, |found, byte| found | is_special(*byte));
    !special
}

/// A word in which the highest bit of the first special byte is set, and no bit below it: "determine if a word has a
/// byte less than n" of graphics.stanford.edu/~seander/bithacks.html. What is set above it may be none.
const fn specials(word: u64) -> u64 {
    let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGH
}

const fn first(specials: u64) -> usize {
    specials.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_special_byte_wherever_it_stands() {
        for length in 0..200 {
            assert_eq!(plain_bytes(&vec![b'a'; length]), length);
            for at in 0..length {
                for special in [0, b'\n', 0x1f, b'"', b'\\'] {
                    let mut text = vec![b'a'; length];
                    text[at..].fill(special);
                    assert_eq!(plain_bytes(&text), at, "{special} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn every_other_byte_is_plain() {
        for byte in 0..=u8::MAX {
            let plain = !(byte < 0x20 || byte == b'"' || byte == b'\\');
            for length in [1, 8, 32, 100] {
                let text = vec![byte; length];
                assert_eq!(plain_bytes(&text), if plain { length } else { 0 }, "{byte}");
            }
        }
    }
}
