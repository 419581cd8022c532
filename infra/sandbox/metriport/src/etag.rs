//! Optimistic concurrency (docs.metriport.com, page `more-info/etag`): the caller sends the version in `If-Match` or in
//! the body's `eTag`. The header takes precedence. A call without a version is not checked.

use serde_json::Value;

use crate::envelope::Refusal;

/// Refuses with 412 if the caller sends another version than `version`.
pub(crate) fn check(version: u64, if_match: Option<&str>, body: Option<&Value>) -> Result<(), Refusal> {
    let in_body = || body.and_then(|body| body.get("eTag")).and_then(Value::as_str);
    match if_match.or_else(in_body).map(bare) {
        Some(sent) if sent != version.to_string() => Err(Refusal::version_mismatch()),
        _ => Ok(()),
    }
}

/// `W/"3"`, `"3"` and `3` all mean version 3.
fn bare(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/").trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn header_takes_precedence_over_the_body() {
        let body = json!({ "eTag": "1" });
        assert!(check(2, Some("W/\"2\""), Some(&body)).is_ok());
        assert!(check(2, None, Some(&body)).is_err());
        assert!(check(2, None, None).is_ok());
    }
}
