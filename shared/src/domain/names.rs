//! Compares a name that a caller enters with the name in their token, without the habits of writing it.
//!
//! Two names are equal or they are not: no distance is computed, so that keyed hashes of the three parts of a
//! [`NameKey`] could be compared in place of the names. `docs/name-comparison.md` lists hard pairs with their verdicts.

use std::collections::BTreeSet;

use icu_normalizer::DecomposingNormalizer;

/// A name as it is compared.
#[derive(Clone, PartialEq, Eq)]
pub struct NameKey {
    /// The parts, in any order.
    parts: BTreeSet<String>,
    /// The parts as they were written, without what stood between them: `McDonald` and `Mc Donald` are equal.
    joined: String,
    /// Which of those with the same name: senior 1, junior or the second 2, and so on.
    generation: Option<u8>,
}

impl NameKey {
    /// The key of a name; `None` if it has no letter or digit.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let folded = fold(name);
        let mut parts: Vec<&str> = folded
            .split(|character: char| !character.is_alphanumeric())
            .filter(|part| !part.is_empty())
            .collect();
        // A suffix follows a name: `Senior` alone is somebody's name.
        let generation = (parts.len() > 1)
            .then(|| parts.last().copied().and_then(generation))
            .flatten();
        if generation.is_some() {
            parts.pop();
        }
        (!parts.is_empty()).then(|| Self {
            joined: parts.concat(),
            parts: parts.into_iter().map(str::to_owned).collect(),
            generation,
        })
    }

    /// Whether both are one name. A generation that only one of them states says nothing.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let generations = match (self.generation, other.generation) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        generations && (self.parts == other.parts || self.joined == other.joined)
    }
}

/// Whether two texts are one name.
#[must_use]
pub fn are_equal(one: &str, other: &str) -> bool {
    match (NameKey::of(one), NameKey::of(other)) {
        (Some(one), Some(other)) => one.matches(&other),
        _ => false,
    }
}

/// Lower case, without accents and apostrophes, and letters that have no decomposition in the usual two.
fn fold(name: &str) -> String {
    let lower = name.to_lowercase();
    let decomposed = DecomposingNormalizer::new_nfkd().normalize(&lower);
    let mut folded = String::with_capacity(decomposed.len());
    for character in decomposed.chars() {
        match character {
            // Accents of Latin, Greek and Cyrillic. Marks of other scripts are vowels, which tell names apart.
            '\u{300}'..='\u{36f}' => {}
            // Apostrophes, the okina among them, also as people type them.
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

/// The generation that a suffix states.
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
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::claims::ClaimRules;
    use crate::domain::{Demographics, Time};

    const PAGE: &str = include_str!("../../../docs/name-comparison.md");

    /// The rows of the page's table, cell by cell.
    fn rows() -> Vec<Vec<&'static str>> {
        let rows = PAGE.lines().filter(|line| line.starts_with("| "));
        let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
        // The first row has the headings.
        rows.map(cells).skip(1).collect()
    }

    fn demographics(first: &str, last: &str, born: &str) -> Demographics {
        let body = serde_json::json!({
            "firstName": first, "lastName": last, "dob": born, "genderAtBirth": "F",
            "address": {"addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402"},
            "contact": {"phone": "9375550142"}
        });
        let now = Time::parse("2026-01-01T00:00:00Z").unwrap();
        Demographics::parse(body.to_string().as_bytes(), now).unwrap()
    }

    #[test]
    fn every_hard_pair_has_the_verdict_of_the_page() {
        let rules = ClaimRules::parse("firstName=given_name,lastName=family_name,dob=birthdate").unwrap();
        let (mut same, mut different) = (0, 0);
        for row in rows() {
            let [first, last, born, given, family, birthdate, verdict, why] = row[..] else {
                panic!("a row of eight cells: {row:?}")
            };
            let claims = [("given_name", given), ("family_name", family), ("birthdate", birthdate)];
            let claims: BTreeMap<_, _> = claims.map(|(name, said)| (name.to_owned(), said.to_owned())).into();
            let holds = rules.hold(&demographics(first, last, born), &claims);
            assert_eq!(holds, verdict == "same", "{why}: {row:?}");
            assert!(["same", "different"].contains(&verdict), "{row:?}");
            *(if holds { &mut same } else { &mut different }) += 1;
        }
        assert!(same >= 20 && different >= 15, "{same} alike, {different} not");
    }

    #[test]
    fn a_name_without_a_letter_equals_nothing() {
        for nothing in ["", " ", "-", "'", "…"] {
            assert!(!are_equal(nothing, nothing), "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn comparison_is_symmetric_and_blind_to_case(one in "[\\w' .-]{0,12}", other in "[\\w' .-]{0,12}") {
            prop_assert_eq!(are_equal(&one, &other), are_equal(&other, &one));
            prop_assert_eq!(are_equal(&one, &one), NameKey::of(&one).is_some());
        }
    }
}
