//! Reads a body into a tree that holds only the members with a name in `NAMES`.
//!
//! JSON may hold odd values: half of a surrogate pair (as an escape), a number beyond every float, any depth. Our
//! strings, numbers and stack cannot hold them. A member that is not read is skipped as raw text, so an odd value in it
//! does no harm.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Error, Map, Value};

/// The names of every member that `payload` reads, and of the members on the path to it.
const NAMES: [&str; 34] = [
    "meta",
    "type",
    "messageId",
    "requestId",
    "when",
    "data",
    super::PULL_MARK,
    super::RECORD_MARK,
    super::IDENTITY_MARK,
    "ping",
    "payload",
    "patients",
    "patient",
    "identity",
    "patientId",
    "sessionId",
    "proofedIdentityId",
    "source",
    "status",
    "filters",
    "resources",
    "dateFrom",
    "dateTo",
    "conversionType",
    "bundle",
    "entry",
    "resource",
    "resourceType",
    "subject",
    "reference",
    "content",
    "attachment",
    "contentType",
    "url",
];

/// Deepest level that is read. The link of a record is on the eleventh level.
const DEPTH_MAX: usize = 12;

/// Maximum number of items that are read from a list. A delivery names one patient and one document.
const ITEMS_MAX: usize = 16;

/// Reads a body. `None` if it is not JSON, or if an object has one of the names twice, since readers disagree which of
/// the two counts.
pub(super) fn tree(body: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(body);
    value(serde_json::from_str(&text).ok()?, DEPTH_MAX).ok()
}

/// Reads a value. The content of a number is not needed, so every number becomes 0. This shows that a value is present
/// and is not a text.
fn value(raw: &RawValue, depth: usize) -> Result<Value, Error> {
    let json = raw.get();
    match json.as_bytes().first() {
        Some(b'{' | b'[') if depth == 0 => Ok(Value::Null),
        Some(b'{') => Deserializer::from_str(json).deserialize_map(Inside(depth - 1)),
        Some(b'[') => Deserializer::from_str(json).deserialize_seq(Inside(depth - 1)),
        Some(b'"') => Ok(Value::String(text(json)?.into_owned())),
        Some(b't' | b'f' | b'n') => serde_json::from_str(json),
        _ => Ok(Value::from(0)),
    }
}

/// Reads a JSON string. Half of a surrogate pair becomes three U+FFFD, one for each byte.
fn text(json: &str) -> Result<Cow<'_, str>, Error> {
    Deserializer::from_str(json).deserialize_bytes(Lossy)
}

/// Reads the content of an object or a list. Holds the number of levels that may still be read.
struct Inside(usize);

impl<'de> Visitor<'de> for Inside {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut tree = Map::new();
        while let Some((name, member)) = members.next_entry::<&RawValue, &RawValue>()? {
            let name = text(name.get()).map_err(A::Error::custom)?;
            if !NAMES.contains(&&*name) {
                continue;
            }
            let member = value(member, self.0).map_err(A::Error::custom)?;
            if tree.insert(name.into_owned(), member).is_some() {
                return Err(A::Error::custom("a duplicate name"));
            }
        }
        Ok(Value::Object(tree))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<&RawValue>()? {
            if items.len() < ITEMS_MAX {
                items.push(value(item, self.0).map_err(A::Error::custom)?);
            }
        }
        Ok(Value::Array(items))
    }
}

struct Lossy;

impl<'de> Visitor<'de> for Lossy {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn odd_value_in_an_unread_member_is_skipped() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        for odd in [
            r#""\ud83d""#,
            r#"{"\udc00":1}"#,
            "1e999",
            "-1E+99999",
            r#"{"status":1,"status":2}"#,
            &deep,
        ] {
            let body = format!(
                r#"{{"x":{odd},"\ud83d":{odd},"meta":{{"y":{odd},"type":"ping"}},"patients":[{{"z":{odd}}}]}}"#
            );
            let read = tree(body.as_bytes()).unwrap_or_else(|| panic!("{odd}"));
            assert_eq!(read["meta"], json!({"type": "ping"}), "{odd}");
        }
        let invalid = b"{\"x\":\"\xff\",\"ping\":\"p\"}";
        assert_eq!(tree(invalid), Some(json!({"ping": "p"})));
    }

    #[test]
    fn odd_value_in_a_read_member_is_replaced() {
        let body = br#"{"patientId":"\ud83dx","dateFrom":1e999,"dateTo":-1,"url":null,"entry":true,"status":"\u0061"}"#;
        let read = json!({"patientId": "\u{fffd}\u{fffd}\u{fffd}x", "dateFrom": 0, "dateTo": 0, "url": null,
            "entry": true, "status": "a"});
        assert_eq!(tree(body), Some(read));
    }

    #[test]
    fn ambiguous_or_invalid_body_is_not_read() {
        for body in [
            r#"{"meta":{},"meta":{"type":"ping"}}"#,
            r#"{"payload":{"patientId":"a","p\u0061tientId":"b"}}"#,
            "",
            "{",
            r#"{"x":1,}"#,
            r#"{"x":"\ud8"}"#,
            "{} {}",
        ] {
            assert_eq!(tree(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn depth_and_list_items_are_limited() {
        let nested = format!("{}1{}", r#"{"data":"#.repeat(40), "}".repeat(40));
        let read = tree(nested.as_bytes()).unwrap();
        assert_eq!(read.to_string().matches("data").count(), DEPTH_MAX);
        let list = format!(r#"{{"entry":[{}0]}}"#, "{},".repeat(ITEMS_MAX * 3));
        assert_eq!(
            tree(list.as_bytes()).unwrap()["entry"].as_array().map(Vec::len),
            Some(ITEMS_MAX)
        );
    }
}
