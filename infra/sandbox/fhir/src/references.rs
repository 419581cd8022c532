//! Finds the resources that a resource refers to (hl7.org/fhir/R4/references.html).
//!
//! The module knows literal references: `Type/id`, absolute URLs that end with `Type/id`, and `urn:uuid:id`. It skips
//! fragments (`#id`), which name a part of the same resource, and logical references (an identifier alone).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::entry::Entry;

/// Types that Metriport adds to a filtered record if the kept resources refer to them (docs.metriport.com, page
/// `api-reference/fhir/consolidated-data-query-post`), and Patient, which Metriport always adds.
const FILLED_UP: [&str; 9] = [
    "Device",
    "Location",
    "Medication",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Specimen",
    "Substance",
];

/// Adds to `chosen` every resource of a type in [`FILLED_UP`] that a chosen resource refers to, directly or through
/// other resources. `chosen` holds indexes into `entries`.
pub(crate) fn add_referenced(entries: &[&Entry], chosen: &mut BTreeSet<usize>) {
    let directory = Directory::of(entries);
    let mut unread: Vec<usize> = chosen.iter().copied().collect();
    while let Some(place) = unread.pop() {
        let Some(entry) = entries.get(place) else { continue };
        for reference in literal_references(entry.resource()) {
            unread.extend(directory.find(&reference).filter(|found| chosen.insert(*found)));
        }
    }
}

/// Indexes of the resources that may be added, by `fullUrl` and by id. An id is unique only within its type, so `by_id`
/// also lists the types.
struct Directory<'a> {
    by_url: BTreeMap<String, usize>,
    by_id: BTreeMap<&'a str, Vec<(&'a str, usize)>>,
}

impl<'a> Directory<'a> {
    fn of(entries: &[&'a Entry]) -> Self {
        let mut directory = Self {
            by_url: BTreeMap::new(),
            by_id: BTreeMap::new(),
        };
        let entries = entries.iter().enumerate();
        for (place, entry) in entries.filter(|(_, entry)| FILLED_UP.contains(&entry.resource_type())) {
            directory.by_url.extend(entry.full_url().map(|url| (url, place)));
            if let Some(id) = entry.id() {
                let places = directory.by_id.entry(id).or_default();
                places.push((entry.resource_type(), place));
            }
        }
        directory
    }

    fn find(&self, reference: &str) -> impl Iterator<Item = usize> {
        let (name, id) = target(reference);
        let places = self.by_id.get(id).into_iter().flatten();
        let by_id = places
            .filter(move |(found, _)| name.is_none_or(|name| name == *found))
            .map(|(_, place)| *place);
        self.by_url.get(reference).copied().into_iter().chain(by_id)
    }
}

/// Type and id that a literal reference names; a `urn:` does not name a type.
fn target(reference: &str) -> (Option<&str>, &str) {
    let reference = reference
        .split_once("/_history/")
        .map_or(reference, |(unversioned, _)| unversioned);
    match reference.rsplit_once('/') {
        Some((before, id)) => (Some(before.rsplit_once('/').map_or(before, |(_, name)| name)), id),
        None => (None, reference.rsplit_once(':').map_or(reference, |(_, id)| id)),
    }
}

fn literal_references(resource: &RawValue) -> Vec<String> {
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(resource.get());
    match (Walk {
        found: &mut found,
        in_reference: false,
    })
    .deserialize(&mut reader)
    {
        Ok(()) => found,
        // The text is nested too deeply or cannot be decoded. The references before the error still count.
        Err(_) => found,
    }
}

/// Walks through any JSON value and collects the strings under the name `reference`.
struct Walk<'a> {
    found: &'a mut Vec<String>,
    in_reference: bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.in_reference && !text.starts_with('#') {
            self.found.push(text.to_owned());
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<str>>()? {
            map.next_value_seed(Walk {
                found: self.found,
                in_reference: key == "reference",
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq
            .next_element_seed(Walk {
                found: self.found,
                in_reference: false,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn target_names_type_and_id() {
        assert_eq!(target("Patient/7"), (Some("Patient"), "7"));
        assert_eq!(
            target("https://hie.example.test/fhir/Patient/7/_history/2"),
            (Some("Patient"), "7")
        );
        assert_eq!(target("urn:uuid:60c529cb"), (None, "60c529cb"));
    }
}
