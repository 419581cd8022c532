//! Reads a FHIR Bundle as it streams by: checks that it is JSON and a Bundle, counts resources by type, and reports who
//! its Patients are.
//!
//! The caller pushes pieces of any size. The scan keeps only the stack of open brackets and the beginning of the
//! current string, so its memory does not grow with the record. It accepts the JSON grammar of RFC 8259 in UTF-8,
//! nested at most 512 deep.
//!
//! FHIR requires unique names (hl7.org/fhir/R4/json.html). The scan refuses a duplicate of a name that it looks for,
//! because it cannot know which of the two members another reader uses. It also refuses an escape in any name of the
//! same object. With the escape decoded, the name may be such a duplicate, and no FHIR name needs an escape.

mod json;
mod number;
mod resource;
mod specials;
mod utf8;

use std::collections::BTreeMap;

use json::{DEPTH_MAX, Fault, Lexer, Reader, TEXT_MAX, Want};
use resource::Resource;
pub use resource::{PatientField, ResourceSink};
use utf8::{Cut, Whole};

/// Maximum number of distinct types that are counted; FHIR R4 has fewer than 150.
const TYPES_MAX: usize = 256;

/// Why a stream is not a FHIR Bundle. Offsets are in bytes; no error quotes the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Not JSON.
    #[error("not JSON at byte {0}")]
    NotJson(u64),
    /// Not UTF-8.
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(u64),
    /// Nested too deeply.
    #[error("nested deeper than {DEPTH_MAX} at byte {0}")]
    TooDeep(u64),
    /// A name that decides the count appears twice in one object.
    #[error("duplicate name at byte {0}")]
    Doubled(u64),
    /// A resource type, or a name that may decide the count, has an escape.
    #[error("name with an escape at byte {0}")]
    Escaped(u64),
    /// JSON, but its `resourceType` is not `Bundle`.
    #[error("not a FHIR Bundle")]
    NotABundle,
    /// The stream ended too early.
    #[error("truncated after {0} bytes")]
    Truncated(u64),
}

/// The scan of one stream. It reports the fields of Patients to `S`.
pub struct BundleScan<S = ()> {
    lexer: Lexer,
    bundle: Bundle<S>,
    cut: Cut,
    offset: u64,
}

/// A scan that only checks and counts.
impl Default for BundleScan {
    fn default() -> Self {
        Self::new(())
    }
}

type Step = Result<(), ScanError>;

impl<S: ResourceSink> BundleScan<S> {
    /// Begins a scan that reports to `sink`.
    pub fn new(sink: S) -> Self {
        Self {
            lexer: Lexer::default(),
            bundle: Bundle::new(sink),
            cut: Cut::default(),
            offset: 0,
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// Fails as soon as the stream cannot be a Bundle.
    pub fn push(&mut self, piece: &[u8]) -> Step {
        let mut piece = piece;
        if !self.cut.is_empty() {
            match self.cut.complete(piece) {
                Whole::Character(bytes, length, rest) => {
                    self.read(bytes.get(..length).unwrap_or_default())?;
                    piece = rest;
                }
                Whole::NotYet => return Ok(()),
                Whole::Invalid => return Err(ScanError::NotUtf8(self.offset)),
            }
        }
        let (text, rest, invalid) = utf8::valid(piece);
        self.read(text)?;
        if invalid {
            return Err(ScanError::NotUtf8(self.offset));
        }
        self.cut.hold(rest);
        Ok(())
    }

    fn read(&mut self, text: &[u8]) -> Step {
        let read = self.lexer.push(text, &mut self.bundle);
        let (fault, at) = match read {
            Ok(()) => (None, text.len()),
            Err((fault, at)) => (Some(fault), at),
        };
        self.offset += at as u64;
        match fault {
            None => Ok(()),
            Some(Fault::NotJson) => Err(ScanError::NotJson(self.offset)),
            Some(Fault::TooDeep) => Err(ScanError::TooDeep(self.offset)),
            Some(Fault::Doubled) => Err(ScanError::Doubled(self.offset)),
            Some(Fault::Escaped) => Err(ScanError::Escaped(self.offset)),
            Some(Fault::NotABundle) => Err(ScanError::NotABundle),
        }
    }

    /// Ends the stream. Returns the number of resources of each type, and the sink.
    ///
    /// # Errors
    /// When the stream ended early, or was JSON but not a Bundle.
    pub fn finish(self) -> Result<(BTreeMap<String, u64>, S), ScanError> {
        if !self.lexer.is_complete() || !self.cut.is_empty() {
            return Err(ScanError::Truncated(self.offset + self.cut.length() as u64));
        }
        if self.bundle.is_bundle {
            Ok((self.bundle.counts, self.bundle.resource.into_sink()))
        } else {
            Err(ScanError::NotABundle)
        }
    }
}

/// The innermost known part of the Bundle around the current position. Each variant lies inside the one before.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Outside,
    Root,
    Entries,
    Entry,
    Resource,
}

/// The meaning of the value after the current key.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Slot {
    BundleType,
    Entries,
    Resource,
    #[default]
    Other,
}

/// Whether each name that may appear only once has appeared: in the Bundle, and in the current entry.
#[derive(Default)]
struct KeyFlags {
    bundle_type: bool,
    entries: bool,
    resource: bool,
}

/// The state of the Bundle.
struct Bundle<S> {
    place: Place,
    /// The number of open brackets inside `place` that do not begin a known part.
    below: usize,
    slot: Slot,
    key_flags: KeyFlags,
    is_bundle: bool,
    counts: BTreeMap<String, u64>,
    /// The resource of the current entry.
    resource: Resource<S>,
}

impl<S: ResourceSink> Reader for Bundle<S> {
    fn open(&mut self, object: bool) {
        if self.below > 0 {
            self.below += 1;
            return;
        }
        if self.place == Place::Resource {
            self.below += usize::from(!self.resource.open(object));
            return;
        }
        let slot = std::mem::take(&mut self.slot);
        let inner = match (self.place, object, slot) {
            (Place::Outside, true, _) => Some(Place::Root),
            (Place::Root, false, Slot::Entries) => Some(Place::Entries),
            (Place::Entries, true, _) => Some(Place::Entry),
            (Place::Entry, true, Slot::Resource) => Some(Place::Resource),
            _ => None,
        };
        match inner {
            Some(place) => self.enter(place),
            None => self.below += 1,
        }
    }

    fn close(&mut self) {
        if self.below > 0 {
            self.below -= 1;
            return;
        }
        if self.place == Place::Resource && !self.resource.close() {
            return;
        }
        self.slot = Slot::Other;
        self.place = match self.place {
            Place::Resource => Place::Entry,
            Place::Entry => Place::Entries,
            Place::Entries => Place::Root,
            Place::Root | Place::Outside => Place::Outside,
        };
    }

    #[inline]
    fn wants(&self, key: bool) -> Want {
        if self.below > 0 {
            return Want::Nothing;
        }
        match (self.place, self.slot) {
            (Place::Resource, _) => self.resource.wants(key),
            (Place::Root | Place::Entry, _) if key => Want::Word,
            (_, Slot::BundleType) if !key => Want::Word,
            _ => Want::Nothing,
        }
    }

    fn text(&mut self, key: bool, text: &[u8]) -> Result<(), Fault> {
        if self.place == Place::Resource {
            if self.resource.text(key, text)? {
                self.count(text);
            }
            return Ok(());
        }
        if key {
            return self.key(text);
        }
        match std::mem::take(&mut self.slot) {
            Slot::BundleType if text != b"Bundle" => return Err(Fault::NotABundle),
            Slot::BundleType => self.is_bundle = true,
            Slot::Entries | Slot::Resource | Slot::Other => {}
        }
        Ok(())
    }
}

impl<S: ResourceSink> Bundle<S> {
    fn new(sink: S) -> Self {
        Self {
            place: Place::Outside,
            below: 0,
            slot: Slot::Other,
            key_flags: KeyFlags::default(),
            is_bundle: false,
            counts: BTreeMap::new(),
            resource: Resource::new(sink),
        }
    }

    fn enter(&mut self, place: Place) {
        self.place = place;
        match place {
            Place::Entry => self.key_flags.resource = false,
            Place::Resource => self.resource.begin(),
            Place::Outside | Place::Root | Place::Entries => {}
        }
    }

    fn key(&mut self, key: &[u8]) -> Result<(), Fault> {
        let (slot, flag) = match (self.place, key) {
            (Place::Root, b"resourceType") => (Slot::BundleType, &mut self.key_flags.bundle_type),
            (Place::Root, b"entry") => (Slot::Entries, &mut self.key_flags.entries),
            (Place::Entry, b"resource") => (Slot::Resource, &mut self.key_flags.resource),
            _ => {
                self.slot = Slot::Other;
                return Ok(());
            }
        };
        self.slot = slot;
        if std::mem::replace(flag, true) {
            return Err(Fault::Doubled);
        }
        Ok(())
    }

    /// Counts a resource. A text that cannot be a FHIR type name counts as `unnamed`, because it could be anything and
    /// must not appear in the result.
    fn count(&mut self, name: &[u8]) {
        let known = name.len() <= TEXT_MAX && !name.is_empty() && name.iter().all(u8::is_ascii_alphabetic);
        let name = str::from_utf8(name).ok().filter(|_| known).unwrap_or("unnamed");
        if let Some(count) = self.counts.get_mut(name) {
            *count += 1;
            return;
        }
        let name = if self.counts.len() >= TYPES_MAX {
            "unnamed"
        } else {
            name
        };
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests;
