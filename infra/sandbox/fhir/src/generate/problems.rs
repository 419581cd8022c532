//! What the person has: long-lasting problems with an onset, illnesses that pass, and now and then an allergy.

use jiff::civil::Date;
use serde::Serialize;

use super::care::Care;
use super::chart::Chart;
use super::codes::{
    ACTIVE, ACUTE, AIRWAYS, ALLERGIES, ALLERGY_ACTIVE, ALLERGY_CONFIRMED, Ailment, CONFIRMED, DIAGNOSIS, METABOLIC,
    PROBLEM_LIST, Problem, RESOLVED,
};
use super::fhir::{Coding, Concept, Meta, Reference};
use super::visits::{Kind, Slot, Visit};
use crate::record::Source;

/// A long-lasting problem from the day it is diagnosed.
pub(super) struct Course {
    pub problem: &'static Problem,
    pub onset: Date,
    /// Id of its Condition.
    pub condition: String,
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Condition {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    clinical_status: Concept,
    verification_status: Concept,
    category: [Concept; 1],
    code: Concept,
    subject: Reference,
    encounter: Reference,
    onset_date_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    abatement_date_time: Option<String>,
    recorded_date: String,
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct AllergyIntolerance {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    clinical_status: Concept,
    verification_status: Concept,
    #[serde(rename = "type")]
    kind: &'static str,
    category: [&'static str; 1],
    criticality: &'static str,
    code: Concept,
    patient: Reference,
    recorded_date: String,
    recorder: Reference,
}

/// Which problems the person gets, by age, and at which of the first two check-ups they are found.
pub(super) fn courses(chart: &mut Chart, slots: &[Slot]) -> Vec<Course> {
    let problems: &'static [Problem] = if chart.person.age_years(chart.today) >= 45 {
        &METABOLIC
    } else {
        &AIRWAYS
    };
    let mut courses = Vec::new();
    for problem in problems {
        let (number, condition) = (usize::from(chart.draw(0, 1) == 1), chart.id());
        let old_enough = |slot: &&Slot| chart.person.age_years(slot.date) >= problem.age_min;
        let checkups = slots
            .iter()
            .filter(|slot| slot.kind == Kind::Wellness)
            .filter(old_enough);
        courses.extend(checkups.map(|slot| slot.date).nth(number).map(|onset| Course {
            problem,
            onset,
            condition,
        }));
    }
    courses
}

/// Writes down the Conditions found on a visit.
pub(super) fn diagnose(chart: &mut Chart, visit: &Visit, courses: &[Course]) {
    for course in courses.iter().filter(|course| course.onset == visit.date) {
        let condition = condition(chart, visit, course.condition.clone(), course.problem.ailment);
        chart.add(Source::Hie, &condition);
    }
    if matches!(visit.kind, Kind::Acute | Kind::Emergency) {
        diagnose_acute(chart, visit);
    }
}

fn diagnose_acute(chart: &mut Chart, visit: &Visit) {
    let Some(ailment) = chart.pick(&ACUTE).copied() else {
        return;
    };
    let (id, days) = (chart.id(), chart.draw(7, 21));
    let over = chart.days_after(visit.date, days);
    let condition = Condition {
        clinical_status: if over.is_some() { RESOLVED.into() } else { ACTIVE.into() },
        category: [DIAGNOSIS.into()],
        abatement_date_time: over.map(|date| date.to_string()),
        ..condition(chart, visit, id, ailment)
    };
    chart.add(Source::Hie, &condition);
}

fn condition(chart: &Chart, visit: &Visit, id: String, ailment: Ailment) -> Condition {
    Condition {
        id,
        meta: visit.place.meta.clone(),
        clinical_status: ACTIVE.into(),
        verification_status: CONFIRMED.into(),
        category: [PROBLEM_LIST.into()],
        code: Concept::of(&[ailment.snomed, ailment.icd10]),
        subject: chart.patient(),
        encounter: visit.encounter.clone(),
        onset_date_time: visit.date.to_string(),
        abatement_date_time: None,
        recorded_date: visit.moment(20),
    }
}

/// Writes down one allergy, told at the first visit. None of the generator's medicines contains what one is allergic
/// to.
pub(super) fn record_allergy(chart: &mut Chart, care: &Care, slots: &[Slot]) {
    let Some((code, category)) = chart.pick(&ALLERGIES).copied() else {
        return;
    };
    let (id, Some(first)) = (chart.id(), slots.first()) else {
        return;
    };
    let allergy = allergy(chart, care, id, (code, category), first.date);
    chart.add(Source::Hie, &allergy);
}

fn allergy(chart: &Chart, care: &Care, id: String, kind: (Coding, &'static str), told: Date) -> AllergyIntolerance {
    AllergyIntolerance {
        id,
        meta: care.clinic.meta.clone(),
        clinical_status: ALLERGY_ACTIVE.into(),
        verification_status: ALLERGY_CONFIRMED.into(),
        kind: "allergy",
        category: [kind.1],
        criticality: "low",
        code: kind.0.into(),
        patient: chart.patient(),
        recorded_date: told.to_string(),
        recorder: care.clinic.clinician.clone(),
    }
}
