//! Whether two bodies say the same.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// SHA-256 of what a body says, lowercase hex: without the order of its keys, and without our own metadata. Metriport
/// replays a webhook from what it stored, under its old message id and without `meta.data` (public code), and storage
/// need not keep an order. So a replay has the digest of the original, and whatever says something else has not.
pub(super) fn of_content(body: &Value) -> String {
    let mut said = body.clone();
    if let Some(meta) = said.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("data");
    }
    // A map is sorted already, unless some crate of the build asks for serde_json's `preserve_order`.
    said.sort_all_objects();
    hex::encode(Sha256::digest(said.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(body: &str) -> String {
        of_content(&serde_json::from_str(body).unwrap())
    }

    #[test]
    fn a_replay_says_the_same_and_another_message_does_not() {
        let original = digest(r#"{"meta":{"messageId":"m","data":{"runId":"r"}},"payload":{"a":1,"b":[1,2]}}"#);
        for replay in [
            r#"{"meta":{"messageId":"m"},"payload":{"a":1,"b":[1,2]}}"#,
            r#"{ "payload": {"b":[1,2],"a":1}, "meta":{"data":null,"messageId":"m"}}"#,
        ] {
            assert_eq!(digest(replay), original, "{replay}");
        }
        for other in [
            r#"{"meta":{"messageId":"m"},"payload":{"a":1,"b":[2,1]}}"#,
            r#"{"meta":{"messageId":"m"},"payload":{"a":1,"b":[1,2],"data":1}}"#,
            r#"{"meta":{"messageId":"n"},"payload":{"a":1,"b":[1,2]}}"#,
            "[]",
        ] {
            assert_ne!(digest(other), original, "{other}");
        }
    }
}
