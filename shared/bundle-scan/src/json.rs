//! Reads a JSON document (RFC 8259) from pieces of any size. Here, a *text* is a JSON string. The lexer keeps the open
//! brackets and, if the reader wants the current text, the beginning of that text. It refuses a document that is not an
//! object, because only an object can be a Bundle.

use super::number::Number;
use super::specials::{Specials, WINDOW};

/// Deepest nesting that is read. FHIR Bundles are far less deep; a deeper document is an attack.
pub(super) const DEPTH_MAX: usize = 512;
/// Longest [`Want::Word`] that the reader gets whole, in bytes. A longer text is cut to one byte more, so that the
/// reader notices it.
pub(super) const TEXT_MAX: usize = 64;
/// Longest [`Want::Raw`] that the reader gets whole, in bytes; a longer one is cut in the same way. The longest name
/// that the API accepts fits: 200 characters, each as two escapes of six bytes.
pub(super) const RAW_MAX: usize = 2_400;

/// Why the lexer or its reader refuses the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NotJson,
    TooDeep,
    /// A value other than an object, or an object that is not a Bundle.
    NotABundle,
    /// A name that may appear only once appears twice.
    Doubled,
    /// A text that the reader wants as a word has an escape.
    Escaped,
}

/// The form in which the reader wants a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Not at all.
    Nothing,
    /// As a word of at most [`TEXT_MAX`] bytes. A word with an escape is a [`Fault::Escaped`].
    Word,
    /// As it is written, with its escapes; at most [`RAW_MAX`] bytes.
    Raw,
}

impl Want {
    const fn bytes_max(self) -> usize {
        match self {
            Self::Nothing | Self::Word => TEXT_MAX,
            Self::Raw => RAW_MAX,
        }
    }
}

/// Receives the brackets, and the texts that it wants.
pub(super) trait Reader {
    /// An object or array begins.
    fn open(&mut self, object: bool);
    /// The innermost open object or array ends.
    fn close(&mut self);
    /// Whether and how the reader wants the text that begins now, which is a key or a value.
    fn wants(&self, key: bool) -> Want;
    /// Receives a wanted text.
    fn text(&mut self, key: bool, text: &[u8]) -> Result<(), Fault>;
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
enum Lex {
    Between,
    Text,
    Escape,
    Unicode { left: u8 },
    Number(Number),
    Word { rest: &'static [u8] },
}

/// The state of the lexer between two pieces, perhaps in the middle of a text.
pub(super) struct Lexer {
    /// For each open bracket, whether it opens an object.
    open: Vec<bool>,
    expect: Expect,
    lex: Lex,
    /// Whether the current text is a key.
    key: bool,
    wanted: Want,
    /// The beginning of a wanted text that started in an earlier window or piece.
    beginning: Vec<u8>,
}

impl Default for Lexer {
    fn default() -> Self {
        Self {
            open: Vec::with_capacity(64),
            expect: Expect::Value,
            lex: Lex::Between,
            key: false,
            wanted: Want::Nothing,
            beginning: Vec::with_capacity(TEXT_MAX + 1),
        }
    }
}

impl Lexer {
    /// Whether the document may end here.
    pub(super) fn is_complete(&self) -> bool {
        self.expect == Expect::Nothing && self.lex == Lex::Between
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// The fault, and how many bytes of the piece were read before it.
    pub(super) fn push(&mut self, piece: &[u8], reader: &mut impl Reader) -> Result<(), (Fault, usize)> {
        for (nth, window) in piece.chunks(WINDOW).enumerate() {
            let read = self.window(window, reader);
            read.map_err(|(fault, at)| (fault, nth * WINDOW + at))?;
        }
        Ok(())
    }

    fn window(&mut self, window: &[u8], reader: &mut impl Reader) -> Result<(), (Fault, usize)> {
        let specials = Specials::of(window);
        let mut at = 0;
        while let Some(&byte) = window.get(at) {
            let read = match self.lex {
                Lex::Between if is_blank(&byte) => Ok(blanks(window, at)),
                Lex::Between => self.between(byte, reader).map(|()| 1),
                Lex::Text => {
                    at = self.in_texts(window, at, &specials, reader)?;
                    continue;
                }
                Lex::Escape => self.in_escape(byte).map(|()| 1),
                Lex::Unicode { left } => self.in_unicode(byte, left).map(|()| 1),
                Lex::Number(state) => self.in_number(byte, state).map(usize::from),
                Lex::Word { rest } => self.in_word(byte, rest).map(|()| 1),
            };
            at += read.map_err(|fault| (fault, at))?;
        }
        Ok(())
    }

    fn between(&mut self, byte: u8, reader: &mut impl Reader) -> Result<(), Fault> {
        match (byte, self.expect) {
            (b'"', Expect::KeyOrEnd | Expect::Key) => self.begin_text(true, reader),
            (b'"', Expect::Value | Expect::ValueOrEnd) if !self.open.is_empty() => self.begin_text(false, reader),
            (b':', Expect::Colon) => self.expect = Expect::Value,
            (b',', Expect::CommaOrEnd) => {
                self.expect = if self.in_object() { Expect::Key } else { Expect::Value };
            }
            (b'}', Expect::KeyOrEnd) | (b']', Expect::ValueOrEnd) => self.close(reader),
            (b'}', Expect::CommaOrEnd) if self.in_object() => self.close(reader),
            (b']', Expect::CommaOrEnd) if !self.in_object() => self.close(reader),
            (_, Expect::Value | Expect::ValueOrEnd) => self.value(byte, reader)?,
            _ => return Err(Fault::NotJson),
        }
        Ok(())
    }

    fn in_object(&self) -> bool {
        self.open.last().copied().unwrap_or_default()
    }

    /// Reads the first byte of a value other than a text.
    fn value(&mut self, byte: u8, reader: &mut impl Reader) -> Result<(), Fault> {
        if self.open.is_empty() && byte != b'{' {
            // These bytes begin other JSON values, which are not Bundles. Any other byte is not JSON.
            return Err(match byte {
                b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Fault::NotABundle,
                _ => Fault::NotJson,
            });
        }
        match byte {
            b'{' => return self.begin(true, reader),
            b'[' => return self.begin(false, reader),
            b't' => self.lex = Lex::Word { rest: b"rue" },
            b'f' => self.lex = Lex::Word { rest: b"alse" },
            b'n' => self.lex = Lex::Word { rest: b"ull" },
            b'-' => self.lex = Lex::Number(Number::Sign),
            b'0' => self.lex = Lex::Number(Number::Zero),
            b'1'..=b'9' => self.lex = Lex::Number(Number::Whole),
            _ => return Err(Fault::NotJson),
        }
        Ok(())
    }

    fn begin(&mut self, object: bool, reader: &mut impl Reader) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Fault::TooDeep);
        }
        self.open(object, reader);
        Ok(())
    }

    fn open(&mut self, object: bool, reader: &mut impl Reader) {
        self.open.push(object);
        self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        reader.open(object);
    }

    fn close(&mut self, reader: &mut impl Reader) {
        self.open.pop();
        self.value_ended();
        reader.close();
    }

    fn value_ended(&mut self) {
        self.lex = Lex::Between;
        self.expect = if self.open.is_empty() {
            Expect::Nothing
        } else {
            Expect::CommaOrEnd
        };
    }

    fn begin_text(&mut self, key: bool, reader: &impl Reader) {
        self.lex = Lex::Text;
        self.key = key;
        self.wanted = reader.wants(key);
    }

    /// Reads texts, starting inside the first, as long as [`Self::follow`] finds the next. Returns the position at
    /// which the lexer continues.
    fn in_texts(
        &mut self,
        window: &[u8],
        from: usize,
        specials: &Specials,
        reader: &mut impl Reader,
    ) -> Result<usize, (Fault, usize)> {
        let (mut key, mut wanted, mut at) = (self.key, self.wanted, from);
        loop {
            let end = specials.next(at);
            let plain = window.get(at..end).unwrap_or_default();
            let special = window.get(end..).and_then(<[u8]>::split_first);
            let Some((b'"', after)) = special else {
                (self.lex, self.key, self.wanted) = (Lex::Text, key, wanted);
                self.within_text(plain, special.map(|(byte, _)| *byte))
                    .map_err(|fault| (fault, end))?;
                return Ok(end + 1);
            };
            if wanted != Want::Nothing {
                self.tell(key, wanted, plain, reader).map_err(|fault| (fault, end))?;
            }
            let Some((between, next)) = self.follow(key, after, reader) else {
                self.lex = Lex::Between;
                self.expect = if key { Expect::Colon } else { Expect::CommaOrEnd };
                return Ok(end + 1);
            };
            at = end + 1 + between;
            key = next;
            wanted = reader.wants(key);
        }
    }

    /// Reads the usual continuations of compact JSON after a text. Returns how many bytes lie before the content of the
    /// next text, and whether that text is a key. Other continuations are read byte by byte, which takes several times
    /// as long.
    #[inline]
    fn follow(&mut self, key: bool, after: &[u8], reader: &mut impl Reader) -> Option<(usize, bool)> {
        match (key, after) {
            (true, [b':', b'"', ..]) => Some((2, false)),
            (true, [b':', b'{', b'"', ..]) if self.open.len() < DEPTH_MAX => {
                self.open(true, reader);
                Some((3, true))
            }
            (true, [b':', b'[', b'{', b'"', ..]) if self.open.len() + 1 < DEPTH_MAX => {
                self.open(false, reader);
                self.open(true, reader);
                Some((4, true))
            }
            (false, [b',', b'"', ..]) => Some((2, self.in_object())),
            (false, [b'}', b',', b'"', ..]) if matches!(*self.open, [.., _, true]) => {
                self.close(reader);
                Some((3, self.in_object()))
            }
            (false, [b'}', b']', b',', b'"', ..]) if matches!(*self.open, [.., _, false, true]) => {
                self.close(reader);
                self.close(reader);
                Some((4, self.in_object()))
            }
            _ => None,
        }
    }

    /// Handles the end of a text's plain part that is not a quote: an escape, a control character, or the end of the
    /// window.
    fn within_text(&mut self, plain: &[u8], special: Option<u8>) -> Result<(), Fault> {
        match special {
            Some(b'\\') if self.wanted == Want::Word => return Err(Fault::Escaped),
            Some(b'\\') => {
                self.lex = Lex::Escape;
                if self.wanted == Want::Raw {
                    self.keep(plain);
                    self.keep(b"\\");
                }
            }
            Some(_control) => return Err(Fault::NotJson),
            None => self.keep(plain),
        }
        Ok(())
    }

    fn keep(&mut self, plain: &[u8]) {
        if self.wanted != Want::Nothing {
            let room = (self.wanted.bytes_max() + 1).saturating_sub(self.beginning.len());
            self.beginning.extend_from_slice(plain.get(..room).unwrap_or(plain));
        }
    }

    fn tell(&mut self, key: bool, wanted: Want, plain: &[u8], reader: &mut impl Reader) -> Result<(), Fault> {
        if self.beginning.is_empty() {
            return reader.text(key, plain.get(..=wanted.bytes_max()).unwrap_or(plain));
        }
        self.keep(plain);
        let result = reader.text(key, &self.beginning);
        self.beginning.clear();
        result
    }

    fn in_escape(&mut self, byte: u8) -> Result<(), Fault> {
        self.keep(&[byte]);
        self.lex = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Lex::Text,
            b'u' => Lex::Unicode { left: 4 },
            _ => return Err(Fault::NotJson),
        };
        Ok(())
    }

    fn in_unicode(&mut self, byte: u8, left: u8) -> Result<(), Fault> {
        if !byte.is_ascii_hexdigit() {
            return Err(Fault::NotJson);
        }
        self.keep(&[byte]);
        self.lex = if left == 1 {
            Lex::Text
        } else {
            Lex::Unicode { left: left - 1 }
        };
        Ok(())
    }

    /// Returns whether the byte is part of the number. If it is not, the number has ended before it.
    fn in_number(&mut self, byte: u8, number: Number) -> Result<bool, Fault> {
        match number.next(byte) {
            Some(next) => {
                self.lex = Lex::Number(next);
                Ok(true)
            }
            None if number.may_end() => {
                self.value_ended();
                Ok(false)
            }
            None => Err(Fault::NotJson),
        }
    }

    fn in_word(&mut self, byte: u8, rest: &'static [u8]) -> Result<(), Fault> {
        match rest.split_first() {
            Some((expected, [])) if *expected == byte => self.value_ended(),
            Some((expected, rest)) if *expected == byte => self.lex = Lex::Word { rest },
            _ => return Err(Fault::NotJson),
        }
        Ok(())
    }
}

#[cfg(test)]
impl Lexer {
    /// The memory that holds the beginning of a text.
    pub(super) fn text_bytes(&self) -> usize {
        self.beginning.capacity()
    }
}

const fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn blanks(window: &[u8], at: usize) -> usize {
    let blanks = window.iter().skip(at).take_while(|byte| is_blank(byte));
    blanks.count()
}
