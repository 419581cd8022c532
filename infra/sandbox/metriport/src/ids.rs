//! Ids, tokens and keys from one seeded generator.
//!
//! The seed makes ids repeatable, and therefore tokens guessable. Use the stand-in only on a loopback address.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::moment::Moment;

const WEBHOOK_KEY_CHARS: usize = 21;

pub(crate) struct Ids {
    rng: StdRng,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// A UUIDv7: the first 48 bits are the time, the rest is random.
    pub(crate) fn uuid(&mut self, now: Moment) -> String {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes())
            .into_uuid()
            .to_string()
    }

    /// A UUIDv7 behind one of the prefixes of the identity endpoints: `ids_`, `pid_`, `aalc_`, `aal2_`.
    pub(crate) fn prefixed(&mut self, prefix: &str, now: Moment) -> String {
        format!("{prefix}{}", self.uuid(now))
    }

    /// An opaque URL token of 256 bits.
    pub(crate) fn token(&mut self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }

    /// A webhook key: 21 characters of the URL-safe alphabet.
    pub(crate) fn webhook_key(&mut self) -> String {
        self.token().chars().take(WEBHOOK_KEY_CHARS).collect()
    }

    /// A TOTP secret of 160 bits, the length that RFC 4226 recommends.
    pub(crate) fn totp_secret(&mut self) -> [u8; 20] {
        self.bytes()
    }

    /// A number from 0 to `bound` - 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_seven_and_repeat_with_the_seed() {
        let now = Moment::from_millis(1_795_345_402_005);
        let id = Ids::new(7).uuid(now);
        let uuid: uuid::Uuid = id.parse().unwrap();
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(Ids::new(7).uuid(now), id);
        assert_ne!(Ids::new(8).uuid(now), id);
    }

    #[test]
    fn webhook_key_has_twenty_one_characters() {
        assert_eq!(Ids::new(1).webhook_key().len(), 21);
    }
}
