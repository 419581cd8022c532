//! What is prescribed and what the pharmacy hands over for it.

use jiff::ToSpan;
use serde::Serialize;

use super::care::{Care, PHARMACY_SYSTEM};
use super::chart::{Chart, moment};
use super::codes::{ACETAMINOPHEN, Medicine};
use super::fhir::{Actor, Concept, Decimal, Meta, Quantity, Reference, UCUM};
use super::problems::Course;
use super::visits::{Kind, Visit};
use crate::record::Source;

/// Days a dispense of a lasting medicine is for.
const SUPPLY_DAYS: i64 = 90;

#[derive(Serialize)]
struct Dosage {
    text: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DispenseRequest {
    number_of_repeats_allowed: i64,
    quantity: Quantity,
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct MedicationRequest {
    id: String,
    status: &'static str,
    intent: &'static str,
    medication_codeable_concept: Concept,
    subject: Reference,
    encounter: Reference,
    authored_on: String,
    requester: Reference,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reason_reference: Vec<Reference>,
    dosage_instruction: [Dosage; 1],
    dispense_request: DispenseRequest,
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct MedicationDispense {
    id: String,
    meta: Meta,
    status: &'static str,
    medication_codeable_concept: Concept,
    subject: Reference,
    performer: [Actor; 1],
    authorizing_prescription: [Reference; 1],
    quantity: Quantity,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_supply: Option<Quantity>,
    when_handed_over: String,
}

/// Writes down what a visit prescribes: a year's supply for each lasting problem at a check-up, something against fever
/// from the age of 12 when ill.
pub(super) fn prescribe(chart: &mut Chart, care: &Care, visit: &Visit, courses: &[Course]) {
    match visit.kind {
        Kind::Wellness => {
            for course in courses.iter().filter(|course| course.onset <= visit.date) {
                let reason = Reference::named("Condition", &course.condition, course.problem.ailment.snomed.display);
                let runs = visit.date.saturating_add(1.year()) > chart.today;
                let status = if runs { "active" } else { "completed" };
                fill(chart, care, visit, &course.problem.medicine, (status, 3, vec![reason]));
            }
        }
        Kind::Acute | Kind::Emergency if chart.person.age_years(visit.date) >= 12 => {
            fill(chart, care, visit, &ACETAMINOPHEN, ("completed", 0, Vec::new()));
        }
        Kind::FollowUp | Kind::Acute | Kind::Emergency => {}
    }
}

/// The prescription and its first dispense.
fn fill(
    chart: &mut Chart,
    care: &Care,
    visit: &Visit,
    medicine: &Medicine,
    terms: (&'static str, i64, Vec<Reference>),
) {
    let (status, repeats, reason_reference) = terms;
    let id = chart.id();
    let request = MedicationRequest {
        id: id.clone(),
        status,
        intent: "order",
        medication_codeable_concept: medicine.code.into(),
        subject: chart.patient(),
        encounter: visit.encounter.clone(),
        authored_on: visit.moment(40),
        requester: visit.place.clinician.clone(),
        reason_reference,
        dosage_instruction: [Dosage { text: medicine.dosage }],
        dispense_request: DispenseRequest {
            number_of_repeats_allowed: repeats,
            quantity: amount(medicine),
        },
    };
    chart.add(Source::Pharmacy, &request);
    hand_over(chart, care, visit, medicine, Reference::to("MedicationRequest", &id));
}

fn hand_over(chart: &mut Chart, care: &Care, visit: &Visit, medicine: &Medicine, prescription: Reference) {
    let (id, days) = (chart.id(), chart.draw(0, 2));
    let Some(date) = chart.days_after(visit.date, days) else {
        return;
    };
    let dispense = MedicationDispense {
        id,
        meta: PHARMACY_SYSTEM,
        status: "completed",
        medication_codeable_concept: medicine.code.into(),
        subject: chart.patient(),
        performer: [Actor {
            actor: care.pharmacy.clone(),
        }],
        authorizing_prescription: [prescription],
        quantity: amount(medicine),
        days_supply: (medicine.per_day > 0).then(|| days_supply(SUPPLY_DAYS)),
        // After the visit, even on the same day.
        when_handed_over: moment(date, 22, 15),
    };
    chart.add(Source::Pharmacy, &dispense);
}

/// As much as the supply takes; of what is taken as needed, one inhaler or a box of 24.
fn amount(medicine: &Medicine) -> Quantity {
    let (unit, code) = medicine.unit;
    let value = match (medicine.per_day, unit) {
        (0, "inhaler") => 1,
        (0, _) => 24,
        (per_day, _) => per_day * SUPPLY_DAYS,
    };
    Quantity {
        value: Decimal::whole(value),
        unit,
        system: UCUM,
        code,
    }
}

fn days_supply(days: i64) -> Quantity {
    Quantity {
        value: Decimal::whole(days),
        unit: "days",
        system: UCUM,
        code: "d",
    }
}
