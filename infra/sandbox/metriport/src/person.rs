//! The person a generated record is about, out of a patient.

use sandbox_fhir::{Address, Gender, Person};
use sha2::{Digest as _, Sha256};

use crate::patient::Patient;

/// The seed of a person's record: one person has one record, however often the patient is created.
pub(crate) fn seed(run: u64, patient: &Patient) -> u64 {
    let who = &patient.demographics;
    let text = format!("{run}\n{}\n{}\n{}", who.first_name, who.last_name, who.dob);
    Sha256::digest(text.as_bytes())
        .iter()
        .take(8)
        .fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// The person in the generator's words.
pub(crate) fn of(patient: &Patient) -> Person {
    let who = &patient.demographics;
    Person {
        id: patient.id.clone(),
        given: who.first_name.clone(),
        family: who.last_name.clone(),
        birth_date: who.dob.parse().unwrap_or_default(),
        gender: gender(&who.gender_at_birth),
        address: address(patient),
        phone: who.contact.iter().find_map(|contact| contact.phone.clone()),
        email: who.contact.iter().find_map(|contact| contact.email.clone()),
    }
}

fn gender(word: &str) -> Gender {
    match word {
        "F" => Gender::Female,
        "M" => Gender::Male,
        "O" => Gender::Other,
        _ => Gender::Unknown,
    }
}

fn address(patient: &Patient) -> Address {
    let first = patient.demographics.address.first();
    let part = |pick: fn(&crate::address::Address) -> &String| first.map(pick).cloned().unwrap_or_default();
    Address {
        line: part(|address| &address.address_line1),
        city: part(|address| &address.city),
        state: part(|address| &address.state),
        zip: part(|address| &address.zip),
    }
}
