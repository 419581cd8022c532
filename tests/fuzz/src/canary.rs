//! The word that marks outside input. Most invented texts contain it, and the system's own output must never contain
//! it.

/// [`shared`] does not take it for a word: it may keep words of Metriport that look like codes, and those never contain
/// `~`.
pub const CANARY: &str = "cAn~ArY9q7Z";

/// Whether a text repeats a part of the input.
#[must_use]
pub fn is_in(text: &str) -> bool {
    text.contains(CANARY)
}
