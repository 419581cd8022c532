//! The FHIR Patient of a consolidated record. It shows the demographics in the account, not those that the networks
//! returned (`replacePatient` and `mapPatientDataToResource` in Metriport's public code).

use sandbox_fhir::Entry;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

use crate::address::{Address, Contact};
use crate::demographics::Demographics;
use crate::pages::escape;
use crate::patient::Patient;

/// System of a social security number (hl7.org/fhir/R4/identifier-registry.html).
const SSN: &str = "http://hl7.org/fhir/sid/us-ssn";

/// The number N in the OID of a state's driver's licences, 2.16.840.1.113883.4.3.N. It is the state's FIPS code
/// (hl7.org/oid).
const LICENCES: &str = "AL1 AK2 AZ4 AR5 CA6 CO8 CT9 DE10 DC11 FL12 GA13 HI15 ID16 IL17 IN18 IA19 KS20 KY21 LA22 ME23 \
                        MD24 MA25 MI26 MN27 MS28 MO29 MT30 NE31 NV32 NH33 NJ34 NM35 NY36 NC37 ND38 OH39 OK40 OR41 PA42 \
                        RI44 SC45 SD46 TN47 TX48 UT49 VT50 VA51 WA53 WV54 WI55 WY56";

/// The patient as an entry of a record. Empty lists are left out, because FHIR does not allow them.
pub(crate) fn entry(patient: &Patient) -> Option<Entry> {
    let who = &patient.demographics;
    let given: Vec<&str> = who
        .first_name
        .split([' ', ','])
        .filter(|name| !name.is_empty())
        .collect();
    let mut resource = Map::from_iter([
        ("resourceType".to_owned(), json!("Patient")),
        ("id".to_owned(), json!(patient.id)),
        ("text".to_owned(), narrative(who)),
        ("name".to_owned(), json!([{ "family": who.last_name, "given": given }])),
        ("gender".to_owned(), json!(gender(&who.gender_at_birth))),
        ("birthDate".to_owned(), json!(who.dob)),
    ]);
    let lists: [(&str, Vec<Value>); 3] = [
        (
            "identifier",
            who.personal_identifiers.iter().filter_map(identifier).collect(),
        ),
        ("telecom", who.contact.iter().flat_map(telecom).collect()),
        ("address", who.address.iter().map(address).collect()),
    ];
    let lists = lists.into_iter().filter(|(_, items)| !items.is_empty());
    resource.extend(lists.map(|(name, items)| (name.to_owned(), Value::Array(items))));
    Some(to_raw_value(&resource).ok()?.into())
}

fn narrative(who: &Demographics) -> Value {
    let name = escape(&format!("{} {}", who.first_name, who.last_name));
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{name}</div>");
    json!({ "status": "generated", "div": div })
}

fn gender(code: &str) -> &'static str {
    match code {
        "F" => "female",
        "M" => "male",
        "O" => "other",
        _ => "unknown",
    }
}

fn identifier(identifier: &Value) -> Option<Value> {
    let text = |name| identifier.get(name).and_then(Value::as_str);
    let system = match text("type")? {
        "ssn" => SSN.to_owned(),
        _ => licences_of(text("state")?)?,
    };
    Some(json!({ "system": system, "value": text("value")? }))
}

fn licences_of(state: &str) -> Option<String> {
    let state = state.trim().to_uppercase();
    let mut known = LICENCES.split_ascii_whitespace();
    let number = known.find_map(|known| known.strip_prefix(state.as_str()).filter(|_| state.len() == 2))?;
    Some(format!("urn:oid:2.16.840.1.113883.4.3.{number}"))
}

fn telecom(contact: &Contact) -> impl Iterator<Item = Value> {
    let points = [("phone", contact.phone.clone()), ("email", contact.email.clone())];
    let points = points.into_iter();
    points.filter_map(|(system, value)| Some(json!({ "system": system, "value": value? })))
}

fn address(address: &Address) -> Value {
    let lines = [Some(&address.address_line1), address.address_line2.as_ref()];
    let lines: Vec<&String> = lines.into_iter().flatten().collect();
    json!({
        "line": lines, "city": address.city, "state": address.state, "postalCode": address.zip, "country": "USA",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::{at, patient_body, world};

    #[test]
    fn fhir_patient_has_all_demographics() {
        let (mut world, facility) = world();
        let mut body = patient_body("Nora Ann", "user-1");
        body["lastName"] = json!("Quill <jr>");
        body["address"][0]["addressLine2"] = json!("Apt 4");
        body["contact"] = json!([{ "phone": "9375550142", "email": "nora@example.test" }]);
        body["personalIdentifiers"] = json!([
            { "type": "ssn", "value": "123456789" },
            { "type": "driversLicense", "value": "RL1", "state": "oh" },
        ]);
        let made = world.create_patient(at(0), Some(&facility), &body).unwrap();
        let id = made["id"].as_str().unwrap();
        let entry = entry(&world.patients[id]).unwrap();
        let resource: Value = serde_json::from_str(entry.resource().get()).unwrap();
        let expected = json!({
            "resourceType": "Patient", "id": id, "gender": "female", "birthDate": "1984-07-19",
            "text": {
                "status": "generated",
                "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Nora Ann Quill &lt;jr&gt;</div>",
            },
            "name": [{ "family": "Quill <jr>", "given": ["Nora", "Ann"] }],
            "identifier": [
                { "system": SSN, "value": "123456789" },
                { "system": "urn:oid:2.16.840.1.113883.4.3.39", "value": "RL1" },
            ],
            "telecom": [
                { "system": "phone", "value": "9375550142" }, { "system": "email", "value": "nora@example.test" },
            ],
            "address": [{
                "line": ["77 Birch Ln", "Apt 4"], "city": "Dayton", "state": "OH", "postalCode": "45402",
                "country": "USA",
            }],
        });
        assert_eq!(resource, expected);
    }
}
