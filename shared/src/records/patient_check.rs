//! Compares the Patients of a record with the person while the record streams into the bucket. The check holds one name
//! at a time, so its memory does not grow with the record.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::mem::take;

use super::{PatientField, ResourceSink};
use crate::domain::demographics::TEXT_CHARS_MAX;
use crate::domain::patient::{DifferentField, ExpectedPatient, PatientComparison};

/// Longest name that is compared, in bytes: the longest name that the API accepts. A longer name is different.
const NAME_BYTES_MAX: usize = 4 * TEXT_CHARS_MAX;
/// Maximum number of names of one Patient that are compared, because each comparison takes several hashes. A Patient
/// with more names is different.
const NAMES_MAX: u32 = 64;

/// The comparison of one record's Patients with the expected one.
pub(super) struct PatientCheck {
    expected: ExpectedPatient,
    given: String,
    family: String,
    resource: ReadResource,
    different: BTreeSet<DifferentField>,
}

/// The differences of the current resource. They count only if it is a Patient.
#[derive(Default)]
struct ReadResource {
    different: BTreeSet<DifferentField>,
    names: u32,
    /// Whether one of the names so far is the person's. `None` while no name could be compared.
    is_named: Option<bool>,
}

impl PatientCheck {
    pub(super) fn new(expected: ExpectedPatient) -> Self {
        Self {
            expected,
            given: String::new(),
            family: String::new(),
            resource: ReadResource::default(),
            different: BTreeSet::new(),
        }
    }

    /// The result for all Patients that have ended.
    pub(super) fn comparison(self) -> PatientComparison {
        PatientComparison::of(self.different)
    }

    /// Notes that the current resource differs in a field.
    fn note(&mut self, field: PatientField) {
        self.resource.different.insert(match field {
            PatientField::Id => DifferentField::PatientId,
            PatientField::BirthDate => DifferentField::BirthDate,
            PatientField::Name | PatientField::Given | PatientField::Family => DifferentField::Name,
        });
    }

    fn is_other_birth_date(&self, date: &str) -> bool {
        let fingerprint = self.expected.fingerprint.as_ref();
        fingerprint.is_some_and(|fingerprint| fingerprint.has_other_birth_date(date))
    }
}

impl ResourceSink for PatientCheck {
    fn text(&mut self, field: PatientField, raw: &[u8]) {
        let is_expected = decode(raw).is_some_and(|text| match field {
            PatientField::Id => text == self.expected.id.as_str(),
            PatientField::BirthDate => !self.is_other_birth_date(&text),
            // A name is compared when it has ended.
            PatientField::Given => add(&mut self.given, &text),
            PatientField::Family => add(&mut self.family, &text),
            PatientField::Name => true,
        });
        if !is_expected {
            self.note(field);
        }
    }

    /// An unclear field is different.
    fn unclear(&mut self, field: PatientField) {
        self.note(field);
    }

    fn end_name(&mut self) {
        let (given, family) = (take(&mut self.given), take(&mut self.family));
        self.resource.names = self.resource.names.saturating_add(1);
        if self.resource.names > NAMES_MAX {
            self.note(PatientField::Name);
        } else if self.resource.is_named != Some(true)
            && let Some(fingerprint) = &self.expected.fingerprint
        {
            self.resource.is_named = fingerprint.has_name(&given, &family).or(self.resource.is_named);
        }
    }

    fn end_resource(&mut self, is_patient: bool) {
        if self.resource.is_named == Some(false) {
            self.note(PatientField::Name);
        }
        let different = take(&mut self.resource).different;
        let has_fingerprint = self.expected.fingerprint.is_some();
        let counts = |field: &DifferentField| is_patient && (has_fingerprint || *field == DifferentField::PatientId);
        self.different.extend(different.into_iter().filter(counts));
    }
}

/// Adds a text to a name, unless the name becomes too long. Returns whether the text was added.
fn add(name: &mut String, text: &str) -> bool {
    let fits = name.len() + text.len() <= NAME_BYTES_MAX;
    if fits {
        name.extend([text, " "]);
    }
    fits
}

/// Decodes the escapes of a text. `None` if the text has half of a surrogate pair.
fn decode(raw: &[u8]) -> Option<Cow<'_, str>> {
    if !raw.contains(&b'\\') {
        return str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice(&quoted).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
