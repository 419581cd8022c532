//! Which resources a resource refers to (hl7.org/fhir/R4/references.html).
//!
//! Knows literal references: `Type/id`, absolute URLs that end so, and `urn:uuid:id`. Fragments (`#id`) stay within the
//! resource and logical references (an identifier alone) name nothing in a record; both are passed over.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::lenient::{Lenient, Object};

/// Adds to `chosen` whatever its members refer to, directly or through others. Numbers are places in `resources`.
pub(crate) fn add_referenced(resources: &[&RawValue], chosen: &mut BTreeSet<usize>) {
    let directory = Directory::of(resources);
    let mut unread: Vec<usize> = chosen.iter().copied().collect();
    while let Some(place) = unread.pop() {
        let Some(resource) = resources.get(place) else { continue };
        for reference in literal_references(resource) {
            unread.extend(directory.find(&reference).filter(|found| chosen.insert(*found)));
        }
    }
}

/// Where the resources of a record are, by id. An id is unique per type only.
struct Directory(BTreeMap<String, Vec<(String, usize)>>);

impl Directory {
    fn of(resources: &[&RawValue]) -> Self {
        let mut places: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
        for (place, resource) in resources.iter().enumerate() {
            if let Some((name, id)) = identity(resource) {
                places.entry(id).or_default().push((name, place));
            }
        }
        Self(places)
    }

    fn find(&self, reference: &str) -> impl Iterator<Item = usize> {
        let (name, id) = target(reference);
        let places = self.0.get(id).into_iter().flatten();
        places
            .filter(move |(found, _)| name.is_none_or(|name| name == found))
            .map(|(_, place)| *place)
    }
}

/// Type (none in a `urn:`) and id a literal reference names.
fn target(reference: &str) -> (Option<&str>, &str) {
    let reference = reference
        .split_once("/_history/")
        .map_or(reference, |(unversioned, _)| unversioned);
    match reference.rsplit_once('/') {
        Some((before, id)) => (Some(before.rsplit_once('/').map_or(before, |(_, name)| name)), id),
        None => (None, reference.rsplit_once(':').map_or(reference, |(_, id)| id)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    resource_type: Lenient<String>,
    #[serde(default)]
    id: Lenient<String>,
}

fn identity(resource: &RawValue) -> Option<(String, String)> {
    let Object(identity) = serde_json::from_str::<Object<Identity>>(resource.get()).ok()?;
    Some((identity.resource_type.into_inner()?, identity.id.into_inner()?))
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
        // Nested deeper than the reader follows, or text it cannot decode: what was found so far still counts.
        Err(_) => found,
    }
}

/// Goes through any JSON value and collects the strings named `reference`.
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
    fn names_type_and_id() {
        assert_eq!(target("Patient/7"), (Some("Patient"), "7"));
        assert_eq!(
            target("https://hie.example.test/fhir/Patient/7/_history/2"),
            (Some("Patient"), "7")
        );
        assert_eq!(target("urn:uuid:60c529cb"), (None, "60c529cb"));
    }
}
