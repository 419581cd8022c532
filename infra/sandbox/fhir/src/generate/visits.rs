//! When the person sees a clinician, and the Encounter written about it.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;

use super::care::{Care, Place};
use super::chart::{Chart, moment};
use super::fhir::{Coding, Concept, Individual, Meta, Period, Reference};
use super::problems::Course;
use crate::record::Source;

/// Years a record reaches back.
const YEARS: i16 = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The yearly check-up in autumn.
    Wellness,
    /// A spring visit about a long-lasting problem.
    FollowUp,
    /// Something that passes, in winter; the number tells its visits apart.
    Acute,
    /// The same, at the hospital.
    Emergency,
}

/// A day on which the person may be seen.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub kind: Kind,
    pub date: Date,
    /// How many slots of this kind came before.
    pub number: usize,
}

/// A day on which the person was seen.
pub(super) struct Visit {
    pub kind: Kind,
    pub date: Date,
    pub number: usize,
    pub hour: i64,
    pub encounter: Reference,
    pub place: Place,
}

impl Visit {
    /// When something was measured, done or written during the visit.
    pub(super) fn moment(&self, minute: i64) -> String {
        moment(self.date, self.hour, minute)
    }
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Encounter {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    status: &'static str,
    class: Coding,
    #[serde(rename = "type")]
    kind: [Concept; 1],
    subject: Reference,
    participant: [Individual; 1],
    period: Period,
    service_provider: Reference,
}

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const AMBULATORY: Coding = Coding::new(ACT_CODE, "AMB", "ambulatory");
const EMERGENCY: Coding = Coding::new(ACT_CODE, "EMER", "emergency");

/// Every possible visit, in the order of time: after birth, within eight years, and two days or more ago, so that what
/// follows from it (a result the day after) is past as well.
pub(super) fn plan(chart: &mut Chart) -> Vec<Slot> {
    let last = chart.today.saturating_sub(2.days());
    let first = chart
        .today
        .saturating_sub(i64::from(YEARS).years())
        .max(chart.person.birth_date);
    let mut slots = Vec::new();
    for year in chart.today.year().saturating_sub(YEARS)..=chart.today.year() {
        let acute = if chart.draw(0, 2) == 0 {
            Kind::Emergency
        } else {
            Kind::Acute
        };
        for (kind, month_low, month_high) in [(acute, 1, 2), (Kind::FollowUp, 3, 5), (Kind::Wellness, 9, 11)] {
            let (month, day) = (chart.draw(month_low, month_high), chart.draw(1, 28));
            let falls_ill = matches!(kind, Kind::FollowUp | Kind::Wellness) || year % 3 == chart.today.year() % 3;
            slots.extend(day_of(year, month, day).filter(|_| falls_ill).map(|date| (kind, date)));
        }
    }
    slots.retain(|(_, date)| (first..=last).contains(date));
    numbered(&slots)
}

fn day_of(year: i16, month: i64, day: i64) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn numbered(slots: &[(Kind, Date)]) -> Vec<Slot> {
    let before = |place, kind| slots.iter().take(place).filter(|(other, _)| *other == kind).count();
    let slots = slots.iter().enumerate();
    slots
        .map(|(place, (kind, date))| Slot {
            kind: *kind,
            date: *date,
            number: before(place, *kind),
        })
        .collect()
}

/// The visits that take place: a follow-up needs something to follow up.
pub(super) fn needed(slots: Vec<Slot>, courses: &[Course]) -> Vec<Slot> {
    let treated = |date| courses.iter().any(|course| course.onset < date);
    slots
        .into_iter()
        .filter(|slot| slot.kind != Kind::FollowUp || treated(slot.date))
        .collect()
}

/// Writes down the Encounter of a visit.
pub(super) fn attend(chart: &mut Chart, care: &Care, slot: Slot) -> Visit {
    let Slot { kind, date, number } = slot;
    let (id, hour) = (chart.id(), chart.draw(13, 20));
    let place = if kind == Kind::Emergency {
        &care.hospital
    } else {
        &care.clinic
    };
    let encounter = Encounter {
        id: id.clone(),
        meta: place.meta.clone(),
        status: "finished",
        class: if kind == Kind::Emergency { EMERGENCY } else { AMBULATORY },
        kind: [Concept::from(visit_type(kind, chart.person.age_years(date)))],
        subject: chart.patient(),
        participant: [Individual {
            individual: place.clinician.clone(),
        }],
        period: Period {
            start: moment(date, hour, 0),
            end: Some(moment(date, hour, 45)),
        },
        service_provider: place.organization.clone(),
    };
    chart.add(Source::Hie, &encounter);
    Visit {
        kind,
        date,
        number,
        hour,
        encounter: Reference::to("Encounter", &id),
        place: place.clone(),
    }
}

fn visit_type(kind: Kind, age_years: i64) -> Coding {
    match kind {
        Kind::Wellness if age_years < 18 => Coding::snomed("410620009", "Well child visit"),
        Kind::Wellness => Coding::snomed("162673000", "General examination of patient"),
        Kind::FollowUp => Coding::snomed("390906007", "Follow-up encounter"),
        Kind::Acute => Coding::snomed("185345009", "Encounter for symptom"),
        Kind::Emergency => Coding::snomed("50849002", "Emergency room admission"),
    }
}
