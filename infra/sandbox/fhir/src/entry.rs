//! One entry of a Bundle: a resource with the `fullUrl` by which other resources refer to it.
//!
//! An entry without a `fullUrl` gets one from the resource's id: `urn:uuid:` with a UUID, or `urn:id:` with any other
//! id. Metriport's public code does the same (`buildFullUrl`).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::lenient::{Lenient, Object};

/// A resource, kept as its original text. It has no `Debug`, because it is a person's record.
#[derive(Clone)]
pub struct Entry {
    /// The `fullUrl` as JSON text, quotes included.
    full_url: Option<Box<RawValue>>,
    resource_type: String,
    id: Option<String>,
    resource: Box<RawValue>,
}

impl Entry {
    /// Creates an entry. A `fullUrl` that is not a JSON string is dropped.
    pub(crate) fn named(resource: Box<RawValue>, full_url: Option<Box<RawValue>>) -> Self {
        let identity = serde_json::from_str::<Object<Identity>>(resource.get()).ok();
        let (resource_type, id) = identity.map_or((None, None), |Object(identity)| {
            (identity.resource_type.into_inner(), identity.id.into_inner())
        });
        Self {
            full_url: full_url.filter(|url| serde_json::from_str::<String>(url.get()).is_ok()),
            resource_type: resource_type.unwrap_or_default(),
            id,
            resource,
        }
    }

    /// The `resourceType`; empty if the resource has none.
    #[must_use]
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// The text of the resource.
    #[must_use]
    pub fn resource(&self) -> &RawValue {
        &self.resource
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether the resource is a Patient.
    pub fn is_patient(&self) -> bool {
        self.resource_type == "Patient"
    }

    pub(crate) fn full_url_text(&self) -> Option<&str> {
        self.full_url.as_deref().map(RawValue::get)
    }

    pub(crate) fn full_url(&self) -> Option<String> {
        serde_json::from_str(self.full_url_text()?).ok()
    }

    /// Applies `change` to the id, the `fullUrl` and the resource's text. A text that would no longer be JSON stays
    /// unchanged.
    pub(crate) fn change_texts(self, change: impl Fn(&str) -> String) -> Self {
        let change_json = |json: Box<RawValue>| RawValue::from_string(change(json.get())).unwrap_or(json);
        Self {
            full_url: self.full_url.map(change_json),
            id: self.id.map(|id| change(&id)),
            resource: change_json(self.resource),
            ..self
        }
    }

    /// Replaces the resource's text, unless the new text is not JSON.
    pub(crate) fn with_text(mut self, text: String) -> Self {
        if let Ok(resource) = RawValue::from_string(text) {
            self.resource = resource;
        }
        self
    }

    fn derive_full_url(&self) -> Option<String> {
        let id = self.id()?;
        Some(match uuid::Uuid::try_parse(id) {
            Ok(_) => format!("urn:uuid:{id}"),
            Err(_) => format!("urn:id:{id}"),
        })
    }
}

/// Derives the `fullUrl` from the resource's id.
impl From<Box<RawValue>> for Entry {
    fn from(resource: Box<RawValue>) -> Self {
        let mut entries = [Self::named(resource, None)];
        name_unnamed(&mut entries);
        let [entry] = entries;
        entry
    }
}

/// Gives each entry without a `fullUrl` the one derived from its id, unless another entry already has it. A `fullUrl`
/// is unique within a Bundle (`bdl-7`, hl7.org/fhir/R4/bundle.html).
pub(crate) fn name_unnamed(entries: &mut [Entry]) {
    let mut taken: BTreeSet<String> = entries.iter().filter_map(Entry::full_url).collect();
    for entry in entries.iter_mut().filter(|entry| entry.full_url.is_none()) {
        let derived = entry.derive_full_url().filter(|url| taken.insert(url.clone()));
        entry.full_url = derived.and_then(|url| to_raw_value(&url).ok());
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
