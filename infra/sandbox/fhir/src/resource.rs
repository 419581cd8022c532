//! The facts that this crate reads from a resource: its type, its category, its main date and the source it names.
//! Other fields are skipped.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::date_span::DateSpan;
use crate::lenient::{Lenient, Object};
use crate::record::Source;

/// The `resourceType` of a resource; `None` if the text is not a JSON object with one.
pub fn resource_type(resource: &RawValue) -> Option<String> {
    let Object(kind) = serde_json::from_str::<Object<Kind>>(resource.get()).ok()?;
    kind.resource_type.into_inner()
}

/// The main date of a resource: when it happened or, failing that, when it was recorded.
///
/// The first of these fields with a readable date counts: `effectiveDateTime`, `effectivePeriod`, `effectiveInstant`,
/// `onsetDateTime`, `onsetPeriod`, `authoredOn`, `occurrenceDateTime`, `occurrencePeriod`, `period`,
/// `performedDateTime`, `performedPeriod`, `whenHandedOver`, `whenPrepared`, `date`, `recordedDate`, `issued`. For a
/// period the start counts, or else the end. `None` for a resource without a date, such as a Practitioner.
pub fn resource_date(resource: &RawValue) -> Option<DateSpan> {
    let Object(skim) = serde_json::from_str::<Object<Skim>>(resource.get()).ok()?;
    skim.main_date()
}

/// Whether this crate can read the fields that it needs from a resource. If not, a later count of the record would
/// fail.
pub(crate) fn is_readable(resource: &RawValue) -> bool {
    serde_json::from_str::<Object<Skim>>(resource.get()).is_ok()
}

/// The source that a resource comes from: pharmacies for medication events and products, labs for laboratory results,
/// health information exchanges for everything else. `None` if the text is not a resource.
pub(crate) fn source_of(resource: &RawValue) -> Option<Source> {
    let Object(kind) = serde_json::from_str::<Object<Kind>>(resource.get()).ok()?;
    let resource_type = kind.resource_type.get()?;
    Some(match resource_type.as_str() {
        "MedicationRequest"
        | "MedicationDispense"
        | "MedicationAdministration"
        | "MedicationStatement"
        | "Medication" => Source::Pharmacy,
        "Observation" if kind.has_category("laboratory") => Source::Lab,
        "DiagnosticReport" if kind.has_category("LAB") => Source::Lab,
        _ => Source::Hie,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    resource_type: Lenient<String>,
    #[serde(default)]
    category: Lenient<Vec<Lenient<Category>>>,
}

#[derive(Deserialize)]
struct Category {
    #[serde(default)]
    coding: Lenient<Vec<Lenient<CategoryCoding>>>,
}

#[derive(Deserialize)]
struct CategoryCoding {
    #[serde(default)]
    code: Lenient<String>,
}

impl Kind {
    fn has_category(&self, code: &str) -> bool {
        let categories = self.category.get().into_iter().flatten().filter_map(Lenient::get);
        let codings = categories
            .filter_map(|category| category.coding.get())
            .flatten()
            .filter_map(Lenient::get);
        codings
            .filter_map(|coding| coding.code.get())
            .any(|found| found == code)
    }
}

/// The fields that one pass over a resource reads. They are owned, so that a resource can be read from a stream as well
/// as from a slice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Skim {
    #[serde(default)]
    resource_type: Lenient<String>,
    #[serde(default)]
    meta: Lenient<Meta>,
    #[serde(default)]
    effective_date_time: Lenient<String>,
    #[serde(default)]
    effective_period: Lenient<Period>,
    #[serde(default)]
    effective_instant: Lenient<String>,
    #[serde(default)]
    onset_date_time: Lenient<String>,
    #[serde(default)]
    onset_period: Lenient<Period>,
    #[serde(default)]
    authored_on: Lenient<String>,
    #[serde(default)]
    occurrence_date_time: Lenient<String>,
    #[serde(default)]
    occurrence_period: Lenient<Period>,
    #[serde(default)]
    period: Lenient<Period>,
    #[serde(default)]
    performed_date_time: Lenient<String>,
    #[serde(default)]
    performed_period: Lenient<Period>,
    #[serde(default)]
    when_handed_over: Lenient<String>,
    #[serde(default)]
    when_prepared: Lenient<String>,
    #[serde(default)]
    date: Lenient<String>,
    #[serde(default)]
    recorded_date: Lenient<String>,
    #[serde(default)]
    issued: Lenient<String>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    source: Lenient<String>,
}

#[derive(Deserialize)]
struct Period {
    #[serde(default)]
    start: Lenient<String>,
    #[serde(default)]
    end: Lenient<String>,
}

impl Skim {
    pub(crate) fn resource_type(&self) -> Option<&String> {
        self.resource_type.get()
    }

    /// `meta.source`: the URI of the system that the resource came from, if named.
    pub(crate) fn meta_source(&self) -> Option<&String> {
        self.meta.get()?.source.get()
    }

    pub(crate) fn main_date(&self) -> Option<DateSpan> {
        at(&self.effective_date_time)
            .or_else(|| within(&self.effective_period))
            .or_else(|| at(&self.effective_instant))
            .or_else(|| at(&self.onset_date_time))
            .or_else(|| within(&self.onset_period))
            .or_else(|| at(&self.authored_on))
            .or_else(|| at(&self.occurrence_date_time))
            .or_else(|| within(&self.occurrence_period))
            .or_else(|| within(&self.period))
            .or_else(|| at(&self.performed_date_time))
            .or_else(|| within(&self.performed_period))
            .or_else(|| at(&self.when_handed_over))
            .or_else(|| at(&self.when_prepared))
            .or_else(|| at(&self.date))
            .or_else(|| at(&self.recorded_date))
            .or_else(|| at(&self.issued))
    }
}

fn at(text: &Lenient<String>) -> Option<DateSpan> {
    DateSpan::parse(text.get()?)
}

fn within(period: &Lenient<Period>) -> Option<DateSpan> {
    let period = period.get()?;
    at(&period.start).or_else(|| at(&period.end))
}
