//! What is done besides measuring and prescribing.

use serde::Serialize;

use super::chart::Chart;
use super::codes::{COLONOSCOPY, DEPRESSION_SCREENING, RECONCILIATION};
use super::fhir::{Actor, Coding, Concept, Meta, Period, Reference};
use super::visits::{Kind, Visit};
use crate::record::Source;

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Procedure {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    status: &'static str,
    code: Concept,
    subject: Reference,
    encounter: Reference,
    performed_period: Period,
    performer: [Actor; 1],
}

/// Writes down the procedures of every third check-up, and one colonoscopy from 45 years on.
pub(super) fn perform(chart: &mut Chart, visit: &Visit) {
    if visit.kind != Kind::Wellness {
        return;
    }
    let age = chart.person.age_years(visit.date);
    let codes: &[Coding] = match visit.number {
        2 if age >= 45 => &[COLONOSCOPY],
        number if number % 3 == 0 && age >= 12 => &[RECONCILIATION, DEPRESSION_SCREENING],
        number if number % 3 == 0 => &[RECONCILIATION],
        _ => &[],
    };
    for code in codes {
        procedure(chart, visit, *code);
    }
}

fn procedure(chart: &mut Chart, visit: &Visit, code: Coding) {
    let procedure = Procedure {
        id: chart.id(),
        meta: visit.place.meta.clone(),
        status: "completed",
        code: code.into(),
        subject: chart.patient(),
        encounter: visit.encounter.clone(),
        performed_period: Period {
            start: visit.moment(15),
            end: Some(visit.moment(40)),
        },
        performer: [Actor {
            actor: visit.place.clinician.clone(),
        }],
    };
    chart.add(Source::Hie, &procedure);
}
