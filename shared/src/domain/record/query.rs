//! The request for a consolidated record, and the comparison of a delivery with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::input::{Faults, Input};
use crate::domain::time::is_calendar_date;
use crate::domain::{PatientId, UpstreamRequestId};

/// The form of a record.
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
    /// The value of Metriport's parameter `conversionType`.
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

/// The request for a record: a form, and filters that narrow the content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct RecordQuery {
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

impl RecordQuery {
    /// Reads the body of `POST /v1/records`. Notes a fault for each part that Metriport would refuse.
    pub fn read(input: &Input<'_>, faults: &mut Faults) -> Option<Self> {
        const KNOWN: [&str; 4] = ["conversionType", "resources", "dateFrom", "dateTo"];
        const DATE_TO: &str = "a date YYYY-MM-DD, not before dateFrom";
        let fields = input.fields(&KNOWN, faults)?;
        let conversion = fields.required("conversionType", "one of json, pdf, html", faults, conversion);
        let resources = fields.optional("resources", "a list of FHIR resource types", faults, Input::items);
        let resources = resources.unwrap_or_default();
        let resources = resources
            .iter()
            .filter_map(|item| resource_type(item, faults))
            .collect();
        let date_from = fields.optional("dateFrom", "a date YYYY-MM-DD", faults, date);
        let date_to = fields.optional("dateTo", DATE_TO, faults, |input| {
            date(input).filter(|to| date_from.as_ref().is_none_or(|from| from <= to))
        });
        Some(Self {
            conversion: conversion?,
            resources,
            date_from,
            date_to,
        })
    }

    /// Whether a delivery's `filters` agree with our request. Metriport joins several resources with commas. An absent
    /// or empty filter agrees with every request, because the page `handling-data/webhooks-with-nq` does not list all
    /// filters.
    #[must_use]
    pub fn agrees_with(&self, filters: &BTreeMap<String, String>) -> bool {
        let filter = |name: &str| {
            filters
                .get(name)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let is = |name: &str, requested: Option<&str>| filter(name).is_none_or(|value| Some(value) == requested);
        let resources = filter("resources").map(|names| names.split(',').map(str::trim).collect::<BTreeSet<_>>());
        let requested = self.resources.iter().map(String::as_str).collect();
        resources.is_none_or(|names| names == requested)
            && is("dateFrom", self.date_from.as_deref())
            && is("dateTo", self.date_to.as_deref())
            && is("conversionType", Some(self.conversion.as_str()))
    }
}

fn conversion(input: &Input<'_>) -> Option<Conversion> {
    match input.text()?.as_str() {
        "json" => Some(Conversion::Json),
        "pdf" => Some(Conversion::Pdf),
        "html" => Some(Conversion::Html),
        _ => None,
    }
}

fn resource_type(input: &Input<'_>, faults: &mut Faults) -> Option<String> {
    let name = input.text().filter(|name| RESOURCE_TYPES.contains(&name.as_str()));
    if name.is_none() {
        faults.add(input.pointer(), "a supported FHIR resource type");
    }
    name
}

fn date(input: &Input<'_>) -> Option<String> {
    input.text().filter(|text| is_calendar_date(text))
}

/// The content of a `medical.consolidated-data` webhook without its links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The consolidated query it answers.
    pub request: Option<UpstreamRequestId>,
    /// The patient it names.
    pub patient: PatientId,
    /// The patient that its document is about.
    pub subject: Option<PatientId>,
    /// The filters of that query.
    pub filters: BTreeMap<String, String>,
    /// Whether it carries a link.
    pub has_link: bool,
}

/// The resource types that a consolidated query accepts (docs.metriport.com, page `fhir/consolidated-data-query-post`).
/// Metriport adds the resources to which they refer.
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
