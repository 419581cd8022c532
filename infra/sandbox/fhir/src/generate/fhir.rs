//! FHIR R4 data types as they are written (hl7.org/fhir/R4/datatypes.html): only the fields the generator fills in.

use serde::{Serialize, Serializer, ser};
use serde_json::value::RawValue;

pub(super) const SNOMED: &str = "http://snomed.info/sct";
pub(super) const ICD10: &str = "http://hl7.org/fhir/sid/icd-10-cm";
pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
pub(super) const CVX: &str = "http://hl7.org/fhir/sid/cvx";
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

#[derive(Clone, Copy, Serialize)]
pub(super) struct Coding {
    pub system: &'static str,
    pub code: &'static str,
    pub display: &'static str,
}

impl Coding {
    pub(super) const fn new(system: &'static str, code: &'static str, display: &'static str) -> Self {
        Self { system, code, display }
    }

    pub(super) const fn loinc(code: &'static str, display: &'static str) -> Self {
        Self::new(LOINC, code, display)
    }

    pub(super) const fn snomed(code: &'static str, display: &'static str) -> Self {
        Self::new(SNOMED, code, display)
    }

    pub(super) const fn rxnorm(code: &'static str, display: &'static str) -> Self {
        Self::new(RXNORM, code, display)
    }
}

#[derive(Clone, Serialize)]
pub(super) struct Concept {
    coding: Vec<Coding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'static str>,
}

impl Concept {
    /// One concept in several code systems; the first names it.
    pub(super) fn of(codings: &[Coding]) -> Self {
        Self {
            coding: codings.to_vec(),
            text: codings.first().map(|coding| coding.display),
        }
    }
}

impl From<Coding> for Concept {
    fn from(coding: Coding) -> Self {
        Self::of(&[coding])
    }
}

#[derive(Clone, Serialize)]
pub(super) struct Reference {
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<String>,
}

impl Reference {
    pub(super) fn to(resource_type: &str, id: &str) -> Self {
        Self {
            reference: format!("{resource_type}/{id}"),
            display: None,
        }
    }

    pub(super) fn named(resource_type: &str, id: &str, display: &str) -> Self {
        Self {
            display: Some(display.to_owned()),
            ..Self::to(resource_type, id)
        }
    }
}

/// An element that holds nothing but a reference under a name of its own.
#[derive(Serialize)]
pub(super) struct Actor {
    pub actor: Reference,
}

#[derive(Serialize)]
pub(super) struct Individual {
    pub individual: Reference,
}

#[derive(Clone, Serialize)]
pub(super) struct Meta {
    pub source: &'static str,
}

#[derive(Clone, Serialize)]
pub(super) struct Period {
    pub start: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

#[derive(Clone, Serialize)]
pub(super) struct Quantity {
    pub value: Decimal,
    pub unit: &'static str,
    pub system: &'static str,
    pub code: &'static str,
}

#[derive(Serialize)]
pub(super) struct ContactPoint {
    pub system: &'static str,
    pub value: String,
}

#[derive(Serialize)]
pub(super) struct HumanName {
    #[serde(rename = "use")]
    pub usage: &'static str,
    pub family: String,
    pub given: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostalAddress {
    pub line: Vec<String>,
    pub city: String,
    pub state: String,
    pub postal_code: String,
    pub country: &'static str,
}

/// A number with its decimal places kept, because FHIR decimals are precise to the digit written: `7.0` is not `7`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Decimal {
    /// The value times ten to the power of `places`.
    pub scaled: i64,
    pub places: u32,
}

impl Decimal {
    pub(super) const fn whole(scaled: i64) -> Self {
        Self { scaled, places: 0 }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sign = if self.scaled < 0 { "-" } else { "" };
        let (units, one) = (self.scaled.unsigned_abs(), 10_u64.pow(self.places));
        let fraction = match self.places {
            0 => String::new(),
            places => format!(".{:0width$}", units % one, width = places as usize),
        };
        let text = format!("{sign}{}{fraction}", units / one);
        RawValue::from_string(text)
            .map_err(ser::Error::custom)?
            .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn decimals_keep_their_places() {
        let text = |scaled, places| serde_json::to_string(&Decimal { scaled, places }).unwrap();
        assert_eq!(text(70, 1), "7.0");
        assert_eq!(text(705, 2), "7.05");
        assert_eq!(text(128, 0), "128");
        assert_eq!(text(-5, 1), "-0.5");
    }
}
