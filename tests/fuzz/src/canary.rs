//! The canary: a word that marks input from outside. Most generated texts contain it, and the system's own output must
//! never contain it.

/// It contains `~`, because [`shared`] may keep words of Metriport that look like codes, and codes never contain `~`.
pub const CANARY: &str = "cAn~ArY9q7Z";

/// Whether a text contains the canary.
#[must_use]
pub fn is_in(text: &str) -> bool {
    text.contains(CANARY)
}
