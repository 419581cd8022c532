//! `/token?subject=NAME`: tokens of the sandbox's issuer for every caller. Served only on loopback, because the key is
//! public.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Issuer;
use crate::clock;

const TOKEN_SECS: u64 = 3600;
/// Maximum number of characters of a name or value.
const TEXT_MAX: usize = 255;
const CLAIMS_MAX: usize = 16;
/// Claims that a query must not set, because authorizers check them.
const OWN: [&str; 5] = ["iss", "aud", "iat", "exp", "nbf"];

/// Answers with a token for the query's `subject`; every other parameter becomes a text claim. Errors have the format
/// of an OAuth token endpoint (RFC 6749, section 5.2).
pub(crate) fn answer(issuer: &Issuer, query: Option<&str>) -> Response {
    let token = read(query.unwrap_or_default()).and_then(|(subject, claims)| {
        let signed = issuer.token(&subject, &claims, TOKEN_SECS, clock::now_ms() / 1000);
        signed.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    });
    let (status, body) = match token {
        Ok(token) => (
            StatusCode::OK,
            json!({ "access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECS }),
        ),
        Err((status, description)) => {
            let error = if status.is_client_error() {
                "invalid_request"
            } else {
                "server_error"
            };
            (status, json!({ "error": error, "error_description": description }))
        }
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

type Refusal = (StatusCode, String);

fn read(query: &str) -> Result<(String, Map<String, Value>), Refusal> {
    let refuse = |why: String| Err((StatusCode::BAD_REQUEST, why));
    let (mut subject, mut claims) = (None, Map::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if OWN.contains(&name.as_ref()) {
            return refuse(format!("{name} is set by the issuer"));
        }
        if !is_text(&name) || !is_text(&value) {
            return refuse(format!(
                "each name and value is 1 to {TEXT_MAX} characters without control characters"
            ));
        }
        let doubled = match name.as_ref() {
            "subject" | "sub" => subject.replace(value.into_owned()).is_some(),
            _ => claims.insert(name.clone().into_owned(), json!(value)).is_some(),
        };
        if doubled {
            return refuse(format!("{name} occurs twice"));
        }
    }
    if claims.len() > CLAIMS_MAX {
        return refuse(format!("there are more than {CLAIMS_MAX} claims"));
    }
    match subject {
        Some(subject) => Ok((subject, claims)),
        None => refuse("the subject is missing: /token?subject=NAME".to_owned()),
    }
}

fn is_text(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(query: &str) -> String {
        let (status, why) = read(query).unwrap_err();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        why
    }

    #[test]
    fn query_sets_the_subject_and_claims() {
        let (subject, claims) = read("subject=nora%20q&email=n%40example.test").unwrap();
        assert_eq!(
            (subject.as_str(), &claims["email"]),
            ("nora q", &json!("n@example.test"))
        );
        assert_eq!(read("sub=n").unwrap().0, "n");
    }

    #[test]
    fn invalid_query_is_refused_with_the_reason() {
        for query in ["", "email=a", "subject", "subject=", "subject=%00", "subject=a&x=%0a"] {
            refusal(query);
        }
        assert_eq!(refusal("subject=a&subject=b"), "subject occurs twice");
        assert_eq!(refusal("subject=a&x=1&x=2"), "x occurs twice");
        assert_eq!(refusal("subject=a&exp=1"), "exp is set by the issuer");
        refusal(&format!("subject={}", "a".repeat(TEXT_MAX + 1)));
        let many: String = (0..=CLAIMS_MAX).map(|n| format!("&c{n}=1")).collect();
        assert_eq!(refusal(&format!("subject=a{many}")), "there are more than 16 claims");
    }
}
