//! Vaccines by age and by the time they came into use. A simplified reading of the US schedules
//! (cdc.gov/vaccines/hcp/imz-schedules); codes are CVX (www2.cdc.gov/vaccines/iis/iisstandards).

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde::Serialize;

use super::chart::Chart;
use super::fhir::{Actor, CVX, Coding, Concept, Meta, Reference};
use super::visits::{Kind, Visit};
use crate::record::Source;

/// A vaccine, who gets it (age in months, the end excluded) and when it is in use (the end excluded).
struct Vaccine {
    code: Coding,
    ages: (i64, i64),
    in_use: (Date, Date),
    doses: usize,
    /// Days from one dose to the next.
    gap_days: i64,
}

const ALWAYS: (Date, Date) = (Date::MIN, Date::MAX);
const NO_AGE: i64 = i64::MAX;
const EVERY_YEAR: usize = usize::MAX;

const SCHEDULE: [Vaccine; 11] = [
    vaccine(
        "150",
        "Influenza, split virus, quadrivalent, PF",
        (6, NO_AGE),
        (Date::MIN, date(2024, 7, 1)),
        EVERY_YEAR,
        250,
    ),
    vaccine(
        "140",
        "Influenza, split virus, trivalent, PF",
        (6, NO_AGE),
        (date(2024, 7, 1), Date::MAX),
        EVERY_YEAR,
        250,
    ),
    vaccine("20", "DTaP", (2, 84), ALWAYS, 5, 56),
    vaccine("03", "MMR", (12, 84), ALWAYS, 2, 300),
    vaccine("165", "HPV9", (132, 324), ALWAYS, 2, 150),
    vaccine("115", "Tdap", (132, NO_AGE), ALWAYS, 1, 3650),
    vaccine(
        "114",
        "meningococcal MCV4P",
        (132, 228),
        (Date::MIN, date(2025, 1, 1)),
        2,
        1400,
    ),
    vaccine(
        "187",
        "zoster recombinant",
        (600, NO_AGE),
        (date(2018, 1, 1), Date::MAX),
        2,
        60,
    ),
    vaccine(
        "216",
        "Pneumococcal conjugate PCV20, polysaccharide CRM197 conjugate, adjuvant, PF",
        (780, NO_AGE),
        (date(2021, 10, 20), Date::MAX),
        1,
        3650,
    ),
    vaccine(
        "208",
        "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose",
        (192, NO_AGE),
        (date(2021, 3, 1), date(2022, 9, 1)),
        2,
        21,
    ),
    vaccine(
        "309",
        "COVID-19, mRNA, LNP-S, PF, tris-sucrose, 30 mcg/0.3 mL",
        (144, NO_AGE),
        (date(2023, 9, 12), Date::MAX),
        2,
        300,
    ),
];

const fn vaccine(
    code: &'static str,
    display: &'static str,
    ages: (i64, i64),
    in_use: (Date, Date),
    doses: usize,
    gap_days: i64,
) -> Vaccine {
    Vaccine {
        code: Coding::new(CVX, code, display),
        ages,
        in_use,
        doses,
        gap_days,
    }
}

/// Which vaccine (by CVX code) was given when.
#[derive(Default)]
pub(super) struct Doses(BTreeMap<&'static str, Vec<Date>>);

impl Doses {
    fn is_due(&self, vaccine: &Vaccine, age_months: i64, on: Date) -> bool {
        let given = self.0.get(vaccine.code.code).map_or(&[][..], Vec::as_slice);
        let rested = given
            .last()
            .is_none_or(|last| last.saturating_add(vaccine.gap_days.days()) <= on);
        let of_age = (vaccine.ages.0..vaccine.ages.1).contains(&age_months);
        let in_use = (vaccine.in_use.0..vaccine.in_use.1).contains(&on);
        of_age && in_use && rested && given.len() < vaccine.doses
    }
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Immunization {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    status: &'static str,
    vaccine_code: Concept,
    patient: Reference,
    encounter: Reference,
    occurrence_date_time: String,
    primary_source: bool,
    lot_number: String,
    performer: [Actor; 1],
}

/// Writes down what is due at a check-up.
pub(super) fn give(chart: &mut Chart, visit: &Visit, doses: &mut Doses) {
    if visit.kind != Kind::Wellness {
        return;
    }
    let age_months = chart.person.age_months(visit.date);
    for vaccine in SCHEDULE.iter() {
        if doses.is_due(vaccine, age_months, visit.date) {
            doses.0.entry(vaccine.code.code).or_default().push(visit.date);
            immunization(chart, visit, vaccine.code);
        }
    }
}

fn immunization(chart: &mut Chart, visit: &Visit, code: Coding) {
    let immunization = Immunization {
        id: chart.id(),
        meta: visit.place.meta.clone(),
        status: "completed",
        vaccine_code: code.into(),
        patient: chart.patient(),
        encounter: visit.encounter.clone(),
        occurrence_date_time: visit.moment(35),
        primary_source: true,
        lot_number: format!("EX{:05}", chart.draw(0, 99_999)),
        performer: [Actor {
            actor: visit.place.clinician.clone(),
        }],
    };
    chart.add(Source::Hie, &immunization);
}
