//! What the laboratory finds: panels with a DiagnosticReport over their results, and A1c on its own.

use jiff::ToSpan;
use serde::Serialize;

use super::care::{Care, LAB_SYSTEM};
use super::chart::{Chart, moment};
use super::codes::{LAB_REPORT, LABORATORY};
use super::fhir::{Coding, Concept, Meta, Reference};
use super::lab_tests::{
    A1C, BLOOD_COUNT, CHOLESTEROL, ERYTHROCYTES, GLUCOSE, HDL, HEMATOCRIT, HEMOGLOBIN, LDL, LEUKOCYTES, LIPID_PANEL,
    METABOLIC, METABOLIC_PANEL, PLATELETS, TRIGLYCERIDES,
};
use super::measure::{Measure, Observation};
use super::trends::Trends;
use super::visits::{Kind, Visit};
use crate::record::Source;

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct DiagnosticReport {
    id: String,
    meta: Meta,
    status: &'static str,
    category: [Concept; 1],
    code: Concept,
    subject: Reference,
    encounter: Reference,
    effective_date_time: String,
    issued: String,
    performer: [Reference; 1],
    result: Vec<Reference>,
}

/// Writes down the tests a visit asks for: at every third check-up a panel (from 2 years), at the next one lipids (from
/// 20 years), and A1c at each visit of a diabetic.
pub(super) fn draw_blood(chart: &mut Chart, care: &Care, visit: &Visit, trends: &Trends) {
    let (age, is_checkup) = (chart.person.age_years(visit.date), visit.kind == Kind::Wellness);
    if is_checkup && visit.number % 3 == 1 && age >= 20 {
        let values = lipids(chart, visit, trends);
        panel(chart, care, visit, LIPID_PANEL, &values);
    }
    if is_checkup && visit.number.is_multiple_of(3) && age >= 2 {
        let (code, values) = if trends.is_diabetic() {
            (METABOLIC_PANEL, metabolic(chart, visit, trends))
        } else {
            (BLOOD_COUNT, blood_count(chart))
        };
        panel(chart, care, visit, code, &values);
    }
    if trends.is_diabetic() && matches!(visit.kind, Kind::Wellness | Kind::FollowUp) {
        let value = trends.a1c(chart, visit.date);
        result(chart, care, visit, &A1C, value);
    }
}

/// Total cholesterol is what its parts add up to (Friedewald: very low density lipids are a fifth of the
/// triglycerides).
fn lipids(chart: &mut Chart, visit: &Visit, trends: &Trends) -> Vec<(Measure, i64)> {
    let (ldl, triglycerides) = (trends.ldl(chart, visit.date), trends.triglycerides(chart, visit.date));
    let hdl = chart.draw(42, 62);
    vec![
        (CHOLESTEROL, ldl + hdl + triglycerides / 5),
        (TRIGLYCERIDES, triglycerides),
        (HDL, hdl),
        (LDL, ldl),
    ]
}

/// Glucose goes with A1c (estimated average glucose = 28.7 A1c - 46.7, doi.org/10.2337/dc08-0545).
fn metabolic(chart: &mut Chart, visit: &Visit, trends: &Trends) -> Vec<(Measure, i64)> {
    let glucose = (287 * trends.a1c(chart, visit.date) - 4670) / 100;
    let others = METABOLIC
        .into_iter()
        .map(|(measure, low, high)| (measure, chart.draw(low, high)));
    std::iter::once((GLUCOSE, glucose)).chain(others).collect()
}

/// Hematocrit is about three times hemoglobin, and so are erythrocytes a third of it.
fn blood_count(chart: &mut Chart) -> Vec<(Measure, i64)> {
    let hemoglobin = chart.draw(124, 152);
    let hematocrit = hemoglobin * 3 + chart.draw(-8, 8);
    vec![
        (LEUKOCYTES, chart.draw(45, 95)),
        (ERYTHROCYTES, hemoglobin * 10 / 3 + chart.draw(-10, 10)),
        (HEMOGLOBIN, hemoglobin),
        (HEMATOCRIT, hematocrit),
        (PLATELETS, chart.draw(180, 350)),
    ]
}

fn panel(chart: &mut Chart, care: &Care, visit: &Visit, code: Coding, values: &[(Measure, i64)]) {
    let result = values
        .iter()
        .map(|(measure, value)| result(chart, care, visit, measure, *value))
        .collect();
    let report = DiagnosticReport {
        id: chart.id(),
        meta: LAB_SYSTEM,
        status: "final",
        category: [LAB_REPORT.into()],
        code: code.into(),
        subject: chart.patient(),
        encounter: visit.encounter.clone(),
        effective_date_time: visit.moment(30),
        issued: issued(visit),
        performer: [care.laboratory.clone()],
        result,
    };
    chart.add(Source::Lab, &report);
}

fn result(chart: &mut Chart, care: &Care, visit: &Visit, measure: &Measure, scaled: i64) -> Reference {
    let id = chart.id();
    let observation = Observation {
        id: id.clone(),
        meta: Some(LAB_SYSTEM),
        status: "final",
        category: [LABORATORY.into()],
        code: measure.code.into(),
        subject: chart.patient(),
        encounter: visit.encounter.clone(),
        effective_date_time: visit.moment(30),
        issued: issued(visit),
        performer: [care.laboratory.clone()],
        value_quantity: Some(measure.quantity(scaled)),
        value_codeable_concept: None,
        interpretation: measure.interpretation(scaled),
        reference_range: measure.reference_range(),
        component: Vec::new(),
    };
    chart.add(Source::Lab, &observation);
    Reference::named("Observation", &id, measure.code.display)
}

/// Results come the day after.
fn issued(visit: &Visit) -> String {
    moment(visit.date.saturating_add(1.day()), 9, 0)
}
