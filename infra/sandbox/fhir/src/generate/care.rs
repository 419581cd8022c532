//! Who takes part: the person, the places and people that care for them, and their insurance.

use serde::Serialize;

use super::chart::Chart;
use super::fhir::{ContactPoint, HumanName, Meta, Period, PostalAddress, Reference};
use crate::record::Source;

/// The systems that name themselves in `meta.source`.
pub(super) const CLINIC_SYSTEM: Meta = Meta {
    source: "https://northgate-clinic.example.test/fhir",
};
pub(super) const LAB_SYSTEM: Meta = Meta {
    source: "https://meridian-labs.example.test/results",
};
pub(super) const PHARMACY_SYSTEM: Meta = Meta {
    source: "https://lakeside-pharmacy.example.test/dispenses",
};

/// A place of care with the clinician met there, and what it writes into `meta.source`, if anything.
#[derive(Clone)]
pub(super) struct Place {
    pub organization: Reference,
    pub clinician: Reference,
    pub meta: Option<Meta>,
}

/// Everybody who cares for the person.
pub(super) struct Care {
    pub clinic: Place,
    /// Its system does not say where its resources come from.
    pub hospital: Place,
    pub pharmacy: Reference,
    pub laboratory: Reference,
}

const FAMILY_NAMES: [&str; 6] = ["Ashdown", "Brackwater", "Colvane", "Dunmarrow", "Elmsley", "Farrowby"];
const GIVEN_NAMES: [&str; 6] = ["Avery", "Blake", "Casey", "Devon", "Emerson", "Finley"];

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Organization {
    id: String,
    active: bool,
    name: &'static str,
    telecom: [ContactPoint; 1],
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Practitioner {
    id: String,
    active: bool,
    name: [HumanName; 1],
    telecom: [ContactPoint; 1],
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Patient {
    id: String,
    active: bool,
    name: [HumanName; 1],
    telecom: Vec<ContactPoint>,
    gender: &'static str,
    birth_date: String,
    address: [PostalAddress; 1],
    managing_organization: Reference,
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
struct Coverage {
    id: String,
    status: &'static str,
    subscriber_id: String,
    beneficiary: Reference,
    period: Period,
    payor: [Reference; 1],
}

/// Writes down Patient, Organizations, Practitioners and Coverage.
pub(super) fn register(chart: &mut Chart) -> Care {
    let clinic = organization(chart, "Northgate Family Clinic", "northgate-clinic");
    let hospital = organization(chart, "Harborview Example Hospital", "harborview-hospital");
    let pharmacy = organization(chart, "Lakeside Pharmacy", "lakeside-pharmacy");
    let laboratory = organization(chart, "Meridian Reference Laboratory", "meridian-labs");
    let payer = organization(chart, "Cedar Mutual Health Plan", "cedar-mutual");
    let family_doctor = practitioner(chart, "northgate-clinic");
    let hospital_doctor = practitioner(chart, "harborview-hospital");
    patient(chart, &clinic);
    coverage(chart, payer);
    Care {
        clinic: Place {
            organization: clinic,
            clinician: family_doctor,
            meta: Some(CLINIC_SYSTEM),
        },
        hospital: Place {
            organization: hospital,
            clinician: hospital_doctor,
            meta: None,
        },
        pharmacy,
        laboratory,
    }
}

fn organization(chart: &mut Chart, name: &'static str, host: &str) -> Reference {
    let id = chart.id();
    let telecom = [ContactPoint {
        system: "url",
        value: format!("https://{host}.example.test"),
    }];
    chart.add(
        Source::Hie,
        &Organization {
            id: id.clone(),
            active: true,
            name,
            telecom,
        },
    );
    Reference::named("Organization", &id, name)
}

fn practitioner(chart: &mut Chart, host: &str) -> Reference {
    let id = chart.id();
    let given = chart.pick(&GIVEN_NAMES).copied().unwrap_or_default();
    let family = chart.pick(&FAMILY_NAMES).copied().unwrap_or_default();
    let value = format!("{given}.{family}@{host}.example.test").to_lowercase();
    let name = HumanName {
        usage: "official",
        family: family.to_owned(),
        given: vec![given.to_owned()],
    };
    let telecom = [ContactPoint { system: "email", value }];
    chart.add(
        Source::Hie,
        &Practitioner {
            id: id.clone(),
            active: true,
            name: [name],
            telecom,
        },
    );
    Reference::named("Practitioner", &id, &format!("{given} {family}"))
}

fn patient(chart: &mut Chart, clinic: &Reference) {
    let person = chart.person;
    let phone = person
        .phone
        .clone()
        .map(|value| ContactPoint { system: "phone", value });
    let email = person
        .email
        .clone()
        .map(|value| ContactPoint { system: "email", value });
    let address = PostalAddress {
        line: vec![person.address.line.clone()],
        city: person.address.city.clone(),
        state: person.address.state.clone(),
        postal_code: person.address.zip.clone(),
        country: "US",
    };
    let patient = Patient {
        id: person.id.clone(),
        active: true,
        name: [HumanName {
            usage: "official",
            family: person.family.clone(),
            given: vec![person.given.clone()],
        }],
        telecom: phone.into_iter().chain(email).collect(),
        gender: person.gender.as_str(),
        birth_date: person.birth_date.to_string(),
        address: [address],
        managing_organization: clinic.clone(),
    };
    chart.add(Source::Hie, &patient);
}

fn coverage(chart: &mut Chart, payer: Reference) {
    let first_day = chart.today.first_of_year().max(chart.person.birth_date);
    let coverage = Coverage {
        id: chart.id(),
        status: "active",
        subscriber_id: format!("CM{:09}", chart.draw(0, 999_999_999)),
        beneficiary: chart.patient(),
        period: Period {
            start: first_day.to_string(),
            end: None,
        },
        payor: [payer],
    };
    chart.add(Source::Hie, &coverage);
}
