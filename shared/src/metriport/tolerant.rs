//! Readers for fields that may be absent, null or of another type than documented.
//!
//! A field that is not needed must not make the whole answer unreadable. Required fields are checked afterwards, when
//! the wire type is converted into our type.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Time;

/// The value as a `T`, or nothing. The value is read as raw text first. Content that `serde_json` refuses (half of a
/// surrogate pair, a number beyond every float) therefore makes only this value unreadable.
fn read<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let text = Box::<RawValue>::deserialize(from)?;
    Ok(serde_json::from_str(text.get()).ok())
}

/// A text, or nothing.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read(from)
}

/// A text or a number, as text.
pub(super) fn scalar<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match read(from)? {
        Some(Value::String(text)) => Some(text),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    })
}

/// An ISO 8601 timestamp, or nothing.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
    Ok(text(from)?.and_then(|text| Time::parse(&text).ok()))
}

/// A count, as a number or as digits, or nothing.
pub(super) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(scalar(from)?.and_then(|text| text.parse().ok()))
}

/// A flag, or nothing. The pages document a string, but Metriport also sends a boolean.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(match read(from)? {
        Some(Value::Bool(flag)) => Some(flag),
        Some(Value::String(word)) => Some(!matches!(
            word.to_ascii_lowercase().as_str(),
            "" | "false" | "disabled" | "no" | "0"
        )),
        Some(Value::Number(number)) => Some(number.as_f64() != Some(0.0)),
        _ => None,
    })
}

/// The readable items of a list; empty for null and anything else.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let items: Vec<Box<RawValue>> = read(from)?.unwrap_or_default();
    let items = items.iter().filter_map(|item| serde_json::from_str(item.get()).ok());
    Ok(items.collect())
}

/// An object of type `T`, or nothing.
pub(super) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    read(from)
}

/// An unknown word, in a form that may be kept and shown. A text that is not one word becomes empty, because it could
/// be about a person.
pub(super) fn sanitize_word(text: &str) -> String {
    let is_word = text.len() <= 40
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_word { text.to_owned() } else { String::new() }
}

/// Declares a status word: the known spellings, and `Unknown` for the rest.
macro_rules! wire_word {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $first:literal $(| $also:literal)*,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// An unknown word. It is empty if the answer had no word, or a text that is not one word.
            Unknown(String),
        }

        impl $name {
            /// Reads the word of the wire.
            #[must_use]
            pub fn from_wire(word: &str) -> Self {
                match word {
                    $($first $(| $also)* => Self::$variant,)+
                    other => Self::Unknown($crate::metriport::tolerant::sanitize_word(other)),
                }
            }

            /// The word, in its first spelling.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $first,)+
                    Self::Unknown(word) => word,
                }
            }
        }
    };
}
pub(super) use wire_word;
