//! The random choices of the generators.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Seeded choices. Each input number of an entry has its own stream, so that one input can be generated again without
/// those before it.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The choices of one input.
    #[must_use]
    pub fn of_input(seed: u64, entry: &str, number: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed ^ digest(entry.as_bytes()));
        dice.set_stream(number);
        Self(dice)
    }

    /// Choices seeded by the input itself. An entry uses them while it judges, so that the same input is always judged
    /// alike.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(ChaCha8Rng::seed_from_u64(digest(bytes)))
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.0.random_range(0..bound) }
    }

    /// True once in `times` calls, on average.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.0.random_range(0..=u8::MAX)
    }

    /// Any number.
    pub fn number(&mut self) -> i64 {
        self.0.random_range(i64::MIN..=i64::MAX)
    }

    /// One of the items.
    #[expect(clippy::indexing_slicing, reason = "the index is drawn below the length")]
    pub fn pick<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        const { assert!(N > 0, "the list is empty") };
        items[self.below(N)]
    }
}

/// FNV-1a, which needs neither key nor crate.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
