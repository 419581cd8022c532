//! The sandbox's identity provider, reduced to the needs of an API: signed tokens, a key set and a discovery document.
//!
//! `development-rsa2048.pk8` is a private key that is public by design. Everyone can read the key in the repository, so
//! its signature proves nothing. Only the loopback sandbox uses it; a deployed stack names its own issuer.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Map, Value, json};

const DEVELOPMENT_KEY: &[u8] = include_bytes!("development-rsa2048.pk8");
const KEY_ID: &str = "sandbox-development";

/// Signs tokens for one audience under one issuer URL. The URL is only a name: the host verifies tokens with the
/// issuer's own key and does not fetch a key set.
#[derive(Clone)]
pub struct Issuer {
    url: String,
    audience: String,
    key: Arc<RsaKeyPair>,
}

/// The key is invalid, or a token could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    #[error("the issuer's key is not an RSA key in PKCS#8: {0}")]
    Key(String),
    #[error("signing a token failed")]
    Signing,
}

pub(crate) struct PublicKey {
    pub(crate) key_id: &'static str,
    pub(crate) components: PublicKeyComponents<Vec<u8>>,
}

impl Issuer {
    /// An issuer with the embedded development key.
    ///
    /// # Errors
    /// [`IssuerError::Key`] if the embedded key is damaged.
    pub fn new(url: impl Into<String>, audience: impl Into<String>) -> Result<Self, IssuerError> {
        let key = RsaKeyPair::from_pkcs8(DEVELOPMENT_KEY).map_err(|error| IssuerError::Key(error.to_string()))?;
        Ok(Self {
            url: url.into(),
            audience: audience.into(),
            key: Arc::new(key),
        })
    }

    /// The `iss` claim.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The `aud` claim.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// A token for `subject`, valid from `now_secs` (epoch) for `ttl_secs`. It describes a sign-in at `now_secs` with a
    /// password and a one-time code, and has the scope that the template requires. Extra claims override these claims.
    ///
    /// # Errors
    /// [`IssuerError::Signing`] if the system has no randomness for blinding.
    pub fn token(
        &self,
        subject: &str,
        extra_claims: &Map<String, Value>,
        ttl_secs: u64,
        now_secs: u64,
    ) -> Result<String, IssuerError> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": KEY_ID });
        let mut claims = Map::from_iter([
            ("iss".to_owned(), json!(self.url)),
            ("sub".to_owned(), json!(subject)),
            ("aud".to_owned(), json!(self.audience)),
            ("iat".to_owned(), json!(now_secs)),
            ("exp".to_owned(), json!(now_secs.saturating_add(ttl_secs))),
            ("scope".to_owned(), json!("records")),
            ("auth_time".to_owned(), json!(now_secs)),
            ("amr".to_owned(), json!(["pwd", "otp", "mfa"])),
        ]);
        claims.extend(extra_claims.clone());
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(Value::Object(claims).to_string())
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        let outcome = self.key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        );
        match outcome {
            Ok(()) => Ok(format!("{signed}.{}", encode(signature))),
            Err(ring::error::Unspecified) => Err(IssuerError::Signing),
        }
    }

    /// The JSON Web Key Set (RFC 7517).
    pub fn jwks(&self) -> Value {
        let PublicKey { key_id, components } = self.public_key();
        let (n, e) = (encode(components.n), encode(components.e));
        json!({ "keys": [{ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id, "n": n, "e": e }] })
    }

    /// The OpenID Connect discovery document; `base_url` is the address of the server that has the key set.
    pub fn discovery(&self, base_url: &str) -> Value {
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{base_url}/.well-known/jwks.json"),
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
        })
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey {
            key_id: KEY_ID,
            components: PublicKeyComponents::from(self.key.public()),
        }
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.url)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
