//! What is measured at the visit itself: vital signs, and now and then the smoking status.

use super::chart::Chart;
use super::codes::{SOCIAL_HISTORY, VITAL_SIGNS};
use super::fhir::{Coding, Concept};
use super::measure::{Component, Measure, Observation};
use super::trends::Trends;
use super::visits::{Kind, Visit};
use crate::record::Source;

const fn vital(code: &'static str, display: &'static str, unit: (&'static str, &'static str), places: u32) -> Measure {
    Measure {
        code: Coding::loinc(code, display),
        unit,
        places,
        low: None,
        high: None,
    }
}

const HEIGHT: Measure = vital("8302-2", "Body height", ("cm", "cm"), 1);
const WEIGHT: Measure = vital("29463-7", "Body weight", ("kg", "kg"), 1);
const BMI: Measure = vital("39156-5", "Body mass index (BMI) [Ratio]", ("kg/m2", "kg/m2"), 1);
const HEART_RATE: Measure = vital("8867-4", "Heart rate", ("beats/minute", "/min"), 0);
const RESPIRATORY_RATE: Measure = vital("9279-1", "Respiratory rate", ("breaths/minute", "/min"), 0);
const TEMPERATURE: Measure = vital("8310-5", "Body temperature", ("C", "Cel"), 1);
const SATURATION: Measure = Measure {
    low: Some(95),
    high: Some(100),
    ..vital(
        "59408-5",
        "Oxygen saturation in Arterial blood by Pulse oximetry",
        ("%", "%"),
        0,
    )
};
const SYSTOLIC: Measure = vital("8480-6", "Systolic blood pressure", ("mmHg", "mm[Hg]"), 0);
const DIASTOLIC: Measure = vital("8462-4", "Diastolic blood pressure", ("mmHg", "mm[Hg]"), 0);
const PRESSURE: Coding = Coding::loinc("85354-9", "Blood pressure panel with all children optional");
const SMOKING: Coding = Coding::loinc("72166-2", "Tobacco smoking status");
const NEVER_SMOKED: Coding = Coding::snomed("266919005", "Never smoked tobacco");

/// Writes down what is measured at a visit of its kind.
pub(super) fn take(chart: &mut Chart, visit: &Visit, trends: &Trends) {
    match visit.kind {
        Kind::Wellness => checkup(chart, visit, trends),
        Kind::FollowUp => follow_up(chart, visit, trends),
        Kind::Acute | Kind::Emergency => fever(chart, visit),
    }
}

fn checkup(chart: &mut Chart, visit: &Visit, trends: &Trends) {
    let (height, weight) = (
        trends.height(chart.person, visit.date),
        trends.weight(chart, visit.date),
    );
    measured(chart, visit, &HEIGHT, height);
    measured(chart, visit, &WEIGHT, weight);
    // Tenths of a kilogram over square tenths of a centimetre, to tenths of kg/m2, rounded.
    let square = (height * height).max(1);
    measured(chart, visit, &BMI, (weight * 1_000_000 + square / 2) / square);
    if chart.person.age_years(visit.date) >= 3 {
        pressure(chart, visit, trends);
    }
    heart_rate(chart, visit);
    if visit.number.is_multiple_of(3) && chart.person.age_years(visit.date) >= 13 {
        smoking(chart, visit);
    }
}

fn follow_up(chart: &mut Chart, visit: &Visit, trends: &Trends) {
    if trends.is_diabetic() {
        pressure(chart, visit, trends);
        return;
    }
    let (saturation, young) = (chart.draw(96, 99), chart.person.age_years(visit.date) < 10);
    let breaths = if young { chart.draw(18, 24) } else { chart.draw(13, 18) };
    measured(chart, visit, &SATURATION, saturation);
    measured(chart, visit, &RESPIRATORY_RATE, breaths);
}

fn fever(chart: &mut Chart, visit: &Visit) {
    let temperature = chart.draw(375, 391);
    measured(chart, visit, &TEMPERATURE, temperature);
    heart_rate(chart, visit);
}

fn heart_rate(chart: &mut Chart, visit: &Visit) {
    let (low, high) = match chart.person.age_years(visit.date) {
        ..1 => (110, 150),
        1..5 => (90, 120),
        5..12 => (75, 100),
        _ => (62, 86),
    };
    let rate = chart.draw(low, high);
    measured(chart, visit, &HEART_RATE, rate);
}

fn measured(chart: &mut Chart, visit: &Visit, measure: &Measure, scaled: i64) {
    let observation = Observation {
        value_quantity: Some(measure.quantity(scaled)),
        interpretation: measure.interpretation(scaled),
        reference_range: measure.reference_range(),
        ..observation(chart, visit, VITAL_SIGNS, measure.code)
    };
    chart.add(Source::Hie, &observation);
}

fn pressure(chart: &mut Chart, visit: &Visit, trends: &Trends) {
    let (systolic, diastolic) = trends.pressure(chart, visit.date);
    let component = |measure: Measure, value| Component {
        code: measure.code.into(),
        value_quantity: measure.quantity(value),
    };
    let observation = Observation {
        component: vec![component(SYSTOLIC, systolic), component(DIASTOLIC, diastolic)],
        ..observation(chart, visit, VITAL_SIGNS, PRESSURE)
    };
    chart.add(Source::Hie, &observation);
}

fn smoking(chart: &mut Chart, visit: &Visit) {
    let observation = Observation {
        value_codeable_concept: Some(NEVER_SMOKED.into()),
        ..observation(chart, visit, SOCIAL_HISTORY, SMOKING)
    };
    chart.add(Source::Hie, &observation);
}

fn observation(chart: &mut Chart, visit: &Visit, category: Coding, code: Coding) -> Observation {
    Observation {
        id: chart.id(),
        meta: visit.place.meta.clone(),
        status: "final",
        category: [Concept::from(category)],
        code: code.into(),
        subject: chart.patient(),
        encounter: visit.encounter.clone(),
        effective_date_time: visit.moment(10),
        issued: visit.moment(12),
        performer: [visit.place.clinician.clone()],
        value_quantity: None,
        value_codeable_concept: None,
        interpretation: Vec::new(),
        reference_range: Vec::new(),
        component: Vec::new(),
    }
}
