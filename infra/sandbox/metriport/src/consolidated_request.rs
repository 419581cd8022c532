//! Parameters of a consolidated query: conversion, resource types, dates.

use std::collections::HashMap;

use jiff::civil::Date;
use sandbox_fhir::RecordFilter;
use serde_json::{Map, Value, json};

use crate::envelope::Refusal;

/// Resource types that a caller may ask for. `Medication` is not among them; a Medication is added if a chosen resource
/// refers to it.
const RESOURCE_TYPES: &str = "Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment Binary \
    BodyStructure CarePlan CareTeam ChargeItem Claim ClaimResponse ClinicalImpression Communication \
    CommunicationRequest Composition Condition Consent Contract Coverage CoverageEligibilityResponse DetectedIssue \
    Device DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference Encounter \
    EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Flag Goal GuidanceResponse HealthcareService ImagingStudy \
    Immunization ImmunizationEvaluation ImmunizationRecommendation InsurancePlan Invoice List Location Media \
    MedicationAdministration MedicationDispense MedicationRequest MedicationStatement MolecularSequence NutritionOrder \
    Observation Organization Patient Person Practitioner PractitionerRole Procedure Provenance \
    QuestionnaireResponse RelatedPerson RequestGroup ResearchStudy ResearchSubject RiskAssessment Schedule \
    ServiceRequest Slot Specimen Substance Task VisionPrescription";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// A FHIR Bundle, plain and compressed.
    Json,
    Pdf,
    Html,
}

impl Conversion {
    fn read(word: Option<&String>) -> Result<Self, Refusal> {
        match word.map(String::as_str) {
            Some("json") => Ok(Self::Json),
            Some("pdf") => Ok(Self::Pdf),
            Some("html") => Ok(Self::Html),
            _ => Err(Refusal::invalid(
                "Invalid enum value, expected 'json' | 'pdf' | 'html', on [conversionType]",
            )),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pdf => "pdf",
            Self::Html => "html",
        }
    }
}

/// The parameters of one query. While the query is processing, a start with equal parameters returns the same query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) conversion: Conversion,
    resources: Vec<String>,
    date_from: Option<Date>,
    date_to: Option<Date>,
}

impl Ask {
    /// Reads the query parameters of a start; `conversionType` is required.
    pub(crate) fn read(query: &HashMap<String, String>) -> Result<Self, Refusal> {
        Self::with(Conversion::read(query.get("conversionType"))?, query)
    }

    /// Reads the query parameters of a count, which has no conversion.
    pub(crate) fn read_count(query: &HashMap<String, String>) -> Result<Self, Refusal> {
        Self::with(Conversion::Json, query)
    }

    fn with(conversion: Conversion, query: &HashMap<String, String>) -> Result<Self, Refusal> {
        let resources = read_types(query.get("resources"))?;
        let (date_from, date_to) = (read_date(query, "dateFrom")?, read_date(query, "dateTo")?);
        Ok(Self {
            conversion,
            resources,
            date_from,
            date_to,
        })
    }

    /// The parameters as a filter of `sandbox_fhir`.
    pub(crate) fn filter(&self) -> RecordFilter {
        let wanted = !self.resources.is_empty();
        RecordFilter {
            resource_types: wanted.then(|| self.resources.iter().cloned().collect()),
            date_from: self.date_from,
            date_to: self.date_to,
            with_referenced: wanted,
        }
    }

    pub(crate) fn view(&self) -> Map<String, Value> {
        let mut view = Map::new();
        view.insert("conversionType".to_owned(), json!(self.conversion.as_str()));
        view.insert("resources".to_owned(), json!(self.resources));
        self.put_dates(&mut view);
        view
    }

    pub(crate) fn count_filter(&self) -> Value {
        let mut view = Map::new();
        let all = self.resources.is_empty();
        view.insert(
            "resources".to_owned(),
            if all {
                json!("all")
            } else {
                json!(self.resources.join(", "))
            },
        );
        self.put_dates(&mut view);
        Value::Object(view)
    }

    /// The parameters, as the webhook shows them: text only, empty if unset.
    pub(crate) fn webhook_filters(&self) -> Value {
        let text = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        json!({
            "resources": self.resources.join(", "),
            "dateFrom": text(self.date_from),
            "dateTo": text(self.date_to),
            "conversionType": self.conversion.as_str(),
        })
    }

    fn put_dates(&self, view: &mut Map<String, Value>) {
        for (name, date) in [("dateFrom", self.date_from), ("dateTo", self.date_to)] {
            if let Some(date) = date {
                view.insert(name.to_owned(), json!(date.to_string()));
            }
        }
    }
}

fn read_types(text: Option<&String>) -> Result<Vec<String>, Refusal> {
    let words = text
        .map(String::as_str)
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words
        .map(
            |word| match RESOURCE_TYPES.split_ascii_whitespace().any(|known| known == word) {
                true => Ok(word.to_owned()),
                false => Err(Refusal::invalid("Invalid resource type, on [resources]")),
            },
        )
        .collect()
}

fn read_date(query: &HashMap<String, String>, name: &str) -> Result<Option<Date>, Refusal> {
    let Some(text) = query.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let date = text.parse().ok().filter(|_| text.len() == 10);
    date.map(Some)
        .ok_or_else(|| Refusal::invalid(format!("Invalid date, on [{name}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pairs: &[(&str, &str)]) -> Result<Ask, u16> {
        let query = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Ask::read(&query).map_err(|refusal| refusal.status)
    }

    #[test]
    fn filters_show_as_text_in_the_webhook() {
        let read = ask(&[
            ("conversionType", "json"),
            ("resources", "Observation,MedicationRequest"),
            ("dateFrom", "2024-01-01"),
        ]);
        let shown = read.unwrap().webhook_filters();
        assert_eq!(shown["resources"], "Observation, MedicationRequest");
        assert_eq!(
            (shown["dateFrom"].as_str(), shown["dateTo"].as_str()),
            (Some("2024-01-01"), Some(""))
        );
    }

    #[test]
    fn bad_parameters_are_refused() {
        assert_eq!(ask(&[]), Err(400));
        assert_eq!(ask(&[("conversionType", "xml")]), Err(400));
        for (name, value) in [
            ("resources", "Medication"),
            ("resources", "observation"),
            ("dateTo", "2024-1-1"),
        ] {
            assert_eq!(ask(&[("conversionType", "pdf"), (name, value)]), Err(400), "{value}");
        }
    }
}
