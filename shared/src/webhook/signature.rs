//! The signature: HMAC-SHA256 with the webhook key over the raw body, as 64 lowercase hexadecimal digits
//! (docs.metriport.com, page `getting-started/webhooks`). Only the body is signed, so the signature does not limit a
//! webhook's age.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::WebhookKeys;
use crate::domain::Time;
use crate::ports::SignatureError;

/// A webhook as it arrived. Its content can be read only after [`UnverifiedWebhook::verify`].
#[derive(Clone, Copy)]
pub struct UnverifiedWebhook<'a> {
    /// The raw body, byte for byte.
    pub body: &'a [u8],
    /// The value of [`super::SIGNATURE_HEADER`].
    pub signature: Option<&'a str>,
}

/// A webhook that Metriport signed.
#[derive(Clone, Copy)]
pub struct VerifiedWebhook<'a> {
    body: &'a [u8],
}

impl<'a> UnverifiedWebhook<'a> {
    /// Checks the signature against every key that is accepted now, in constant time.
    ///
    /// # Errors
    /// When the signature is missing or malformed, or was not made with an accepted key.
    pub fn verify(self, keys: &WebhookKeys, now: Time) -> Result<VerifiedWebhook<'a>, SignatureError> {
        let text = self.signature.ok_or(SignatureError::Missing)?;
        let signature = lowercase_hex(text).ok_or(SignatureError::Malformed)?;
        // Every key is tried, even after a match, so that the time does not reveal which key matched.
        let matched = keys
            .at(now)
            .fold(false, |matched, key| matched | signs(key, self.body, &signature));
        if matched {
            Ok(VerifiedWebhook { body: self.body })
        } else {
            Err(SignatureError::Mismatch)
        }
    }
}

impl<'a> VerifiedWebhook<'a> {
    /// The body.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}

/// The signature that Metriport would make with the current key, for an operator who tests whether webhooks arrive.
#[must_use]
pub fn sign(keys: &WebhookKeys, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(keys.current().expose_secret().as_bytes());
    mac.map(|mac| hex::encode(mac.chain_update(body).finalize().into_bytes()))
        .unwrap_or_default()
}

fn lowercase_hex(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut signature = [0; 32];
    hex::decode_to_slice(text, &mut signature).ok()?;
    Some(signature)
}

fn signs(key: &SecretString, body: &[u8], signature: &[u8; 32]) -> bool {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes());
    mac.is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "whk_demo_Key-123";
    const BODY: &str = r#"{"meta":{"messageId":"m-1","when":"2026-11-22T10:03:22.000Z","type":"ping"},"ping":"p-1"}"#;
    /// Made with the verifier of the published `@metriport/api-sdk` 18.20.0.
    const SIGNATURE: &str = "b18188623212f6fedcb1839707b4c78c5fedd966092542e40760588e927ea41a";

    const NOW: Time = Time::from_millis(0);
    const LATER: Time = Time::from_millis(1);

    fn key(current: &str) -> WebhookKeys {
        WebhookKeys::new(current.into())
    }

    fn verify(keys: &WebhookKeys, body: &str, signature: Option<&str>) -> Result<(), SignatureError> {
        UnverifiedWebhook {
            body: body.as_bytes(),
            signature,
        }
        .verify(keys, NOW)
        .map(|_| ())
    }

    #[test]
    fn missing_malformed_or_wrong_signature_is_refused() {
        let keys = key(KEY);
        assert_eq!(verify(&keys, BODY, None), Err(SignatureError::Missing));
        let upper = SIGNATURE.to_uppercase();
        for malformed in [
            "",
            "b181",
            &upper,
            &format!("sha256={SIGNATURE}"),
            &format!("{SIGNATURE}00"),
        ] {
            assert_eq!(verify(&keys, BODY, Some(malformed)), Err(SignatureError::Malformed));
        }
        assert_eq!(
            verify(&keys, &format!("{BODY} "), Some(SIGNATURE)),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(verify(&keys, "", Some(SIGNATURE)), Err(SignatureError::Mismatch));
        let flipped = SIGNATURE.replacen('b', "c", 1);
        assert_eq!(verify(&keys, BODY, Some(&flipped)), Err(SignatureError::Mismatch));
        assert_eq!(
            verify(&key("another"), BODY, Some(SIGNATURE)),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn current_key_and_previous_key_before_its_end_are_accepted() {
        assert_eq!(verify(&key(KEY), BODY, Some(SIGNATURE)), Ok(()));
        assert_eq!(sign(&key(KEY), BODY.as_bytes()), SIGNATURE);
        let before_its_end = key(KEY).rotated("new".into(), LATER);
        assert_eq!(verify(&before_its_end, BODY, Some(SIGNATURE)), Ok(()));
        let at_its_end = key(KEY).rotated("new".into(), NOW);
        assert_eq!(
            verify(&at_its_end, BODY, Some(SIGNATURE)),
            Err(SignatureError::Mismatch)
        );
    }

    /// RFC 4231, test case 2, through our own verifier.
    #[test]
    fn signature_matches_rfc_4231_case_2() {
        let keys = key("Jefe");
        let signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(verify(&keys, "what do ya want for nothing?", Some(signature)), Ok(()));
    }
}
