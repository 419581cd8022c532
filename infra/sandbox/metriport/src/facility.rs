//! Facilities: the organisations that patients belong to. One facility exists from the start.

use serde_json::{Value, json};

use crate::address::Address;
use crate::demographics::trimmed;
use crate::envelope::{Issues, Refusal};
use crate::moment::Moment;
use crate::world::World;

pub(crate) struct Facility {
    pub(crate) id: String,
    number: usize,
    name: String,
    npi: String,
    tin: Option<String>,
    active: bool,
    address: Address,
}

impl Facility {
    fn view(&self) -> Value {
        let mut view = json!({
            "id": self.id,
            "eTag": "0",
            "oid": format!("2.16.840.1.113883.3.0000.1.{}", self.number),
            "name": self.name,
            "npi": self.npi,
            "active": self.active,
            "address": self.address,
        });
        if let (Some(tin), Some(fields)) = (&self.tin, view.as_object_mut()) {
            fields.insert("tin".to_owned(), json!(tin));
        }
        view
    }
}

impl World {
    /// `POST /medical/v1/facility`.
    pub(crate) fn create_facility(&mut self, now: Moment, body: &Value) -> Result<Value, Refusal> {
        let mut issues = Issues::default();
        let name = issues.require(trimmed(body, "name"), "Required", "name");
        let npi = issues.require(
            trimmed(body, "npi").filter(|npi| is_npi(npi)),
            "NPI is not valid",
            "npi",
        );
        let address = body.get("address").filter(|address| address.is_object());
        let address = issues
            .require(address, "Required", "address")
            .and_then(|one| Address::read(one, "address", &mut issues));
        let (name, npi, address) = issues.finish(all(name, npi, address))?;
        let facility = Facility {
            id: self.ids.uuid(now),
            number: 201 + self.facilities.len(),
            name,
            npi,
            tin: trimmed(body, "tin"),
            active: body.get("active").and_then(Value::as_bool).unwrap_or(true),
            address,
        };
        let view = facility.view();
        self.facilities.push(facility);
        Ok(view)
    }

    /// `GET /medical/v1/facility`.
    pub(crate) fn list_facilities(&self) -> Value {
        json!({ "facilities": self.facilities.iter().map(Facility::view).collect::<Vec<_>>() })
    }

    /// `GET /medical/v1/facility/{id}`.
    pub(crate) fn read_facility(&self, id: &str) -> Result<Value, Refusal> {
        self.facility(id)
            .map(Facility::view)
            .ok_or_else(|| Refusal::not_found("Could not find facility"))
    }

    /// The id of an existing facility, from a query parameter.
    pub(crate) fn require_facility(&self, id: Option<&str>) -> Result<String, Refusal> {
        let id = id.ok_or_else(|| Refusal::invalid("Required, on [facilityId]"))?;
        let found = self.facility(id).map(|facility| facility.id.clone());
        found.ok_or_else(|| Refusal::not_found("Could not find facility"))
    }

    fn facility(&self, id: &str) -> Option<&Facility> {
        self.facilities.iter().find(|facility| facility.id == id)
    }
}

fn all<A, B, C>(a: Option<A>, b: Option<B>, c: Option<C>) -> Option<(A, B, C)> {
    Some((a?, b?, c?))
}

/// Whether the text is ten digits with a valid Luhn checksum behind the prefix 80840 (CMS, "NPI check digit").
fn is_npi(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(10)).collect();
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let odd_places = digits.iter().skip(1).step_by(2).sum::<u32>();
    let even_places = digits.iter().step_by(2).map(|digit| doubled(*digit)).sum::<u32>();
    text.len() == 10 && digits.len() == 10 && (24 + odd_places + even_places).is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npis_carry_a_checksum() {
        assert!(is_npi("1234567893"));
        assert!(!is_npi("1234567891"));
        assert!(!is_npi("123456789"));
        assert!(!is_npi("12345678930"));
    }
}
