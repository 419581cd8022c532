//! Reads a FHIR Bundle as it streams by: checks that it is JSON and a Bundle, and counts resources by type.
//!
//! A push reader: it is fed pieces of any size, keeps a nesting stack and the current short text, and nothing else, so
//! its memory does not grow with the record. It accepts the JSON grammar of RFC 8259, nested at most [`DEPTH_MAX`]
//! deep, in UTF-8.

use std::collections::BTreeMap;

/// Deepest nesting read. FHIR bundles stay far below; what is deeper is an attack.
pub const DEPTH_MAX: usize = 512;
/// Longest key or type name kept.
const TEXT_MAX: usize = 64;
/// Most distinct types counted; FHIR R4 has fewer than 150.
const TYPES_MAX: usize = 256;

/// Why a stream is no FHIR Bundle. Offsets count bytes; nothing is quoted.
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
    /// JSON, but its `resourceType` is not `Bundle`.
    #[error("not a FHIR Bundle")]
    NotABundle,
    /// It ended in the middle.
    #[error("ended early after {0} bytes")]
    Truncated(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Root,
    Entries,
    Entry,
    Resource,
    Other,
}

#[derive(Clone, Copy)]
struct Frame {
    object: bool,
    role: Role,
}

/// What the value after the current key is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    BundleType,
    Entries,
    Resource,
    ResourceType,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Key,
    Colon,
    CommaOrEnd,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    Sign,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    Power,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lex {
    Between,
    Text { key: bool },
    Escape { key: bool },
    Unicode { key: bool, left: u8 },
    Number(Number),
    Word { rest: &'static [u8] },
}

/// A reader in the middle of a stream.
pub struct BundleScan {
    stack: Vec<Frame>,
    expect: Expect,
    lex: Lex,
    slot: Slot,
    text: Option<Vec<u8>>,
    utf8: Utf8,
    offset: u64,
    is_bundle: bool,
    counts: BTreeMap<String, u64>,
}

impl Default for BundleScan {
    fn default() -> Self {
        Self {
            stack: Vec::new(),
            expect: Expect::Value,
            lex: Lex::Between,
            slot: Slot::Other,
            text: None,
            utf8: Utf8::default(),
            offset: 0,
            is_bundle: false,
            counts: BTreeMap::new(),
        }
    }
}

type Step = Result<(), ScanError>;

impl BundleScan {
    /// Reads the next piece.
    ///
    /// # Errors
    /// As soon as the stream can be no Bundle.
    pub fn push(&mut self, piece: &[u8]) -> Step {
        for &byte in piece {
            if !self.utf8.take(byte) {
                return Err(ScanError::NotUtf8(self.offset));
            }
            self.byte(byte)?;
            self.offset += 1;
        }
        Ok(())
    }

    /// Ends the stream: resources by type.
    ///
    /// # Errors
    /// When it ended early, or was JSON but no Bundle.
    pub fn finish(self) -> Result<BTreeMap<String, u64>, ScanError> {
        if self.expect != Expect::Nothing || self.lex != Lex::Between {
            return Err(ScanError::Truncated(self.offset));
        }
        if self.is_bundle {
            Ok(self.counts)
        } else {
            Err(ScanError::NotABundle)
        }
    }

    const fn not_json(&self) -> ScanError {
        ScanError::NotJson(self.offset)
    }

    fn byte(&mut self, byte: u8) -> Step {
        match self.lex {
            Lex::Between => self.between(byte),
            Lex::Text { key } => self.in_text(byte, key),
            Lex::Escape { key } => self.in_escape(byte, key),
            Lex::Unicode { key, left } => self.in_unicode(byte, key, left),
            Lex::Number(state) => self.in_number(byte, state),
            Lex::Word { rest } => self.in_word(byte, rest),
        }
    }

    fn between(&mut self, byte: u8) -> Step {
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            return Ok(());
        }
        match (self.expect, byte) {
            (Expect::KeyOrEnd, b'}') | (Expect::ValueOrEnd, b']') => self.close(),
            (Expect::KeyOrEnd | Expect::Key, b'"') => {
                self.text = Some(Vec::new());
                self.lex = Lex::Text { key: true };
                Ok(())
            }
            (Expect::Colon, b':') => {
                self.expect = Expect::Value;
                Ok(())
            }
            (Expect::CommaOrEnd, _) => self.after_value(byte),
            (Expect::Value | Expect::ValueOrEnd, _) => self.value(byte),
            _ => Err(self.not_json()),
        }
    }

    fn after_value(&mut self, byte: u8) -> Step {
        let object = self.stack.last().is_some_and(|frame| frame.object);
        match (byte, object) {
            (b',', true) => self.expect = Expect::Key,
            (b',', false) => self.expect = Expect::Value,
            (b'}', true) | (b']', false) => return self.close(),
            _ => return Err(self.not_json()),
        }
        Ok(())
    }

    fn value(&mut self, byte: u8) -> Step {
        let slot = std::mem::replace(&mut self.slot, Slot::Other);
        if self.stack.is_empty() && byte != b'{' {
            return self.root_is_no_object(byte);
        }
        match byte {
            b'{' => self.open(true, slot),
            b'[' => self.open(false, slot),
            b'"' => {
                let kept = matches!(slot, Slot::BundleType | Slot::ResourceType);
                self.slot = slot;
                self.text = kept.then(Vec::new);
                self.lex = Lex::Text { key: false };
                Ok(())
            }
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            b'-' => self.number(Number::Sign),
            b'0' => self.number(Number::Zero),
            b'1'..=b'9' => self.number(Number::Whole),
            _ => Err(self.not_json()),
        }
    }

    /// Some other JSON value may begin like this; it is no Bundle either way.
    const fn root_is_no_object(&self, byte: u8) -> Step {
        match byte {
            b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Err(ScanError::NotABundle),
            _ => Err(self.not_json()),
        }
    }

    const fn word(&mut self, rest: &'static [u8]) -> Step {
        self.lex = Lex::Word { rest };
        Ok(())
    }

    const fn number(&mut self, state: Number) -> Step {
        self.lex = Lex::Number(state);
        Ok(())
    }

    fn open(&mut self, object: bool, slot: Slot) -> Step {
        if self.stack.len() >= DEPTH_MAX {
            return Err(ScanError::TooDeep(self.offset));
        }
        let parent = self.stack.last().map(|frame| frame.role);
        let role = match (parent, object, slot) {
            (None, true, _) => Role::Root,
            (Some(Role::Root), false, Slot::Entries) => Role::Entries,
            (Some(Role::Entries), true, _) => Role::Entry,
            (Some(Role::Entry), true, Slot::Resource) => Role::Resource,
            _ => Role::Other,
        };
        self.stack.push(Frame { object, role });
        self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        Ok(())
    }

    fn close(&mut self) -> Step {
        self.stack.pop();
        self.value_ended();
        Ok(())
    }

    fn value_ended(&mut self) {
        self.lex = Lex::Between;
        self.expect = if self.stack.is_empty() {
            Expect::Nothing
        } else {
            Expect::CommaOrEnd
        };
    }

    fn in_text(&mut self, byte: u8, key: bool) -> Step {
        match byte {
            b'"' => self.text_ended(key),
            b'\\' => {
                // No name we look for is written with an escape; one that is, is another name.
                self.text = self.text.take().map(|_| vec![0]);
                self.lex = Lex::Escape { key };
                Ok(())
            }
            0..=0x1f => Err(self.not_json()),
            _ => {
                if let Some(text) = self.text.as_mut().filter(|text| text.len() <= TEXT_MAX) {
                    text.push(byte);
                }
                Ok(())
            }
        }
    }

    const fn in_escape(&mut self, byte: u8, key: bool) -> Step {
        self.lex = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Lex::Text { key },
            b'u' => Lex::Unicode { key, left: 4 },
            _ => return Err(self.not_json()),
        };
        Ok(())
    }

    const fn in_unicode(&mut self, byte: u8, key: bool, left: u8) -> Step {
        if !byte.is_ascii_hexdigit() {
            return Err(self.not_json());
        }
        self.lex = if left == 1 {
            Lex::Text { key }
        } else {
            Lex::Unicode { key, left: left - 1 }
        };
        Ok(())
    }

    fn text_ended(&mut self, key: bool) -> Step {
        let text = self.text.take();
        if key {
            self.lex = Lex::Between;
            self.expect = Expect::Colon;
            self.slot = self.slot_of(text.as_deref().unwrap_or_default());
            return Ok(());
        }
        let slot = std::mem::replace(&mut self.slot, Slot::Other);
        self.value_ended();
        match (slot, text) {
            (Slot::BundleType, Some(name)) if name != b"Bundle" => Err(ScanError::NotABundle),
            (Slot::BundleType, Some(_)) => {
                self.is_bundle = true;
                Ok(())
            }
            (Slot::ResourceType, Some(name)) => {
                self.count(&name);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn slot_of(&self, key: &[u8]) -> Slot {
        match (self.stack.last().map(|frame| frame.role), key) {
            (Some(Role::Root), b"resourceType") => Slot::BundleType,
            (Some(Role::Root), b"entry") => Slot::Entries,
            (Some(Role::Entry), b"resource") => Slot::Resource,
            (Some(Role::Resource), b"resourceType") => Slot::ResourceType,
            _ => Slot::Other,
        }
    }

    /// Counts a resource. What is no FHIR type name is counted, but not repeated: it could be anything.
    fn count(&mut self, name: &[u8]) {
        let known = name.len() <= TEXT_MAX && !name.is_empty() && name.iter().all(u8::is_ascii_alphabetic);
        let name = if known {
            String::from_utf8_lossy(name).into_owned()
        } else {
            "unnamed".to_owned()
        };
        let full = self.counts.len() >= TYPES_MAX && !self.counts.contains_key(&name);
        *self
            .counts
            .entry(if full { "unnamed".to_owned() } else { name })
            .or_default() += 1;
    }

    fn in_number(&mut self, byte: u8, state: Number) -> Step {
        use Number::{Exponent, ExponentSign, Fraction, Point, Power, Sign, Whole, Zero};
        let next = match (state, byte) {
            (Sign, b'0') => Zero,
            (Sign, b'1'..=b'9') | (Whole, b'0'..=b'9') => Whole,
            (Zero | Whole, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Whole | Fraction, b'e' | b'E') => Exponent,
            (Exponent, b'+' | b'-') => ExponentSign,
            (Exponent | ExponentSign | Power, b'0'..=b'9') => Power,
            (Zero | Whole | Fraction | Power, _) => {
                self.value_ended();
                return self.between(byte);
            }
            _ => return Err(self.not_json()),
        };
        self.lex = Lex::Number(next);
        Ok(())
    }

    fn in_word(&mut self, byte: u8, rest: &'static [u8]) -> Step {
        match rest.split_first() {
            Some((expected, [])) if *expected == byte => self.value_ended(),
            Some((expected, rest)) if *expected == byte => self.lex = Lex::Word { rest },
            _ => return Err(self.not_json()),
        }
        Ok(())
    }
}

/// Checks UTF-8 byte by byte (RFC 3629, section 4): how many continuation bytes are left, and the range of the next.
#[derive(Clone, Copy)]
struct Utf8 {
    left: u8,
    low: u8,
    high: u8,
}

impl Default for Utf8 {
    fn default() -> Self {
        Self {
            left: 0,
            low: 0x80,
            high: 0xbf,
        }
    }
}

impl Utf8 {
    const fn take(&mut self, byte: u8) -> bool {
        if self.left > 0 {
            let fits = self.low <= byte && byte <= self.high;
            *self = Self {
                left: self.left - 1,
                low: 0x80,
                high: 0xbf,
            };
            return fits;
        }
        let (left, low, high) = match byte {
            0..=0x7f => (0, 0x80, 0xbf),
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            _ => return false,
        };
        *self = Self { left, low, high };
        true
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
