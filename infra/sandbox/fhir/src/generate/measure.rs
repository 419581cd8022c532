//! A measured value: what was measured, in which unit, within which limits, and the Observation about it.

use serde::Serialize;

use super::codes::{HIGH, LOW, NORMAL};
use super::fhir::{Coding, Concept, Decimal, Meta, Quantity, Reference, UCUM};

/// Something that can be measured. Limits are scaled like the values: 65 with one place is 6.5.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    pub code: Coding,
    /// As printed, and in UCUM (ucum.org).
    pub unit: (&'static str, &'static str),
    pub places: u32,
    pub low: Option<i64>,
    pub high: Option<i64>,
}

impl Measure {
    pub(super) fn quantity(&self, scaled: i64) -> Quantity {
        let (unit, code) = self.unit;
        Quantity {
            value: Decimal {
                scaled,
                places: self.places,
            },
            unit,
            system: UCUM,
            code,
        }
    }

    /// How a value stands to the limits; empty without limits.
    pub(super) fn interpretation(&self, scaled: i64) -> Vec<Concept> {
        if self.low.is_none() && self.high.is_none() {
            return Vec::new();
        }
        let code = match () {
            () if self.low.is_some_and(|low| scaled < low) => LOW,
            () if self.high.is_some_and(|high| scaled > high) => HIGH,
            () => NORMAL,
        };
        vec![code.into()]
    }

    pub(super) fn reference_range(&self) -> Vec<ReferenceRange> {
        let (low, high) = (
            self.low.map(|low| self.quantity(low)),
            self.high.map(|high| self.quantity(high)),
        );
        if low.is_none() && high.is_none() {
            Vec::new()
        } else {
            vec![ReferenceRange { low, high }]
        }
    }
}

#[derive(Serialize)]
pub(super) struct ReferenceRange {
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<Quantity>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Component {
    pub code: Concept,
    pub value_quantity: Quantity,
}

#[derive(Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
pub(super) struct Observation {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
    pub status: &'static str,
    pub category: [Concept; 1],
    pub code: Concept,
    pub subject: Reference,
    pub encounter: Reference,
    pub effective_date_time: String,
    pub issued: String,
    pub performer: [Reference; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_quantity: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_codeable_concept: Option<Concept>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interpretation: Vec<Concept>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reference_range: Vec<ReferenceRange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub component: Vec<Component>,
}
