//! The signature of webhooks: lowercase hexadecimal HMAC-SHA256 over the exact bytes of the body, with the webhook key
//! as UTF-8 text (docs.metriport.com, page `getting-started/webhooks`).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub(crate) fn mac(key: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    // HMAC accepts keys of any length, so the fallback to an empty key never occurs.
    let mut mac = Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(bytes);
    mac
}

/// The value of `x-metriport-signature` for this body.
pub(crate) fn sign(key: &str, body: &[u8]) -> String {
    hex::encode(mac(key.as_bytes(), body).finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the verifier of Metriport's published SDK, and from RFC 4231, test case 2.
    #[test]
    fn signatures_match_the_known_answers() {
        let body = br#"{"meta":{"messageId":"m-1","when":"2026-11-22T10:03:22.000Z","type":"ping"},"ping":"p-1"}"#;
        let expected = "b18188623212f6fedcb1839707b4c78c5fedd966092542e40760588e927ea41a";
        assert_eq!(sign("whk_demo_Key-123", body), expected);
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", b"what do ya want for nothing?"), expected);
    }
}
