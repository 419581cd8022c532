//! The caller's key, and the keyed hashes of the key and of its request.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest key accepted, in characters.
const KEY_CHARS_MAX: usize = 255;

/// A hash function with a secret of the deployment, such as HMAC. Idempotency keys (an order number, an address) and
/// bodies are often guessable, so a hash without a secret could be reversed by trying values.
pub trait KeyedHash {
    /// The error of a hash that cannot be computed.
    type Error;

    /// Hashes `parts`. `label` separates the uses of the hash. Different lists of parts must have different hashes,
    /// even if their concatenations are equal. The hash is text that can be a storage key or an attribute.
    ///
    /// # Errors
    /// Fails if the hash cannot be computed.
    fn keyed_hash(&self, label: &str, parts: &[&[u8]]) -> Result<String, Self::Error>;
}

/// A caller's key: 1 to 255 visible ASCII characters. It is never stored and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The header's value is not a key. The error holds no part of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an idempotency key")]
pub struct KeyError;

impl IdempotencyKey {
    /// Reads the header's value. The header's draft demands a string of RFC 8941 (§3.3.3), such as `"8e03978e-40d5"`.
    /// Most clients send the text without quotes. Both forms are the same key.
    ///
    /// In text without quotes, a comma, a semicolon, a quote and a backslash are refused, because they belong to lists,
    /// parameters and broken strings. For example, the values of a header that was sent twice arrive joined by a comma.
    ///
    /// # Errors
    /// Fails if the value is malformed, or if the key is empty, too long, or not all visible ASCII.
    pub fn parse(value: &str) -> Result<Self, KeyError> {
        let value = value.trim_matches([' ', '\t']);
        let text = match value.strip_prefix('"') {
            Some(rest) => unquoted(rest).ok_or(KeyError)?,
            None if value.contains([',', ';', '"', '\\']) => return Err(KeyError),
            None => value.to_owned(),
        };
        let fits = (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(KeyError) }
    }

    /// The name of the key's entry. `scope` is the caller to whom the key belongs, so equal keys of two callers get
    /// different names.
    ///
    /// # Errors
    /// Fails like [`KeyedHash::keyed_hash`].
    pub fn hash<H: KeyedHash>(&self, secret: &H, scope: &str) -> Result<KeyHash, H::Error> {
        self.secret(secret, "idempotency-key", scope).map(KeyHash)
    }

    /// A hash that differs from the name of the key's entry by its `label`, so that a reader of the entries cannot
    /// know it.
    ///
    /// # Errors
    /// Fails like [`KeyedHash::keyed_hash`].
    pub fn secret<H: KeyedHash>(&self, secret: &H, label: &str, scope: &str) -> Result<String, H::Error> {
        secret.keyed_hash(label, &[scope.as_bytes(), self.0.as_bytes()])
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[idempotency key]")
    }
}

/// The text between the quotes. `\"` and `\\` are a quote and a backslash; nothing may follow the closing quote.
fn unquoted(rest: &str) -> Option<String> {
    let mut text = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            other => text.push(other),
        }
    }
}

/// The keyed hash of a key. It reveals nothing about the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHash(String);

impl KeyHash {
    /// The text, for a storage key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Identifies a request by its route, its body and its credential. A keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a request: its route, the raw bytes of its body, and its credential, if it carries one
    /// besides the caller's token.
    ///
    /// The bytes are not canonicalised. A client that retries sends the same bytes. A client that writes the fields of
    /// the body in another order is refused without effect, and may use a new key. Canonical bytes could make two
    /// bodies with different meanings equal, which would be worse.
    ///
    /// # Errors
    /// Fails like [`KeyedHash::keyed_hash`].
    pub fn of<H: KeyedHash>(secret: &H, route: &str, body: &[u8], credential: Option<&[u8]>) -> Result<Self, H::Error> {
        let request = [route.as_bytes(), body];
        let parts: Vec<_> = request.into_iter().chain(credential).collect();
        secret.keyed_hash("idempotency-fingerprint", &parts).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Result<String, KeyError> {
        IdempotencyKey::parse(value).map(|key| key.0)
    }

    #[test]
    fn quoted_and_plain_forms_are_one_key() {
        for (value, key) in [
            (
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
            ),
            ("\"8e03978e-40d5\"", "8e03978e-40d5"),
            (
                " \t\"clkyoesmbgybucifusbbtdsbohtyuuwz\" ",
                "clkyoesmbgybucifusbbtdsbohtyuuwz",
            ),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("\"a,b;c\"", "a,b;c"),
            ("~", "~"),
        ] {
            assert_eq!(text(value).as_deref(), Ok(key));
        }
        let longest = "k".repeat(KEY_CHARS_MAX);
        assert_eq!(text(&longest), text(&format!("\"{longest}\"")));
        assert!(text(&longest).is_ok());
    }

    #[test]
    fn malformed_key_is_refused() {
        let long = "k".repeat(KEY_CHARS_MAX + 1);
        let quoted = format!("\"{long}\"");
        for bad in [
            "",
            " ",
            "\"\"",
            "\"",
            "\"a",
            "a\"",
            "\"a\"b",
            "\"a\";p=1",
            "\"a\", \"b\"",
            "a, b",
            "a,b",
            "a;p",
            "a b",
            "\"a b\"",
            r"a\b",
            r#""a\b""#,
            r#""a\"#,
            "ä",
            "\"ä\"",
            "a\nb",
            "a\u{7f}",
            long.as_str(),
            quoted.as_str(),
        ] {
            assert_eq!(text(bad), Err(KeyError), "{bad:?}");
        }
    }

    #[test]
    fn debug_and_error_texts_hide_the_key() {
        let key = IdempotencyKey::parse("CANARY").unwrap();
        assert!(!format!("{key:?}").contains("CANARY") && !KeyError.to_string().contains("CANARY"));
    }

    /// A "hash" that shows its input.
    struct Plain;

    impl KeyedHash for Plain {
        type Error = std::convert::Infallible;

        fn keyed_hash(&self, label: &str, parts: &[&[u8]]) -> Result<String, Self::Error> {
            Ok(format!("{label}{parts:?}"))
        }
    }

    #[test]
    fn fingerprint_and_key_hash_depend_on_every_part() {
        let of = |route, body: &[u8], credential| Fingerprint::of(&Plain, route, body, credential).unwrap();
        let one = of("POST /a", b"{}", Some(b"s".as_slice()));
        assert_eq!(one, of("POST /a", b"{}", Some(b"s")));
        for other in [
            of("POST /b", b"{}", Some(b"s")),
            of("POST /a", b"{ }", Some(b"s")),
            of("POST /a", b"{}", Some(b"t")),
            of("POST /a", b"{}", Some(b"")),
            of("POST /a", b"{}", None),
        ] {
            assert_ne!(one, other);
        }
        let key = IdempotencyKey::parse("k").unwrap();
        assert_ne!(key.hash(&Plain, "nora").unwrap(), key.hash(&Plain, "omar").unwrap());
    }
}
