//! What the clinician writes: a short note on every second check-up and on each illness, inline in a DocumentReference.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::chart::Chart;
use super::codes::CLINICAL_NOTE;
use super::fhir::{Coding, Concept, Meta, Period, Reference};
use super::visits::{Kind, Visit};
use crate::record::Source;

const PROGRESS_NOTE: Coding = Coding::loinc("11506-3", "Progress note");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    content_type: &'static str,
    language: &'static str,
    data: String,
    size: usize,
    title: &'static str,
    creation: String,
}

#[derive(Serialize)]
struct Content {
    attachment: Attachment,
}

#[derive(Serialize)]
struct Context {
    encounter: [Reference; 1],
    period: Period,
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct DocumentReference {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    status: &'static str,
    #[serde(rename = "type")]
    kind: Concept,
    category: [Concept; 1],
    subject: Reference,
    date: String,
    author: [Reference; 1],
    custodian: Reference,
    content: [Content; 1],
    context: Context,
}

/// Writes the note of a visit, if it gets one.
pub(super) fn write(chart: &mut Chart, visit: &Visit) {
    let Some(text) = text(visit) else { return };
    let attachment = Attachment {
        content_type: "text/plain; charset=utf-8",
        language: "en-US",
        data: STANDARD.encode(&text),
        size: text.len(),
        title: PROGRESS_NOTE.display,
        creation: visit.moment(45),
    };
    let note = DocumentReference {
        id: chart.id(),
        meta: visit.place.meta.clone(),
        status: "current",
        kind: PROGRESS_NOTE.into(),
        category: [CLINICAL_NOTE.into()],
        subject: chart.patient(),
        date: visit.moment(45),
        author: [visit.place.clinician.clone()],
        custodian: visit.place.organization.clone(),
        content: [Content { attachment }],
        context: Context {
            encounter: [visit.encounter.clone()],
            period: Period {
                start: visit.moment(0),
                end: Some(visit.moment(45)),
            },
        },
    };
    chart.add(Source::Hie, &note);
}

fn text(visit: &Visit) -> Option<String> {
    let day = visit.date;
    match visit.kind {
        Kind::Wellness if visit.number.is_multiple_of(2) => Some(format!(
            "{day}. Yearly check-up. Findings and plan discussed; next visit in a year.\n"
        )),
        Kind::Acute => Some(format!(
            "{day}. Cough, sore throat and fever for some days. Rest, fluids, return if worse.\n"
        )),
        Kind::Emergency => Some(format!(
            "{day}. Came in with fever at night. Stable, sent home with advice.\n"
        )),
        Kind::Wellness | Kind::FollowUp => None,
    }
}
