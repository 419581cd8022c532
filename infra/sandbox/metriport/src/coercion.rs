//! JavaScript's conversions, for values that Metriport's schemas coerce from another type.

use serde_json::Value;

/// JavaScript's `String(value)`.
pub(crate) fn coerced(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let text = |item: &Value| if item.is_null() { String::new() } else { coerced(item) };
            items.iter().map(text).collect::<Vec<_>>().join(",")
        }
        Value::Object(_) => "[object Object]".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// JavaScript's `trim`, which treats U+FEFF as white space, but not U+0085.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| (character.is_whitespace() || character == '\u{feff}') && character != '\u{85}')
}
