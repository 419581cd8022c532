//! The fingerprint of a person's demographics, with which a record's Patient is compared.
//!
//! It holds keyed hashes of the names and of the birth date, but no name and no date. The key is random and the
//! person's own, so hashes of two persons cannot be compared. It is stored beside the hashes, because `record-fetch`
//! has no secret. A reader of the table can therefore test guesses.

use std::fmt;

use hmac::{Hmac, KeyInit};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::domain::keyed_hash::keyed_hash;
use crate::domain::names::NameKey;
use crate::domain::time::is_calendar_date;
use crate::domain::{Demographics, Time};

/// Length of the key's HMAC block, in bytes. HMAC fills a shorter key up with zeros (RFC 2104, section 2).
const BLOCK_BYTES: usize = 64;
/// Length of a stored hash, in bytes: the left half (RFC 2104, section 5).
const STORED_BYTES: usize = 16;

/// The key of a fingerprint: two random UUIDs, of 122 random bits each.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintKey([Uuid; 2]);

impl FingerprintKey {
    /// Wraps two random UUIDs (version 4) that were made outside the domain.
    #[must_use]
    pub const fn new(random: [Uuid; 2]) -> Self {
        Self(random)
    }

    fn hash(&self, label: &str, parts: &[&[u8]]) -> PartHash {
        let mut block = [0; BLOCK_BYTES];
        let bytes = self.0.iter().flat_map(|half| half.as_bytes());
        block.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let hash = keyed_hash(Hmac::<Sha256>::new(&block.into()), label, parts);
        let stored = hash.first_chunk::<STORED_BYTES>().copied().unwrap_or_default();
        PartHash(hex::encode(stored))
    }
}

/// 32 lowercase hex digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct PartHash(String);

/// The keyed hashes of a person's given names, family names and birth date. `Debug` hides them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientFingerprint {
    key: FingerprintKey,
    /// Absent if the person's given name has neither a letter nor a digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given: Option<NameKey<PartHash>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<NameKey<PartHash>>,
    birth_date: PartHash,
    /// The time from which Metriport certainly had these demographics. A record that was requested earlier may show
    /// others.
    since: Time,
}

impl fmt::Debug for PatientFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[fingerprint]")
    }
}

impl PatientFingerprint {
    /// The fingerprint of demographics that Metriport has had since `since`.
    #[must_use]
    pub fn of(demographics: &Demographics, key: FingerprintKey, since: Time) -> Self {
        Self {
            given: hash_name(key, GIVEN, demographics.first_name()),
            family: hash_name(key, FAMILY, demographics.last_name()),
            birth_date: hash_birth_date(key, demographics.dob()),
            key,
            since,
        }
    }

    /// Whether the names and birth date of a record that was requested at this time can be compared.
    #[must_use]
    pub fn covers(&self, requested_at: Time) -> bool {
        requested_at >= self.since
    }

    /// Whether a name is the person's by the rules of [`names`](crate::domain::names), which apply to given and family
    /// names separately. A given or family name without a letter or digit is not compared. `None` if nothing was
    /// compared.
    #[must_use]
    pub fn has_name(&self, given: &str, family: &str) -> Option<bool> {
        let sides = [(&self.given, GIVEN, given), (&self.family, FAMILY, family)];
        let matches = sides.into_iter().filter_map(|(ours, side, theirs)| {
            let theirs = hash_name(self.key, side, theirs)?;
            Some(ours.as_ref()?.matches(&theirs))
        });
        matches.reduce(|all, one| all && one)
    }

    /// Whether a FHIR date (hl7.org/fhir/R4/datatypes.html#date) is another birth date. A date without its day is not
    /// another birth date.
    #[must_use]
    pub fn has_other_birth_date(&self, date: &str) -> bool {
        !is_partial(date) && hash_birth_date(self.key, date) != self.birth_date
    }
}

const GIVEN: &str = "given";
const FAMILY: &str = "family";

fn hash_name(key: FingerprintKey, side: &str, name: &str) -> Option<NameKey<PartHash>> {
    let hash = |what: &str, text: String| key.hash("name", &[side.as_bytes(), what.as_bytes(), text.as_bytes()]);
    Some(NameKey::of(name)?.map(hash))
}

fn hash_birth_date(key: FingerprintKey, date: &str) -> PartHash {
    key.hash("birth-date", &[date.as_bytes()])
}

/// Whether the text is a year, or a year and a month.
fn is_partial(date: &str) -> bool {
    ["-01", "-01-01"]
        .iter()
        .any(|rest| is_calendar_date(&format!("{date}{rest}")))
}

#[cfg(test)]
mod tests;
