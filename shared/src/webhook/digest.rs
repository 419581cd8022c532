//! A digest that is equal for bodies of the same content.
//!
//! A body is not parsed into a tree. The tree of a dense body is a hundred times as large as the body, and can exceed a
//! function's memory. The digest keeps in memory only the members of the objects that enclose the current value, as raw
//! text.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::signature::VerifiedWebhook;

/// Depth to which values are compared by content; deeper values are compared as written. The depth is limited, because
/// each level reads everything below it again. Metriport's events have eleven levels.
const DEPTH_MAX: usize = 16;

impl VerifiedWebhook<'_> {
    /// SHA-256 of the body's content, in lowercase hexadecimal. The order of keys and our own metadata do not count.
    /// For a body that is not JSON, SHA-256 of its bytes.
    ///
    /// Metriport replays a webhook from its storage, under the old message id and perhaps with its keys in another
    /// order. The replay lacks `meta.data` (Metriport's public code). It nevertheless has the digest of the original.
    /// Other content has another digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        match serde_json::from_slice::<&RawValue>(self.body()) {
            Ok(document) => add(&mut hash, document.get(), Place::default()),
            Err(_) => hash.update(self.body()),
        }
        hex::encode(hash.finalize())
    }
}

#[derive(Clone, Copy, Default)]
struct Place {
    depth: usize,
    /// The value is the body's own `meta`.
    is_meta: bool,
}

impl Place {
    fn of_member(self, name: &str) -> Self {
        Self {
            depth: self.depth + 1,
            is_meta: self.depth == 0 && name == "meta",
        }
    }
}

/// Adds a value to the hash in its shortest form, with members in the order of their names. A value that cannot be read
/// (half of a surrogate pair, a number beyond every float) is added as written.
fn add(hash: &mut Sha256, value: &str, place: Place) {
    let added = match value.as_bytes().first() {
        Some(b'{') => place.depth < DEPTH_MAX && add_object(hash, value, place),
        Some(b'[') => place.depth < DEPTH_MAX && add_array(hash, value, place),
        _ => add_scalar(hash, value),
    };
    if !added {
        hash.update(value);
    }
}

fn add_object(hash: &mut Sha256, object: &str, place: Place) -> bool {
    let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(object) else {
        return false;
    };
    if place.is_meta {
        members.remove("data");
    }
    let mut before = "{";
    for (name, value) in &members {
        hash.update(before);
        hash.update(Value::from(name.as_str()).to_string());
        hash.update(":");
        add(hash, value.get(), place.of_member(name));
        before = ",";
    }
    hash.update(if members.is_empty() { "{}" } else { "}" });
    true
}

fn add_array(hash: &mut Sha256, array: &str, place: Place) -> bool {
    let items = Items { hash, place };
    serde_json::Deserializer::from_str(array).deserialize_seq(items).is_ok()
}

fn add_scalar(hash: &mut Sha256, scalar: &str) -> bool {
    let read = serde_json::from_str::<Value>(scalar);
    read.map(|scalar| hash.update(scalar.to_string())).is_ok()
}

/// Adds the items of an array while they are read, and keeps no item.
struct Items<'h> {
    hash: &'h mut Sha256,
    place: Place,
}

impl<'v> Visitor<'v> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'v>>(self, mut items: A) -> Result<(), A::Error> {
        self.hash.update("[");
        let mut before = "";
        while let Some(item) = items.next_element::<&RawValue>()? {
            self.hash.update(before);
            add(self.hash, item.get(), self.place.of_member(""));
            before = ",";
        }
        self.hash.update("]");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;
    use crate::webhook::{UnverifiedWebhook, WebhookKeys, sign};
    use proptest::prelude::*;

    fn digest(body: &str) -> String {
        let keys = WebhookKeys::new("key".into());
        let signature = sign(&keys, body.as_bytes());
        let webhook = UnverifiedWebhook {
            body: body.as_bytes(),
            signature: Some(&signature),
        };
        webhook.verify(&keys, Time::from_millis(0)).unwrap().digest()
    }

    /// The digest as an earlier version made it, from a tree. Stored rows remember messages for ninety days and may
    /// hold such digests.
    fn of_tree(body: &str) -> String {
        let mut document: Value = serde_json::from_str(body).unwrap();
        if let Some(meta) = document.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("data");
        }
        document.sort_all_objects();
        hex::encode(Sha256::digest(document.to_string()))
    }

    #[test]
    fn replay_has_the_digest_and_other_content_has_another() {
        let original = digest(r#"{"meta":{"messageId":"m","data":{"runId":"r"}},"payload":{"a":1,"b":[1,2]}}"#);
        for replay in [
            r#"{"meta":{"messageId":"m"},"payload":{"a":1,"b":[1,2]}}"#,
            r#"{ "payload": {"b":[1,2],"a":1}, "meta":{"data":null,"messageId":"m"}}"#,
            r#"{"meta":{"messageId":"\u006d"},"payload":{"a":2,"a":1,"b":[ 1 , 2 ]}}"#,
        ] {
            assert_eq!(digest(replay), original, "{replay}");
        }
        for other in [
            r#"{"meta":{"messageId":"m"},"payload":{"a":1,"b":[2,1]}}"#,
            r#"{"meta":{"messageId":"m"},"payload":{"a":1,"b":[1,2],"data":1}}"#,
            r#"{"meta":{"messageId":"m"},"payload":{"meta":{"data":1},"a":1,"b":[1,2]}}"#,
            r#"{"meta":{"messageId":"n"},"payload":{"a":1,"b":[1,2]}}"#,
            "[]",
        ] {
            assert_ne!(digest(other), original, "{other}");
        }
    }

    /// A reordered body has the same digest, even if a part of it cannot be read.
    #[test]
    fn odd_value_is_compared_as_written_the_rest_by_content() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        for odd in [r#""\ud800""#, "1e999", r#"{"\udfff":1}"#, &deep] {
            let original = digest(&format!(
                r#"{{"meta":{{"messageId":"m","data":{{}}}},"a":{odd},"b":1}}"#
            ));
            let replay = digest(&format!(r#"{{"b":1,"a":{odd},"meta":{{"messageId":"m"}}}}"#));
            assert_eq!(replay, original, "{odd:.20}");
            let other = digest(&format!(r#"{{"b":2,"a":{odd},"meta":{{"messageId":"m"}}}}"#));
            assert_ne!(other, original, "{odd:.20}");
        }
        assert_ne!(digest("no JSON"), digest("no JSON "));
    }

    /// Each compared level reads everything below it again. Without a limit, the work for a deep body would grow with
    /// the square of its size.
    #[test]
    fn deepest_levels_are_compared_as_written() {
        let nested = |depth: usize, inner: &str| format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
        let digests = |depth| [r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#].map(|inner| digest(&nested(depth, inner)));
        let [one, other] = digests(DEPTH_MAX - 1);
        assert_eq!(one, other);
        let [one, other] = digests(DEPTH_MAX);
        assert_ne!(one, other);
    }

    fn json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
        ];
        let name = prop_oneof![Just("meta".to_owned()), Just("data".to_owned()), "\\PC{0,3}"];
        scalar.prop_recursive(6, 48, 6, move |inner| {
            let members = prop::collection::vec((name.clone(), inner.clone()), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn digest_equals_that_of_the_parsed_tree(body in json()) {
            for text in [body.to_string(), serde_json::to_string_pretty(&body).unwrap()] {
                prop_assert_eq!(digest(&text), of_tree(&text));
            }
        }
    }
}
