//! The comparison of a record's Patients with the person.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::PatientFingerprint;
use crate::domain::PatientId;

/// A field in which a Patient differs from the person. It names no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferentField {
    /// The Patient's id is unclear, or is not that of the patient for whom the record was requested.
    PatientId,
    /// None of the Patient's names is the person's, a name is unclear, or there are too many names.
    Name,
    /// The Patient's birth date is unclear, or is not the person's.
    BirthDate,
}

impl DifferentField {
    /// The code, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PatientId => "patient_id",
            Self::Name => "name",
            Self::BirthDate => "birth_date",
        }
    }
}

/// The result of comparing a record's Patients with the person.
///
/// No result states a match. Metriport makes the Patient from the demographics that we sent, so equal values prove
/// nothing about the rest of the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatientComparison {
    /// No difference was found, or there was nothing to compare.
    #[default]
    NotComparable,
    /// At least one Patient differs in these fields.
    Different(BTreeSet<DifferentField>),
}

impl PatientComparison {
    /// The result for these different fields.
    #[must_use]
    pub fn of(different: BTreeSet<DifferentField>) -> Self {
        match different.is_empty() {
            true => Self::NotComparable,
            false => Self::Different(different),
        }
    }

    /// The different fields.
    pub fn different(&self) -> impl Iterator<Item = DifferentField> {
        match self {
            Self::NotComparable => None,
            Self::Different(fields) => Some(fields),
        }
        .into_iter()
        .flatten()
        .copied()
    }
}

/// The person whom each Patient of a record must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPatient {
    /// The patient for whom the record was requested.
    pub id: PatientId,
    /// The fingerprint of demographics that the patient already had when the record was requested. If there is none,
    /// only ids are compared.
    pub fingerprint: Option<PatientFingerprint>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comparison_is_stored_as_codes() {
        let every = [
            DifferentField::PatientId,
            DifferentField::Name,
            DifferentField::BirthDate,
        ];
        for (comparison, stored) in [
            (PatientComparison::default(), json!("not_comparable")),
            (
                PatientComparison::of(every.into()),
                json!({ "different": every.map(DifferentField::as_str) }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&comparison).unwrap(), stored);
            assert_eq!(serde_json::from_value::<PatientComparison>(stored).unwrap(), comparison);
        }
        assert_eq!(PatientComparison::of(BTreeSet::new()), PatientComparison::NotComparable);
    }
}
