//! The word that marks what came from outside. It stands in most texts that generators invent, and must stand in
//! nothing that the system says about them.

/// Not a word to [`shared`]: words of upstream's that look like codes may be kept, and `~` is in none of them.
pub const CANARY: &str = "cAn~ArY9q7Z";

/// Whether a text repeats something of the input.
#[must_use]
pub fn is_in(text: &str) -> bool {
    text.contains(CANARY)
}
