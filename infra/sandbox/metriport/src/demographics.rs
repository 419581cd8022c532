//! Reads and compares demographics by the rules of `POST /medical/v1/patient` (docs.metriport.com, page
//! `api-reference/patient/create-patient`; validation as in the published SDK).
//!
//! Unknown fields are dropped silently, as at Metriport.

use serde::Serialize;
use serde_json::Value;

use crate::address::{Address, Contact, text};
use crate::envelope::{Issues, Refusal};

/// Lowest score at which two sets of demographics count as one person's.
const SAME_PERSON_SCORE: f64 = 0.96;

#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Demographics {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) dob: String,
    pub(crate) gender_at_birth: String,
    pub(crate) personal_identifiers: Vec<Value>,
    pub(crate) address: Vec<Address>,
    pub(crate) contact: Vec<Contact>,
}

impl Demographics {
    /// Reads the body of a patient create or update.
    pub(crate) fn read(body: &Value, today: jiff::civil::Date) -> Result<Self, Refusal> {
        let mut issues = Issues::default();
        let first_name = required_text(body, "firstName", &mut issues);
        let last_name = required_text(body, "lastName", &mut issues);
        let dob = read_dob(body, today, &mut issues);
        let gender_at_birth = read_gender(body, &mut issues);
        let address = read_addresses(body, &mut issues);
        let contact = read_contacts(body, &mut issues);
        let personal_identifiers = read_identifiers(body, &mut issues);
        let all = || {
            Some(Self {
                first_name: first_name?,
                last_name: last_name?,
                dob: dob?,
                gender_at_birth: gender_at_birth?,
                personal_identifiers,
                address,
                contact,
            })
        };
        issues.finish(all())
    }

    /// Whether Metriport would treat both as one person. Birth date and gender must be equal. Moreover, both must share
    /// an identifier, or their names, addresses and contacts must hardly differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.dob == other.dob
            && self.gender_at_birth == other.gender_at_birth
            && (self.shares_identifier(other) || self.score(other) >= SAME_PERSON_SCORE)
    }

    fn shares_identifier(&self, other: &Self) -> bool {
        let key = |identifier: &Value| (identifier.get("type").cloned(), identifier.get("value").cloned());
        self.personal_identifiers
            .iter()
            .any(|mine| other.personal_identifiers.iter().any(|its| key(mine) == key(its)))
    }

    /// Weighted likeness from 0 to 1. Contacts count only if both have some.
    fn score(&self, other: &Self) -> f64 {
        let mut parts = vec![
            (0.3, likeness(&self.first_name, &other.first_name)),
            (0.3, likeness(&self.last_name, &other.last_name)),
            (0.25, likeness(&first_text(&self.address), &first_text(&other.address))),
        ];
        if !self.contact.is_empty() && !other.contact.is_empty() {
            let shared = self
                .contact
                .iter()
                .any(|mine| other.contact.iter().any(|its| mine.overlaps(its)));
            parts.push((0.15, if shared { 1.0 } else { 0.5 }));
        }
        let weights: f64 = parts.iter().map(|(weight, _)| weight).sum();
        parts.iter().map(|(weight, part)| weight * part).sum::<f64>() / weights
    }
}

/// Whether the stand-in accepts a patient's body on the day `today`. A judge compares this with the published schema.
#[must_use]
pub fn takes_demographics(body: &Value, today: jiff::civil::Date) -> bool {
    Demographics::read(body, today).is_ok()
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_lowercase(), &b.to_lowercase())
}

fn first_text(addresses: &[Address]) -> String {
    addresses.first().map(Address::one_line).unwrap_or_default()
}

fn required_text(body: &Value, field: &str, issues: &mut Issues) -> Option<String> {
    issues.require(text(body, field), "Required", field)
}

/// A text field without surrounding white space; `None` if missing or empty.
pub(crate) fn trimmed(body: &Value, field: &str) -> Option<String> {
    let text = body.get(field)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn read_dob(body: &Value, today: jiff::civil::Date, issues: &mut Issues) -> Option<String> {
    let text = required_text(body, "dob", issues)?;
    let date: Option<jiff::civil::Date> = text.parse().ok().filter(|_| text.len() == 10);
    let date = date.filter(|date| date.year() >= 1900 && *date <= today);
    issues.require(date.map(|_| text), "Invalid date of birth", "dob")
}

/// Unlike the other fields, this one is not trimmed.
fn read_gender(body: &Value, issues: &mut Issues) -> Option<String> {
    let known = |word: &&str| ["F", "M", "O", "U"].contains(word);
    let gender = body.get("genderAtBirth").and_then(Value::as_str).filter(known);
    issues.require(gender.map(str::to_owned), "Invalid enum value", "genderAtBirth")
}

fn read_addresses(body: &Value, issues: &mut Issues) -> Vec<Address> {
    let items = one_or_many(body, "address");
    if items.is_empty() {
        issues.add("At least one address is required", "address");
    }
    let read = |(path, item): (String, &Value)| Address::read(item, &path, issues);
    items.into_iter().filter_map(read).collect()
}

fn read_contacts(body: &Value, issues: &mut Issues) -> Vec<Contact> {
    let items = one_or_many(body, "contact");
    let read = |(path, item): (String, &Value)| Contact::read(item, &path, issues);
    items.into_iter().filter_map(read).collect()
}

fn read_identifiers(body: &Value, issues: &mut Issues) -> Vec<Value> {
    let identifiers = one_or_many(body, "personalIdentifiers");
    for (path, identifier) in &identifiers {
        let has = |field| trimmed(identifier, field).is_some();
        let complete = match identifier.get("type").and_then(Value::as_str) {
            Some("ssn") => has("value"),
            Some("driversLicense") => has("value") && has("state"),
            _ => false,
        };
        if !complete {
            issues.add("Invalid input", path);
        }
    }
    identifiers
        .into_iter()
        .map(|(_, identifier)| identifier.clone())
        .collect()
}

/// A single value, or the items of an array. Each has its path as Metriport writes it, with commas between the parts.
fn one_or_many<'b>(body: &'b Value, field: &str) -> Vec<(String, &'b Value)> {
    match body.get(field) {
        None => Vec::new(),
        Some(Value::Array(items)) => {
            let at = |(index, item)| (format!("{field},{index}"), item);
            items.iter().enumerate().map(at).collect()
        }
        Some(single) => vec![(field.to_owned(), single)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn today() -> jiff::civil::Date {
        jiff::civil::date(2026, 11, 22)
    }

    fn body() -> Value {
        json!({
            "firstName": " Nora ", "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F", "middleName": "X",
            "address": { "addressLine1": "77 Birch Ln", "city": "Dayton", "state": "oh", "zip": "45402" },
            "contact": [{ "phone": "+1 (937) 555-0142" }],
        })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut changed = body();
        changed[field] = value;
        changed
    }

    fn read(body: &Value) -> Result<Demographics, Refusal> {
        Demographics::read(body, today())
    }

    #[test]
    fn good_body_is_normalised_without_unknown_fields() {
        let shown = serde_json::to_value(read(&body()).unwrap()).unwrap();
        assert_eq!(shown["firstName"], "Nora");
        assert_eq!(shown["address"][0]["state"], "OH");
        assert_eq!(shown["address"][0]["country"], "USA");
        assert_eq!(shown["contact"][0]["phone"], "9375550142");
        assert!(shown.get("middleName").is_none());
    }

    #[test]
    fn bad_fields_are_refused() {
        let bad = [
            ("firstName", json!(" ")),
            ("dob", json!("1899-12-31")),
            ("dob", json!("2026-11-23")),
            ("dob", json!("1984-7-19")),
            ("genderAtBirth", json!("female")),
            ("address", json!([])),
            ("contact", json!([{}])),
            (
                "personalIdentifiers",
                json!([{ "type": "driversLicense", "value": "1" }]),
            ),
        ];
        for (field, value) in bad {
            let refused = read(&with(field, value)).err().map(|refusal| refusal.status);
            assert_eq!(refused, Some(400), "{field}");
        }
        let refused = read(&with("address", json!([{ "zip": "1" }]))).err().unwrap();
        assert!(format!("{refused:?}").contains("Invalid zip, on [address,0,zip]"));
    }

    #[test]
    fn near_identical_people_match_and_others_do_not() {
        let nora = read(&body()).unwrap();
        assert!(nora.matches(&read(&with("lastName", json!("Quills"))).unwrap()));
        assert!(!nora.matches(&read(&with("firstName", json!("Iris"))).unwrap()));
        assert!(!nora.matches(&read(&with("dob", json!("1984-07-20"))).unwrap()));
    }

    #[test]
    fn shared_identifier_is_a_match() {
        let ssn = json!([{ "type": "ssn", "value": "900123456" }]);
        let mut renamed = with("personalIdentifiers", ssn.clone());
        renamed["firstName"] = json!("Iris");
        assert!(
            read(&with("personalIdentifiers", ssn))
                .unwrap()
                .matches(&read(&renamed).unwrap())
        );
    }
}
