//! Metadata of a call: string pairs that Metriport repeats in `meta.data` of the call's webhooks.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::envelope::Refusal;

pub(crate) type Metadata = BTreeMap<String, String>;

/// Longest key and longest value, in characters.
const KEY_CHARS_MAX: usize = 40;
const VALUE_CHARS_MAX: usize = 500;

/// Maximum number of pairs in a call. For the start of a network query, Metriport documents this limit but does not
/// enforce it.
pub(crate) const PAIRS_MAX: usize = 50;

/// Reads `metadata` of a body; `None` if it is missing.
pub(crate) fn read(body: &Value, pairs_max: usize) -> Result<Option<Metadata>, Refusal> {
    let pairs = match body.get("metadata") {
        None => return Ok(None),
        Some(Value::Object(pairs)) => pairs,
        Some(_) => return Err(Refusal::invalid("Expected object, on [metadata]")),
    };
    if pairs.len() > pairs_max {
        return Err(Refusal::invalid(format!(
            "Metadata may have at most {pairs_max} pairs, on [metadata]"
        )));
    }
    pairs
        .iter()
        .map(|(key, value)| read_pair(key, value))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn read_pair(key: &str, value: &Value) -> Result<(String, String), Refusal> {
    let text = value
        .as_str()
        .ok_or_else(|| Refusal::invalid("Expected string, on [metadata]"))?;
    let key_chars = key.chars().count();
    if key_chars == 0 || key_chars > KEY_CHARS_MAX || text.chars().count() > VALUE_CHARS_MAX {
        return Err(Refusal::invalid(
            "Keys have 1 to 40 characters, values at most 500, on [metadata]",
        ));
    }
    Ok((key.to_owned(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_beyond_the_limits_is_refused() {
        let body = |key: &str, value: Value| json!({ "metadata": { key: value } });
        assert!(read(&body("runId", json!("run_1")), PAIRS_MAX).unwrap().is_some());
        assert!(read(&json!({}), PAIRS_MAX).unwrap().is_none());
        assert!(read(&body("k", json!(5)), PAIRS_MAX).is_err());
        assert!(read(&body(&"k".repeat(41), json!("v")), PAIRS_MAX).is_err());
        assert!(read(&body("k", json!("v".repeat(501))), PAIRS_MAX).is_err());
        assert!(read(&json!({ "metadata": { "a": "1", "b": "2" } }), 1).is_err());
    }
}
