//! Reads a caller's body field by field. After a fault, reading goes on, so that one refusal names all faults. Each
//! fault has a JSON pointer (RFC 6901).
//!
//! This module knows JSON, but not the fields of any request. It parses one level of a value at a time, and only a
//! value that a reader asks for. Deep nesting therefore costs nothing, and a field that is not read may hold any JSON.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// Maximum number of faults that one refusal names, so that the refusal stays smaller than the request.
pub const FAULTS_MAX: usize = 100;
/// Longest name of an unknown field that a pointer repeats, in characters.
const NAME_CHARS_MAX: usize = 64;

/// A wrong field and the expected value. It does not repeat the value that the caller sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body.
    pub pointer: String,
    /// The expected value, or the reason why the field is refused.
    pub detail: &'static str,
}

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputError {
    /// The body is not JSON.
    NotJson,
    /// These fields are wrong.
    Faults(Vec<FieldError>),
}

/// Reads a body.
///
/// # Errors
/// Fails if the body is not JSON, or if `read` notes a fault.
pub fn read<T>(body: &[u8], read: impl FnOnce(&Input<'_>, &mut Faults) -> Option<T>) -> Result<T, InputError> {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else {
        return Err(InputError::NotJson);
    };
    let mut faults = Faults::default();
    match read(&Input::new(raw, String::new()), &mut faults) {
        Some(value) if faults.0.is_empty() => Ok(value),
        _ => Err(InputError::Faults(faults.0)),
    }
}

/// The faults noted so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes a fault, unless the same fault or [`FAULTS_MAX`] other faults are noted already.
    pub fn add(&mut self, pointer: impl Into<String>, detail: &'static str) {
        let pointer = pointer.into();
        let error = FieldError { pointer, detail };
        if self.0.len() < FAULTS_MAX && !self.0.contains(&error) {
            self.0.push(error);
        }
    }
}

/// A value and its pointer.
#[derive(Clone)]
pub struct Input<'b> {
    json: &'b str,
    pointer: String,
}

impl<'b> Input<'b> {
    fn new(raw: &'b RawValue, pointer: String) -> Self {
        Self {
            json: raw.get(),
            pointer,
        }
    }

    /// The pointer to the value.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The value as a text; `None` for any other value. A text with half of a surrogate pair is not accepted.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.parse()
    }

    /// The value as `true` or `false`; `None` for any other value.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        self.parse()
    }

    /// The items of an array; `None` for any other value.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Self>> {
        let items: Vec<&RawValue> = self.parse()?;
        let at = |(index, raw)| Self::new(raw, format!("{}/{index}", self.pointer));
        Some(items.into_iter().enumerate().map(at).collect())
    }

    /// The fields of an object. Notes a fault for any other value, for a field that is not `known`, and for a repeated
    /// field.
    pub fn fields(&self, known: &[&str], faults: &mut Faults) -> Option<Fields<'b>> {
        let Some(Entries(entries)) = self.parse() else {
            faults.add(&self.pointer, "an object");
            return None;
        };
        let fields = Fields {
            pointer: self.pointer.clone(),
            entries,
        };
        fields.note_unknown(known, faults);
        for name in known {
            if fields.entries.iter().filter(|(own, _)| own == name).count() > 1 {
                faults.add(fields.at(name), "a field that occurs only once");
            }
        }
        Some(fields)
    }

    fn parse<T: Deserialize<'b>>(&self) -> Option<T> {
        serde_json::from_str(self.json).ok()
    }
}

/// The fields of an object.
pub struct Fields<'b> {
    pointer: String,
    entries: Vec<(String, &'b RawValue)>,
}

impl<'b> Fields<'b> {
    /// The pointer to a field, even a missing one.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }

    /// A field, if it exists.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Input<'b>> {
        let (_, raw) = self.entries.iter().find(|(own, _)| own == name)?;
        Some(Input::new(raw, self.at(name)))
    }

    /// A required field. Notes `expected` if it is missing or `read` returns `None`.
    pub fn required<T>(
        &self,
        name: &str,
        expected: &'static str,
        faults: &mut Faults,
        read: impl FnOnce(&Input<'b>) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(name).and_then(|input| read(&input));
        if value.is_none() {
            faults.add(self.at(name), expected);
        }
        value
    }

    /// An optional field; `null` does not count as missing.
    pub fn optional<T>(
        &self,
        name: &str,
        expected: &'static str,
        faults: &mut Faults,
        read: impl FnOnce(&Input<'b>) -> Option<T>,
    ) -> Option<T> {
        self.get(name)?;
        self.required(name, expected, faults, read)
    }

    fn note_unknown(&self, known: &[&str], faults: &mut Faults) {
        let unknown = self.entries.iter().map(|(name, _)| name.as_str());
        for name in unknown.filter(|name| !known.contains(name)) {
            if name.chars().nth(NAME_CHARS_MAX).is_none() {
                faults.add(self.at(name), "an unknown field");
            } else {
                faults.add(&self.pointer, "an unknown field with a very long name");
            }
        }
    }
}

/// All fields of an object in their order, repeated ones included.
struct Entries<'b>(Vec<(String, &'b RawValue)>);

impl<'de: 'b, 'b> Deserialize<'de> for Entries<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests;
