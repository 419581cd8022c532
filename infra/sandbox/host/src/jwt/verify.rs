//! The checks of an API Gateway JWT authorizer: algorithm, key id, signature, `iss`, `aud` or `client_id`, `exp`,
//! `nbf`, `iat` (docs.aws.amazon.com, "Control access to HTTP APIs with JWT authorizers"). Times have no leeway. The
//! caller passes the key, so no key set is fetched.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Map, Value};

use super::issuer::PublicKey;
use crate::template::JwtAuthorizer;

/// Why a token is refused. The text is the `error_description` of the `WWW-Authenticate` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefusal {
    #[error("the token is malformed")]
    Malformed,
    #[error("the signing method is not supported")]
    Algorithm,
    #[error("the key id is unknown")]
    KeyId,
    #[error("the signature is invalid")]
    Signature,
    #[error("the token does not have a valid issuer")]
    Issuer,
    #[error("the token does not have a valid audience")]
    Audience,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
}

/// Returns the claims of a token that passes every check at `now_secs` (epoch).
pub(crate) fn verify(
    token: &str,
    authorizer: &JwtAuthorizer,
    key: &PublicKey,
    now_secs: u64,
) -> Result<Map<String, Value>, TokenRefusal> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenRefusal::Malformed)?;
    check_header(&decode_object(header)?, key)?;
    let signature = decode(signature)?;
    let components = RsaPublicKeyComponents {
        n: &key.components.n,
        e: &key.components.e,
    };
    if components
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
        .is_err()
    {
        return Err(TokenRefusal::Signature);
    }
    let claims = decode_object(claims)?;
    check_party(&claims, authorizer)?;
    check_times(&claims, now_secs)?;
    Ok(claims)
}

fn check_header(header: &Map<String, Value>, key: &PublicKey) -> Result<(), TokenRefusal> {
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(TokenRefusal::Algorithm);
    }
    match header.get("kid").and_then(Value::as_str) {
        Some(key_id) if key_id == key.key_id => Ok(()),
        _ => Err(TokenRefusal::KeyId),
    }
}

fn check_party(claims: &Map<String, Value>, authorizer: &JwtAuthorizer) -> Result<(), TokenRefusal> {
    if claims.get("iss").and_then(Value::as_str) != Some(authorizer.issuer.as_str()) {
        return Err(TokenRefusal::Issuer);
    }
    // `client_id` counts only if `aud` is absent.
    let accepted = match claims.get("aud").or_else(|| claims.get("client_id")) {
        Some(Value::String(audience)) => authorizer.audiences.contains(audience),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .any(|one| authorizer.audiences.iter().any(|known| known == one)),
        _ => false,
    };
    if accepted { Ok(()) } else { Err(TokenRefusal::Audience) }
}

fn check_times(claims: &Map<String, Value>, now_secs: u64) -> Result<(), TokenRefusal> {
    match time(claims, "exp")? {
        Some(expiry) if expiry > now_secs => {}
        _ => return Err(TokenRefusal::Expired),
    }
    for claim in ["nbf", "iat"] {
        if time(claims, claim)?.is_some_and(|from| from > now_secs) {
            return Err(TokenRefusal::NotYetValid);
        }
    }
    Ok(())
}

fn time(claims: &Map<String, Value>, claim: &str) -> Result<Option<u64>, TokenRefusal> {
    claims
        .get(claim)
        .map(|value| value.as_u64().ok_or(TokenRefusal::Malformed))
        .transpose()
}

fn decode(part: &str) -> Result<Vec<u8>, TokenRefusal> {
    URL_SAFE_NO_PAD.decode(part).or(Err(TokenRefusal::Malformed))
}

fn decode_object(part: &str) -> Result<Map<String, Value>, TokenRefusal> {
    serde_json::from_slice(&decode(part)?).or(Err(TokenRefusal::Malformed))
}
