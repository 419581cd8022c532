//! Good and bad tokens: a token with any fault is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::issuer::Issuer;
use super::verify::{TokenRefusal, verify};
use crate::template::JwtAuthorizer;

const NOW: u64 = 1_700_000_000;

fn issuer() -> Issuer {
    Issuer::new("https://issuer.example", "app").unwrap()
}

fn authorizer() -> JwtAuthorizer {
    let audiences = vec!["other".to_owned(), "app".to_owned()];
    JwtAuthorizer {
        name: "Person".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        audiences,
    }
}

fn token_with(claims: Value) -> String {
    issuer()
        .token("person-1", claims.as_object().unwrap(), 60, NOW)
        .unwrap()
}

fn verified_at(token: &str, now_secs: u64) -> Result<Map<String, Value>, TokenRefusal> {
    verify(token, &authorizer(), &issuer().public_key(), now_secs)
}

fn verified(token: &str) -> Result<Map<String, Value>, TokenRefusal> {
    verified_at(token, NOW)
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn with_header(header: &Value) -> String {
    let token = token_with(json!({}));
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", part(header))
}

#[test]
fn valid_token_yields_its_claims() {
    let claims = verified(&token_with(json!({ "email": "a@example.org" }))).unwrap();
    let expected = json!({
        "iss": "https://issuer.example", "sub": "person-1", "aud": "app", "iat": NOW, "exp": NOW + 60,
        "scope": "records", "auth_time": NOW, "amr": ["pwd", "otp", "mfa"], "email": "a@example.org",
    });
    assert_eq!(Value::Object(claims), expected);
}

#[test]
fn token_times_are_checked_without_leeway() {
    let token = token_with(json!({}));
    assert!(verified_at(&token, NOW + 59).is_ok());
    assert_eq!(verified_at(&token, NOW + 60), Err(TokenRefusal::Expired));
    assert_eq!(verified_at(&token, NOW - 1), Err(TokenRefusal::NotYetValid));
    assert_eq!(
        verified(&token_with(json!({ "nbf": NOW + 1 }))),
        Err(TokenRefusal::NotYetValid)
    );
    assert!(verified(&token_with(json!({ "nbf": NOW }))).is_ok());
    assert_eq!(
        verified(&token_with(json!({ "exp": "soon" }))),
        Err(TokenRefusal::Malformed)
    );
}

#[test]
fn issuer_and_audience_are_checked() {
    assert_eq!(
        verified(&token_with(json!({ "iss": "https://issuer.example/" }))),
        Err(TokenRefusal::Issuer)
    );
    assert_eq!(
        verified(&token_with(json!({ "aud": "elsewhere" }))),
        Err(TokenRefusal::Audience)
    );
    assert_eq!(
        verified(&token_with(json!({ "aud": ["elsewhere", 1] }))),
        Err(TokenRefusal::Audience)
    );
    assert!(verified(&token_with(json!({ "aud": ["elsewhere", "app"] }))).is_ok());
    assert_eq!(
        verified(&token_with(json!({ "aud": "elsewhere", "client_id": "app" }))),
        Err(TokenRefusal::Audience)
    );
}

#[test]
fn other_algorithms_and_keys_are_refused() {
    let kid = "sandbox-development";
    assert_eq!(
        verified(&with_header(&json!({ "alg": "none", "kid": kid }))),
        Err(TokenRefusal::Algorithm)
    );
    assert_eq!(
        verified(&with_header(&json!({ "alg": "HS256", "kid": kid }))),
        Err(TokenRefusal::Algorithm)
    );
    assert_eq!(
        verified(&with_header(&json!({ "alg": "RS256" }))),
        Err(TokenRefusal::KeyId)
    );
    assert_eq!(
        verified(&with_header(&json!({ "alg": "RS256", "kid": "other" }))),
        Err(TokenRefusal::KeyId)
    );
    // Algorithm and key id are right, but the signature does not cover this header.
    assert_eq!(
        verified(&with_header(&json!({ "alg": "RS256", "kid": kid, "x": 1 }))),
        Err(TokenRefusal::Signature)
    );
}

#[test]
fn unsigned_or_changed_token_is_refused() {
    let none = format!("{}.{}.", part(&json!({ "alg": "none" })), part(&json!({ "sub": "x" })));
    assert_eq!(verified(&none), Err(TokenRefusal::Algorithm));
    let token = token_with(json!({}));
    let [header, _, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let claims = part(&json!({ "iss": "https://issuer.example", "aud": "app", "sub": "person-2", "exp": NOW + 60 }));
    assert_eq!(
        verified(&format!("{header}.{claims}.{signature}")),
        Err(TokenRefusal::Signature)
    );
    let unsigned = token.rsplit_once('.').unwrap().0;
    assert_eq!(verified(&format!("{unsigned}.")), Err(TokenRefusal::Signature));
    for malformed in ["", "a", "a.b", "a.b.c", "..", &format!("{token}="), unsigned] {
        assert!(verified(malformed).is_err(), "{malformed}");
    }
}

/// RFC 7518, section 6.3.1: the modulus of a 2048-bit key has 256 bytes and no leading zero.
#[test]
fn key_set_describes_the_signing_key() {
    let keys = issuer().jwks();
    let key = &keys["keys"][0];
    assert_eq!(
        (&key["kty"], &key["alg"], &key["e"]),
        (&json!("RSA"), &json!("RS256"), &json!("AQAB"))
    );
    let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
    assert_eq!(modulus.len(), 256);
    assert_eq!(
        issuer().discovery("http://127.0.0.1:1")["jwks_uri"],
        "http://127.0.0.1:1/.well-known/jwks.json"
    );
}
