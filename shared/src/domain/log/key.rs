//! The public key that verifies seals: ECDSA on P-256 with SHA-256, as AWS KMS signs with a key of `ECC_NIST_P256` and
//! `ECDSA_SHA_256` (AWS KMS API Reference, `Sign`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::LogHash;

/// Begin of every SubjectPublicKeyInfo of an uncompressed P-256 key (RFC 5480): algorithm, curve, and the header of a
/// bit string of 65 bytes.
pub(super) const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point: a byte 0x04 and two coordinates.
const POINT_BYTES: usize = 65;

/// A public key that verifies seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealPublicKey {
    point: Vec<u8>,
    fingerprint: LogHash,
}

/// The bytes are not a public key on P-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key on the curve P-256")]
pub struct SealKeyError;

impl SealPublicKey {
    /// Reads a SubjectPublicKeyInfo in DER, as `GetPublicKey` of KMS returns it.
    ///
    /// # Errors
    /// Fails if the key is of another kind. A point that is not on the curve is accepted, but verifies no signature.
    pub fn from_spki(der: &[u8]) -> Result<Self, SealKeyError> {
        let point = der.strip_prefix(&SPKI_PREFIX).ok_or(SealKeyError)?;
        if point.len() != POINT_BYTES || point.first() != Some(&0x04) {
            return Err(SealKeyError);
        }
        Ok(Self {
            point: point.to_vec(),
            fingerprint: LogHash::of(&[der]),
        })
    }

    /// The SHA-256 hash of the SubjectPublicKeyInfo, by which a seal names its key.
    #[must_use]
    pub const fn fingerprint(&self) -> LogHash {
        self.fingerprint
    }

    /// Whether `signature` (an ECDSA signature in DER, in base64) is that of the text by this key.
    #[must_use]
    pub fn verifies(&self, text: &str, signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        let signature = STANDARD.decode(signature);
        signature.is_ok_and(|signature| key.verify(text.as_bytes(), &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key and signature of `statement` by OpenSSL 3.
    const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWclxetNgjVWxRs9iXlJTUda6qIHNhTYvPSFS7w2ORZF3uXKwlnP3DMsqnWqR5NYmqk3TT88MshElU9PFvUBHkA==";
    const SIGNATURE: &str =
        "MEYCIQD9NV6DrXRcnmA7ftlEMGD1ACLu/6uRFe849AAL4+/ZpAIhAMVxL8jaeY53mCdWzFlydQCbk6mMT7HSPdElztl7e2cR";

    #[test]
    fn signature_of_another_implementation_is_verified() {
        let spki = STANDARD.decode(SPKI).unwrap();
        let key = SealPublicKey::from_spki(&spki).unwrap();
        assert_eq!(
            key.fingerprint().to_string(),
            "1e780b819ac14f4181fdd1d6c52c6135a463463bd1168a2bf3afe442ae859861"
        );
        assert!(key.verifies("statement", SIGNATURE));
        assert!(!key.verifies("statement ", SIGNATURE));
        let mut other = STANDARD.decode(SIGNATURE).unwrap();
        *other.last_mut().unwrap() ^= 1;
        for wrong in ["", "%", &STANDARD.encode(other), &format!("{SIGNATURE}AAAA")] {
            assert!(!key.verifies("statement", wrong), "{wrong}");
        }
    }

    #[test]
    fn key_of_another_kind_is_refused() {
        let spki = STANDARD.decode(SPKI).unwrap();
        let compressed = [&spki[..26], &[0x02], &spki[27..]].concat();
        for wrong in [
            &[],
            &spki[..90],
            &[&spki, b"0".as_slice()].concat(),
            &compressed,
            &spki[26..],
        ] {
            assert_eq!(SealPublicKey::from_spki(wrong), Err(SealKeyError));
        }
        let off_the_curve = SealPublicKey::from_spki(&[&spki[..90], &[spki[90] ^ 1]].concat()).unwrap();
        assert!(!off_the_curve.verifies("statement", SIGNATURE));
    }
}
