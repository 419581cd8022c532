//! What is asked of a consolidated query, and whether a delivery answers it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{PatientId, UpstreamRequestId};

/// The form a record comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Conversion {
    /// A FHIR R4 Bundle.
    #[default]
    Json,
    /// A PDF document.
    Pdf,
    /// An HTML page.
    Html,
}

impl Conversion {
    /// Metriport's word, the value of `conversionType`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pdf => "pdf",
            Self::Html => "html",
        }
    }

    /// The media type of the stored object.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json",
            Self::Pdf => "application/pdf",
            Self::Html => "text/html",
        }
    }
}

/// What is asked: a form, and filters that narrow the record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The form.
    #[serde(rename = "conversionType")]
    pub conversion: Conversion,
    /// FHIR resource types; empty for all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<String>,
    /// First day, `YYYY-MM-DD`, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_from: Option<String>,
    /// Last day, `YYYY-MM-DD`, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_to: Option<String>,
}

/// What is wrong with what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// Not one of [`RESOURCE_TYPES`].
    #[error("a resource type that consolidated queries do not take")]
    Resource(usize),
    /// Not a calendar date.
    #[error("a date YYYY-MM-DD")]
    DateFrom,
    /// Not a calendar date, or before the first day.
    #[error("a date YYYY-MM-DD, not before dateFrom")]
    DateTo,
}

impl Asked {
    /// Checks what a person asks for.
    ///
    /// # Errors
    /// The first part that upstream would refuse.
    pub fn parse(
        conversion: Conversion,
        resources: &[String],
        date_from: Option<&str>,
        date_to: Option<&str>,
    ) -> Result<Self, AskedError> {
        let unknown = resources
            .iter()
            .position(|name| !RESOURCE_TYPES.contains(&name.as_str()));
        if let Some(index) = unknown {
            return Err(AskedError::Resource(index));
        }
        if date_from.is_some_and(|date| !is_date(date)) {
            return Err(AskedError::DateFrom);
        }
        if date_to.is_some_and(|date| !is_date(date) || date_from.is_some_and(|from| date < from)) {
            return Err(AskedError::DateTo);
        }
        Ok(Self {
            conversion,
            resources: resources.iter().cloned().collect(),
            date_from: date_from.map(str::to_owned),
            date_to: date_to.map(str::to_owned),
        })
    }

    /// Whether a delivery's `filters` contradict nothing of what we asked. Upstream joins resources by comma. A filter
    /// that is absent or empty says nothing: the page `handling-data/webhooks-with-nq` does not list all of them.
    #[must_use]
    pub fn agrees_with(&self, filters: &BTreeMap<String, String>) -> bool {
        let filter = |name: &str| {
            filters
                .get(name)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let is = |name: &str, asked: Option<&str>| filter(name).is_none_or(|value| Some(value) == asked);
        let resources = filter("resources").map(|names| names.split(',').map(str::trim).collect::<BTreeSet<_>>());
        let asked = self.resources.iter().map(String::as_str).collect();
        resources.is_none_or(|names| names == asked)
            && is("dateFrom", self.date_from.as_deref())
            && is("dateTo", self.date_to.as_deref())
            && is("conversionType", Some(self.conversion.as_str()))
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// What a `medical.consolidated-data` webhook says, but for its links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The consolidated query it answers.
    pub request: Option<UpstreamRequestId>,
    /// The patient it names.
    pub patient: PatientId,
    /// The patient its document is about.
    pub subject: Option<PatientId>,
    /// The filters it was made with.
    pub filters: BTreeMap<String, String>,
    /// Whether it carries a link.
    pub has_link: bool,
}

/// The resource types that consolidated queries are documented to take (docs.metriport.com, page
/// `fhir/consolidated-data-query-post`). Referenced resources are added by upstream.
pub const RESOURCE_TYPES: [&str; 24] = [
    "AllergyIntolerance",
    "Binary",
    "Communication",
    "Composition",
    "Condition",
    "Consent",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "FamilyMemberHistory",
    "Goal",
    "Immunization",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Practitioner",
    "Procedure",
    "Provenance",
    "RelatedPerson",
    "ServiceRequest",
];
