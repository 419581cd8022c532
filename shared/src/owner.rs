//! The owner key, which turns a person's identifiers into names that do not reveal them.
//!
//! Everything a person owns lies in a partition named by HMAC-SHA256 of the token's issuer and subject. The HMAC's
//! input is a label, which differs for each use of the key, then the issuer and the subject. Each of these has its
//! length in front, so that two different pairs never give the same bytes (`keyed_hash`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::domain::keyed_hash::keyed_hash;
use crate::domain::{Aal2SessionHash, Aal2SessionId, ClientHash, Demographics, DemographicsHash, IdError, OwnerId};
use crate::idempotency::KeyedHash;

/// Shortest key accepted, in bytes.
const KEY_BYTES_MIN: usize = 32;
/// Length of the hash of a client, in bytes. Each entry of the access log repeats this hash, so it is shortened.
const CLIENT_HASH_BYTES: usize = 16;

/// The secret behind every partition name. If the secret is lost, no stored data can be assigned to its person again.
#[derive(Clone)]
pub struct OwnerKey(SecretSlice<u8>);

/// The key is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the owner key is shorter than 32 bytes")]
pub struct OwnerKeyError;

impl OwnerKey {
    /// Reads the secret's text, without white space around it.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes.
    pub fn parse(secret: &str) -> Result<Self, OwnerKeyError> {
        let key = secret.trim().as_bytes().to_vec();
        if key.len() < KEY_BYTES_MIN {
            Err(OwnerKeyError)
        } else {
            Ok(Self(key.into()))
        }
    }

    /// The person's owner id, which names their partition.
    ///
    /// # Errors
    /// Never fails, because a hash is a well-formed id. The `Result` spares the caller a panic.
    pub fn owner(&self, issuer: &str, subject: &str) -> Result<OwnerId, IdError> {
        OwnerId::parse(format!(
            "v1.{}",
            self.hash("owner", &[issuer.as_bytes(), subject.as_bytes()])?
        ))
    }

    /// The keyed hash of demographics: equal for equal demographics, and only for them.
    ///
    /// # Errors
    /// As [`OwnerKey::owner`].
    pub fn demographics(&self, demographics: &Demographics) -> Result<DemographicsHash, IdError> {
        DemographicsHash::parse(self.hash("demographics", &[&demographics.canonical()])?)
    }

    /// The name under which an AAL2 session is stored as used.
    ///
    /// # Errors
    /// As [`OwnerKey::owner`].
    pub fn aal2_session(&self, session: &Aal2SessionId) -> Result<Aal2SessionHash, IdError> {
        Aal2SessionHash::parse(self.hash("aal2-session", &[session.as_str().as_bytes()])?)
    }

    /// The name of an app in the access log: 22 characters of base64url. `client` is the id that the issuer gave the
    /// app.
    ///
    /// # Errors
    /// As [`OwnerKey::owner`].
    pub fn client(&self, issuer: &str, client: &str) -> Result<ClientHash, IdError> {
        let hash = self.mac("client", &[issuer.as_bytes(), client.as_bytes()])?;
        let short = hash.get(..CLIENT_HASH_BYTES).unwrap_or_default();
        ClientHash::parse(URL_SAFE_NO_PAD.encode(short))
    }

    fn hash(&self, label: &str, parts: &[&[u8]]) -> Result<String, IdError> {
        Ok(hex::encode(self.mac(label, parts)?))
    }

    fn mac(&self, label: &str, parts: &[&[u8]]) -> Result<[u8; 32], IdError> {
        // HMAC takes a key of any length, so this never fails; only the trait's signature allows an error.
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret());
        let mac = mac.map_err(|_any_length_fits| IdError("keyed hash"))?;
        Ok(keyed_hash(mac, label, parts))
    }
}

impl KeyedHash for OwnerKey {
    type Error = IdError;

    fn keyed_hash(&self, label: &str, parts: &[&[u8]]) -> Result<String, IdError> {
        self.hash(label, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_the_same_concatenation_get_different_owners() {
        let key = OwnerKey::parse(&"k".repeat(32)).unwrap();
        assert_ne!(key.owner("ab", "c").unwrap(), key.owner("a", "bc").unwrap());
        assert_eq!(key.owner("a", "b").unwrap(), key.owner("a", "b").unwrap());
        let other = OwnerKey::parse(&"l".repeat(32)).unwrap();
        assert_ne!(key.owner("a", "b").unwrap(), other.owner("a", "b").unwrap());
    }

    /// Known answer: HMAC-SHA256 with key "k" x 32 over the length-prefixed label, issuer and subject, computed with
    /// Python's `hmac`.
    #[test]
    fn owner_id_matches_a_known_answer() {
        let key = OwnerKey::parse(&format!("{}\n", "k".repeat(32))).unwrap();
        let owner = key.owner("https://issuer.test", "user-1").unwrap();
        assert_eq!(
            owner.as_str(),
            "v1.c5173b724165c46bee669642c6f5ddff8ace8a5827e8e9061b8e5b1228b9e104"
        );
    }

    /// Known answer, computed with Python's `hmac` and `base64`.
    #[test]
    fn client_hash_matches_a_known_answer() {
        let key = OwnerKey::parse(&"k".repeat(32)).unwrap();
        let client = |issuer, client| key.client(issuer, client).unwrap().as_str().to_owned();
        assert_eq!(client("https://issuer.test", "app"), "GoTvwN_7ykiLRHng32by-A");
        assert_ne!(
            client("https://issuer.test", "app"),
            client("https://other.test", "app")
        );
    }

    #[test]
    fn short_key_is_refused() {
        assert_eq!(OwnerKey::parse("short").err(), Some(OwnerKeyError));
    }
}
