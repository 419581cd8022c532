//! Pairs that we send with a call, so that its webhook can be recognised as ours.

use std::collections::BTreeMap;

use serde::Serialize;

const PAIRS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 40;
const VALUE_CHARS_MAX: usize = 500;

/// Keys that switch a webhook off at Metriport (seen in the published code). We never send them.
const SWITCHES: [&str; 1] = ["disableWHFlag"];

/// At most 50 pairs, with keys of 1 to 40 characters and values of at most 500. Webhooks echo them as `meta.data`
/// (docs.metriport.com, page `network/start-network-query`). We make the pairs ourselves. They never come from the
/// caller and never describe the person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

/// Why the pairs are refused. The error does not quote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// There are more than 50 pairs.
    #[error("more than 50 metadata pairs")]
    TooMany,
    /// A key is empty, longer than 40 characters, or a word on which Metriport acts.
    #[error("a metadata key must have 1 to 40 characters and must not be a word on which Metriport acts")]
    Key,
    /// A value is longer than 500 characters.
    #[error("a metadata value must have at most 500 characters")]
    Value,
}

impl Metadata {
    /// Checks the pairs. If a key is repeated, its last value stays.
    ///
    /// # Errors
    /// When Metriport would refuse the pairs, or act on them.
    pub fn new<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, MetadataError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let pairs: BTreeMap<String, String> = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        if pairs.len() > PAIRS_MAX {
            return Err(MetadataError::TooMany);
        }
        if !pairs.keys().all(|key| is_key(key)) {
            return Err(MetadataError::Key);
        }
        if pairs.values().any(|value| length(value) > VALUE_CHARS_MAX) {
            return Err(MetadataError::Value);
        }
        Ok(Self(pairs))
    }

    /// Whether there are no pairs; then the field is not sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

fn is_key(key: &str) -> bool {
    (1..=KEY_CHARS_MAX).contains(&length(key)) && !SWITCHES.iter().any(|switch| switch.eq_ignore_ascii_case(key))
}

/// The length in UTF-16 code units, as Metriport's JavaScript counts it.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_beyond_metriports_limits_is_refused() {
        let pairs = |n: usize| Metadata::new((0..n).map(|i| (format!("k{i}"), "v")));
        assert!(pairs(50).is_ok());
        assert_eq!(pairs(51), Err(MetadataError::TooMany));
        assert!(Metadata::new([("k".repeat(40), "v".repeat(500))]).is_ok());
        assert_eq!(Metadata::new([("k".repeat(41), "v")]), Err(MetadataError::Key));
        assert_eq!(Metadata::new([("", "v")]), Err(MetadataError::Key));
        assert_eq!(Metadata::new([("disableWHFlag", "true")]), Err(MetadataError::Key));
        assert_eq!(Metadata::new([("k", "v".repeat(501))]), Err(MetadataError::Value));
        assert_eq!(
            Metadata::new([("k", "\u{1F600}".repeat(251))]),
            Err(MetadataError::Value)
        );
    }
}
