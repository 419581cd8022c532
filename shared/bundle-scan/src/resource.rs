//! Reads one entry's resource: its type, and the fields that identify a Patient.

use std::mem::{replace, take};

use super::json::{Fault, RAW_MAX, Want};

/// A field of a Patient (hl7.org/fhir/R4/patient.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatientField {
    /// `id`.
    Id,
    /// `birthDate`.
    BirthDate,
    /// `name`, the list of names. It has no text of its own.
    Name,
    /// A text of `name[].given`.
    Given,
    /// `name[].family`.
    Family,
}

/// Receives the fields of each entry's resource, in the order of the stream.
///
/// The type may stand after the fields, so these may be fields of any resource. Only [`ResourceSink::end_resource`]
/// states whether they were a Patient's. After another type, no more fields of the resource arrive.
pub trait ResourceSink {
    /// A text as it is written, with its escapes and without its quotes.
    fn text(&mut self, field: PatientField, raw: &[u8]);
    /// The field's text is longer than 2,400 bytes, or JSON readers may read different values. They may if the field
    /// appears twice, or if a key beside it has an escape and may be the same key.
    fn unclear(&mut self, field: PatientField);
    /// An element of `name` ends.
    fn end_name(&mut self);
    /// The resource ends.
    fn end_resource(&mut self, is_patient: bool);
}

/// Ignores all fields.
impl ResourceSink for () {
    fn text(&mut self, _field: PatientField, _raw: &[u8]) {}
    fn unclear(&mut self, _field: PatientField) {}
    fn end_name(&mut self) {}
    fn end_resource(&mut self, _is_patient: bool) {}
}

/// The innermost part of the resource that contains the current position. Each variant lies inside the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Top,
    Names,
    Name,
    Given,
}

/// The value that follows the current key.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Slot {
    Type,
    Field(PatientField),
    #[default]
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unread,
    Patient,
    Other,
}

/// The fields that have appeared, one bit for each.
#[derive(Clone, Copy, Default)]
struct Fields(u8);

impl Fields {
    /// Adds a field. Returns whether it is new.
    fn add(&mut self, field: PatientField) -> bool {
        let with = self.0 | 1 << field as u8;
        replace(&mut self.0, with) != with
    }

    fn remove(&mut self, field: PatientField) {
        self.0 &= !(1 << field as u8);
    }
}

/// The state of the current resource.
pub(super) struct Resource<S> {
    sink: S,
    part: Part,
    slot: Slot,
    kind: Kind,
    has_type: bool,
    fields: Fields,
}

impl<S: ResourceSink> Resource<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            sink,
            part: Part::Top,
            slot: Slot::Other,
            kind: Kind::Unread,
            has_type: false,
            fields: Fields::default(),
        }
    }

    pub(super) fn into_sink(self) -> S {
        self.sink
    }

    /// A resource begins.
    pub(super) fn begin(&mut self) {
        (self.part, self.slot, self.kind) = (Part::Top, Slot::Other, Kind::Unread);
        (self.has_type, self.fields) = (false, Fields::default());
    }

    /// A bracket opens. Returns whether it begins a known part.
    pub(super) fn open(&mut self, object: bool) -> bool {
        self.part = match (self.part, object, take(&mut self.slot)) {
            (Part::Top, false, Slot::Field(PatientField::Name)) => Part::Names,
            (Part::Names, true, _) => {
                self.fields.remove(PatientField::Given);
                self.fields.remove(PatientField::Family);
                Part::Name
            }
            (Part::Name, false, Slot::Field(PatientField::Given)) => Part::Given,
            _ => return false,
        };
        true
    }

    /// A known part ends. Returns whether that is the whole resource.
    pub(super) fn close(&mut self) -> bool {
        self.slot = Slot::Other;
        self.part = match self.part {
            Part::Top => {
                self.sink.end_resource(self.kind == Kind::Patient);
                return true;
            }
            Part::Names => Part::Top,
            Part::Name => {
                self.sink.end_name();
                Part::Names
            }
            Part::Given => Part::Name,
        };
        false
    }

    pub(super) fn wants(&self, key: bool) -> Want {
        match (self.part, self.slot) {
            (Part::Top, _) if key => Want::Word,
            (Part::Name, _) if key => Want::Raw,
            _ if key => Want::Nothing,
            (Part::Given, _) => Want::Raw,
            (_, Slot::Type) => Want::Word,
            (_, Slot::Field(PatientField::Name) | Slot::Other) => Want::Nothing,
            (_, Slot::Field(_)) => Want::Raw,
        }
    }

    /// Receives a wanted text. Returns whether it is the resource's type.
    pub(super) fn text(&mut self, key: bool, text: &[u8]) -> Result<bool, Fault> {
        if key {
            return self.key(text).map(|()| false);
        }
        match (self.part, take(&mut self.slot)) {
            (Part::Given, _) => self.report(PatientField::Given, text),
            (_, Slot::Field(field)) => self.report(field, text),
            (_, Slot::Type) => {
                self.kind = if text == b"Patient" { Kind::Patient } else { Kind::Other };
                return Ok(true);
            }
            (_, Slot::Other) => {}
        }
        Ok(false)
    }

    fn key(&mut self, key: &[u8]) -> Result<(), Fault> {
        self.slot = Slot::Other;
        let field = match (self.part, key) {
            (Part::Top, b"resourceType") => {
                self.slot = Slot::Type;
                let is_doubled = replace(&mut self.has_type, true);
                return if is_doubled { Err(Fault::Doubled) } else { Ok(()) };
            }
            _ if self.kind == Kind::Other => return Ok(()),
            (Part::Top, b"id") => PatientField::Id,
            (Part::Top, b"birthDate") => PatientField::BirthDate,
            (Part::Top, b"name") => PatientField::Name,
            (Part::Name, b"given") => PatientField::Given,
            (Part::Name, b"family") => PatientField::Family,
            (Part::Name, name) if name.contains(&b'\\') => {
                self.sink.unclear(PatientField::Name);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.slot = Slot::Field(field);
        if !self.fields.add(field) {
            self.sink.unclear(field);
        }
        Ok(())
    }

    fn report(&mut self, field: PatientField, text: &[u8]) {
        if text.len() > RAW_MAX {
            self.sink.unclear(field);
        } else {
            self.sink.text(field, text);
        }
    }
}
