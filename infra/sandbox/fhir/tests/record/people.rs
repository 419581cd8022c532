//! Generated records of people of all ages, and how to read them.

use jiff::civil::{Date, date};
use sandbox_fhir::{Gender, NetworkRecord, generate};
use serde_json::Value;

use crate::support::{TODAY, person};

/// Every resource of a record as JSON.
pub fn parsed(record: &NetworkRecord) -> Vec<Value> {
    record
        .resources()
        .map(|resource| serde_json::from_str(resource.get()).unwrap())
        .collect()
}

/// Records of all ages, several seeds each, with the seed and the date of birth.
pub fn samples() -> Vec<(u64, Date, NetworkRecord)> {
    let births = [
        date(2025, 6, 18),
        date(2024, 1, 31),
        date(2016, 2, 29),
        date(2008, 5, 5),
        date(1994, 9, 30),
        date(1961, 4, 12),
    ];
    let mut samples = Vec::new();
    for (number, birth) in births.into_iter().enumerate() {
        let gender = [Gender::Female, Gender::Male, Gender::Other][number % 3];
        samples.extend((0..8).map(|seed| (seed, birth, generate(seed, &person(birth, gender), TODAY))));
    }
    samples
}

/// How many resources have the type.
pub fn count(resources: &[Value], name: &str) -> usize {
    resources
        .iter()
        .filter(|resource| resource["resourceType"] == name)
        .count()
}

/// The codes a concept has in one code system.
pub fn codes(resource: &Value, field: &str, system: &str) -> Vec<String> {
    let codings = resource[field]["coding"].as_array().cloned().unwrap_or_default();
    let of_system = codings.into_iter().filter(|coding| coding["system"] == system);
    of_system
        .map(|coding| coding["code"].as_str().unwrap().to_owned())
        .collect()
}
