//! Compares the name that a caller enters with the name in their token. Differences in case, accents, punctuation and
//! order do not count.
//!
//! Two names are equal or different; no distance is computed. The comparison therefore also works on keyed hashes of
//! the names in their compared form. `docs/name-comparison.md` lists hard pairs with their verdicts.

use std::collections::BTreeSet;

use icu_normalizer::DecomposingNormalizer;
use serde::{Deserialize, Serialize};

/// A name in its compared form: as texts, or as hashes of these.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NameKey<T = String> {
    /// The set of parts: sorted, and separated by line feeds.
    parts: T,
    /// The parts in the written order, without separators, so that `McDonald` and `Mc Donald` are equal.
    joined: T,
    /// The generation: senior 1, junior or second 2, and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<T>,
}

impl NameKey {
    /// The compared form of a name; `None` if the name has no letter or digit.
    pub(super) fn of(name: &str) -> Option<Self> {
        let folded = fold(name);
        let mut parts: Vec<&str> = folded
            .split(|character: char| !character.is_alphanumeric())
            .filter(|part| !part.is_empty())
            .collect();
        // A suffix must follow another part: `Senior` alone is a name.
        let generation = (parts.len() > 1)
            .then(|| parts.last().copied().and_then(generation))
            .flatten();
        if generation.is_some() {
            parts.pop();
        }
        (!parts.is_empty()).then(|| Self {
            joined: parts.concat(),
            parts: Vec::from_iter(BTreeSet::from_iter(parts)).join("\n"),
            generation: generation.map(|number| number.to_string()),
        })
    }

    /// Changes each text; `change` also gets the name of its field.
    pub(super) fn map<T>(self, change: impl Fn(&str, String) -> T) -> NameKey<T> {
        NameKey {
            parts: change("parts", self.parts),
            joined: change("joined", self.joined),
            generation: self.generation.map(|generation| change("generation", generation)),
        }
    }
}

impl<T: PartialEq> NameKey<T> {
    /// Whether both names are equal. A generation counts only if both names state one.
    pub(super) fn matches(&self, other: &Self) -> bool {
        let generations = match (&self.generation, &other.generation) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        generations && (self.parts == other.parts || self.joined == other.joined)
    }
}

/// Whether two texts are the same name.
#[must_use]
pub fn are_equal(one: &str, other: &str) -> bool {
    match (NameKey::of(one), NameKey::of(other)) {
        (Some(one), Some(other)) => one.matches(&other),
        _ => false,
    }
}

/// The name in lower case, without accents and apostrophes. A letter that has no decomposition becomes its usual
/// replacement.
fn fold(name: &str) -> String {
    let lower = name.to_lowercase();
    let decomposed = DecomposingNormalizer::new_nfkd().normalize(&lower);
    let mut folded = String::with_capacity(decomposed.len());
    for character in decomposed.chars() {
        match character {
            // Accents of Latin, Greek and Cyrillic. The marks of other scripts stay: they are vowels, which make names
            // different.
            '\u{300}'..='\u{36f}' => {}
            // Apostrophes, including the okina and the characters that people type instead.
            '\'' | '`' | '\u{b4}' | '\u{2b9}'..='\u{2bf}' | '\u{2018}' | '\u{2019}' | '\u{2032}' => {}
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ŋ' => folded.push_str("ng"),
            character => folded.push(character),
        }
    }
    folded
}

fn generation(part: &str) -> Option<u8> {
    match part {
        "sr" | "senior" => Some(1),
        "jr" | "junior" | "ii" | "2nd" => Some(2),
        "iii" | "3rd" => Some(3),
        "iv" | "4th" => Some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn name_without_letters_or_digits_never_matches() {
        for nothing in ["", " ", "-", "'", "…"] {
            assert!(!are_equal(nothing, nothing), "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn comparison_is_symmetric_and_reflexive(one in "[\\w' .-]{0,12}", other in "[\\w' .-]{0,12}") {
            prop_assert_eq!(are_equal(&one, &other), are_equal(&other, &one));
            prop_assert_eq!(are_equal(&one, &one), NameKey::of(&one).is_some());
        }
    }
}
