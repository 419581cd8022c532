//! The webhook keys in one secret: the current key and, during a rotation, the previous one.
//!
//! In a rotation, Metriport makes a new key and signs with it from that moment on (docs.metriport.com, page
//! `getting-started/webhooks`). The previous key signed only webhooks that were sent before. The functions accept it
//! until an end that the secret names; without an end, they do not accept it.

use std::fmt;
use std::iter;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::domain::Time;

/// The keys with which a webhook may be signed: the current key and, during a rotation, the previous one.
#[derive(Clone)]
pub struct WebhookKeys {
    current: SecretString,
    previous: Option<Previous>,
}

#[derive(Clone)]
struct Previous {
    key: SecretString,
    until: Option<Time>,
}

/// Whether there is a previous key, and until when it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviousKey {
    /// The secret holds no previous key.
    None,
    /// The previous key is accepted until this time, which may have passed.
    Until(Time),
    /// The secret names no end, so the previous key is not accepted.
    WithoutEnd,
}

/// The secret does not hold the keys in the right form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKeysError {
    /// The secret is not a JSON object with a text `current`.
    Malformed,
    /// The current key is empty.
    NoCurrent,
    /// `previousUntil` is not a time.
    Until,
}

impl WebhookKeysError {
    /// The problem, without any part of the secret.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => r#"is not JSON like {"current": "..."}"#,
            Self::NoCurrent => "holds no current webhook key",
            Self::Until => "has a previousUntil that is not an ISO 8601 time",
        }
    }
}

impl fmt::Display for WebhookKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for WebhookKeysError {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysText {
    current: String,
    #[serde(default)]
    previous: Option<String>,
    #[serde(default)]
    previous_until: Option<String>,
}

impl WebhookKeys {
    /// One key, without a previous one.
    #[must_use]
    pub const fn new(current: SecretString) -> Self {
        Self {
            current,
            previous: None,
        }
    }

    /// Reads the secret: JSON with `current` and, if there is one, `previous` and `previousUntil` (ISO 8601 with an
    /// offset). White space around a key is ignored; an empty key counts as absent.
    ///
    /// # Errors
    /// When the secret is malformed, has no current key, or gives the previous key an end that is not a time.
    pub fn parse(secret: &str) -> Result<Self, WebhookKeysError> {
        let text: KeysText = serde_json::from_str(secret).map_err(|_holds_keys| WebhookKeysError::Malformed)?;
        let key = |text: &str| Some(text.trim()).filter(|key| !key.is_empty()).map(SecretString::from);
        let until = match text.previous_until.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(until) => Some(Time::parse(until).map_err(|_no_time| WebhookKeysError::Until)?),
        };
        Ok(Self {
            current: key(&text.current).ok_or(WebhookKeysError::NoCurrent)?,
            previous: text
                .previous
                .as_deref()
                .and_then(key)
                .map(|key| Previous { key, until }),
        })
    }

    /// The secret for these keys, as [`WebhookKeys::parse`] reads it.
    #[must_use]
    pub fn to_secret(&self) -> SecretString {
        let current = self.current.expose_secret();
        let text = match &self.previous {
            None => json!({ "current": current }),
            Some(Previous { key, until }) => json!({
                "current": current,
                "previous": key.expose_secret(),
                "previousUntil": until.map(|until| until.to_string()),
            }),
        };
        text.to_string().into()
    }

    /// The keys after Metriport changes to `current`: the key that was current is accepted until `until`. An earlier
    /// previous key is no longer accepted, because the secret holds only one.
    #[must_use]
    pub fn rotated(self, current: SecretString, until: Time) -> Self {
        let until = Some(until);
        Self {
            current,
            previous: Some(Previous {
                key: self.current,
                until,
            }),
        }
    }

    /// Whether `key` is the current key.
    #[must_use]
    pub fn is_current(&self, key: &SecretString) -> bool {
        let (current, key) = (self.current.expose_secret(), key.expose_secret());
        current.as_bytes().ct_eq(key.as_bytes()).into()
    }

    /// The key that Metriport signs with now.
    #[must_use]
    pub const fn current(&self) -> &SecretString {
        &self.current
    }

    /// Whether there is a previous key, and until when it is accepted.
    #[must_use]
    pub const fn previous(&self) -> PreviousKey {
        match &self.previous {
            None => PreviousKey::None,
            Some(Previous { until: None, .. }) => PreviousKey::WithoutEnd,
            Some(Previous { until: Some(until), .. }) => PreviousKey::Until(*until),
        }
    }

    /// The keys that are accepted now.
    pub(super) fn at(&self, now: Time) -> impl Iterator<Item = &SecretString> {
        let counts = |previous: &&Previous| previous.until.is_some_and(|until| now < until);
        let previous = self.previous.as_ref().filter(counts);
        iter::once(&self.current).chain(previous.map(|previous| &previous.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Time = Time::from_millis(1_795_345_402_000);

    fn at(secret: &str, now: Time) -> Vec<String> {
        let keys = WebhookKeys::parse(secret).unwrap();
        keys.at(now).map(|key| key.expose_secret().to_owned()).collect()
    }

    #[test]
    fn previous_key_is_accepted_only_before_its_end() {
        let before = Time::from_millis(END.millis() - 1);
        let both = r#"{"current":"b","previous":"a","previousUntil":"2026-11-22T11:03:22+00:00"}"#;
        assert_eq!(
            (at(both, before), at(both, END)),
            (vec!["b".into(), "a".into()], vec!["b".into()])
        );
        for endless in [
            r#"{"current":"b","previous":"a"}"#,
            r#"{"current":"b","previous":"a","previousUntil":null}"#,
            r#"{"current":"b","previous":"a","previousUntil":""}"#,
        ] {
            assert_eq!(at(endless, Time::default()), ["b"], "{endless}");
            assert_eq!(WebhookKeys::parse(endless).unwrap().previous(), PreviousKey::WithoutEnd);
        }
    }

    #[test]
    fn one_key_two_keys_and_white_space_are_read() {
        for one in [
            r#"{"current":"k"}"#,
            r#"{"current":"k\n","previous":""}"#,
            r#"{"current":" k ","previous":" ","previousUntil":"2026-11-22T11:03:22Z"}"#,
            "\n{ \"current\": \"k\", \"previous\": null }\n",
        ] {
            assert_eq!(at(one, Time::default()), ["k"], "{one}");
            assert_eq!(WebhookKeys::parse(one).unwrap().previous(), PreviousKey::None);
        }
    }

    #[test]
    fn secret_without_a_usable_key_is_an_error() {
        use WebhookKeysError::{Malformed, NoCurrent, Until};
        for (secret, error) in [
            ("", Malformed),
            ("{}", Malformed),
            ("[]", Malformed),
            ("key", Malformed),
            (r#""key""#, Malformed),
            (r#"{"previous":"k"}"#, Malformed),
            (r#"{"current":null}"#, Malformed),
            (r#"{"current":""}"#, NoCurrent),
            (r#"{"current":" \n"}"#, NoCurrent),
            (r#"{"current":"k","previousUntil":"soon"}"#, Until),
            (r#"{"current":"k","previous":"j","previousUntil":"2026-11-22"}"#, Until),
        ] {
            assert_eq!(WebhookKeys::parse(secret).err(), Some(error), "{secret}");
        }
    }

    #[test]
    fn rotated_keys_are_read_back_as_written() {
        let first = WebhookKeys::new("a".into());
        let rotated = first.rotated("b\"".into(), END);
        assert!(rotated.is_current(&"b\"".into()) && !rotated.is_current(&"a".into()));
        let back = WebhookKeys::parse(rotated.to_secret().expose_secret()).unwrap();
        assert_eq!(back.previous(), PreviousKey::Until(END));
        let again = back.rotated("c".into(), END);
        assert_eq!(at(again.to_secret().expose_secret(), Time::default()), ["c", "b\""]);
        let alone = WebhookKeys::new("a".into());
        assert_eq!(alone.to_secret().expose_secret(), r#"{"current":"a"}"#);
    }
}
