//! Binds the entered name and birth date to claims of the caller's own token.

use std::collections::BTreeMap;

use super::{Demographics, names};

/// The fields that must match a claim, each with its claim. The parameter `DemographicsClaims` is any subset of
/// `firstName=given_name,lastName=family_name,dob=birthdate`, or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimRules(Vec<(Field, String)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    FirstName,
    LastName,
    Dob,
}

/// The parameter `DemographicsClaims` is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("DemographicsClaims must be a comma-separated list of firstName=CLAIM, lastName=CLAIM, dob=CLAIM")]
pub struct ClaimRulesError;

impl ClaimRules {
    /// Reads the parameter `DemographicsClaims`.
    ///
    /// # Errors
    /// Fails if a part is not `FIELD=CLAIM` with a known field.
    pub fn parse(text: &str) -> Result<Self, ClaimRulesError> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(rule)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether every bound field matches its claim: names by [`names::are_equal`], the birth date exactly. A missing
    /// claim does not match, because an unchecked field must not pass.
    #[must_use]
    pub fn hold(&self, demographics: &Demographics, claims: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(field, claim)| {
            claims.get(claim).is_some_and(|value| match field {
                Field::FirstName => names::are_equal(demographics.first_name(), value),
                Field::LastName => names::are_equal(demographics.last_name(), value),
                Field::Dob => demographics.dob() == value.trim(),
            })
        })
    }
}

fn rule(part: &str) -> Result<(Field, String), ClaimRulesError> {
    let (field, claim) = part.split_once('=').ok_or(ClaimRulesError)?;
    let field = match field.trim() {
        "firstName" => Field::FirstName,
        "lastName" => Field::LastName,
        "dob" => Field::Dob,
        _ => return Err(ClaimRulesError),
    };
    let claim = claim.trim();
    if claim.is_empty() {
        Err(ClaimRulesError)
    } else {
        Ok((field, claim.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    const PAGE: &str = include_str!("../../../docs/name-comparison.md");

    /// The rows of the table in `docs/name-comparison.md`, each as its cells.
    fn rows() -> Vec<Vec<&'static str>> {
        let rows = PAGE.lines().filter(|line| line.starts_with("| "));
        let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
        // The first row holds the headings.
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
    fn missing_or_different_claim_does_not_match() {
        let rules = ClaimRules::parse("firstName=given_name, dob=birthdate").unwrap();
        let claims = |name: &str| {
            BTreeMap::from([
                ("given_name".to_owned(), name.to_owned()),
                ("birthdate".to_owned(), "1984-07-19".to_owned()),
            ])
        };
        let nora = demographics("Nora", "Quill", "1984-07-19");
        assert!(rules.hold(&nora, &claims(" NORA ")));
        assert!(!rules.hold(&nora, &claims("Norah")));
        assert!(!rules.hold(&nora, &BTreeMap::new()));
        assert!(ClaimRules::default().hold(&nora, &BTreeMap::new()));
    }

    #[test]
    fn names_match_as_the_page_of_hard_pairs_states() {
        let rules = ClaimRules::parse("firstName=given_name,lastName=family_name,dob=birthdate").unwrap();
        let (mut same, mut different) = (0, 0);
        for row in rows() {
            let [first, last, born, given, family, birthdate, verdict, why] = row[..] else {
                panic!("a row of eight cells: {row:?}")
            };
            let claims = [("given_name", given), ("family_name", family), ("birthdate", birthdate)];
            let claims: BTreeMap<_, _> = claims.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let holds = rules.hold(&demographics(first, last, born), &claims);
            assert_eq!(holds, verdict == "same", "{why}: {row:?}");
            assert!(["same", "different"].contains(&verdict), "{row:?}");
            *(if holds { &mut same } else { &mut different }) += 1;
        }
        assert!(same >= 20 && different >= 15, "{same} alike, {different} not");
    }

    #[test]
    fn unknown_field_or_empty_claim_is_refused() {
        for bad in ["firstName", "ssn=claim", "dob="] {
            assert_eq!(ClaimRules::parse(bad), Err(ClaimRulesError));
        }
    }
}
