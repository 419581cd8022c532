//! The notice to which a person consents, and the consent itself.

#[cfg(test)]
mod tests;
mod withdrawal;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Time;
use super::input::{Faults, Input};

pub use withdrawal::{EndedWork, OpenWork, WITHDRAWN_PULLS_MAX, WITHDRAWN_RECORDS_MAX, Withdrawal, withdraw};

/// Longest version of a notice, in characters.
const VERSION_CHARS_MAX: usize = 64;
/// Longest language tag, in characters (RFC 5646, section 4.4.1).
const LOCALE_CHARS_MAX: usize = 35;
const SHA256_DIGITS: usize = 64;

/// A scope of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentScope {
    /// Link, proof, challenge and pull the person, and show them their records. Every consent has this scope.
    Pull,
    /// Keep the records until the person erases them.
    Keep,
}

impl ConsentScope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::Pull, Self::Keep];

    /// The meaning, as the API states it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Pull => "Prove the person's identity, pull their record from the networks, and show it to them.",
            Self::Keep => "Keep the person's records until they erase them.",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "pull" => Some(Self::Pull),
            "keep" => Some(Self::Keep),
            _ => None,
        }
    }
}

/// The notice in force, which a person reads before they consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Its version, a text of the operator.
    pub version: String,
    /// SHA-256 of its text, lowercase hex.
    pub sha256: String,
    /// The page that shows it.
    pub url: String,
}

/// A part of a notice is malformed. The error holds no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct NoticeError(pub &'static str);

const VERSION: &str = "a text of 1 to 64 visible ASCII characters";
const SHA256: &str = "64 lowercase hex digits";

impl Notice {
    /// Reads the parts of a notice.
    ///
    /// # Errors
    /// Fails if the version is not a text of 1 to 64 visible ASCII characters, if the hash is not 64 lowercase hex
    /// digits, or if the URL does not begin with `https://`.
    pub fn parse(version: &str, sha256: &str, url: &str) -> Result<Self, NoticeError> {
        let is_https = url::Url::parse(url).is_ok_and(|url| url.scheme() == "https");
        let parts = [
            (is_version(version), VERSION),
            (is_sha256(sha256), SHA256),
            (is_https, "an HTTPS URL"),
        ];
        if let Some((_, expected)) = parts.into_iter().find(|(is_valid, _)| !is_valid) {
            return Err(NoticeError(expected));
        }
        let [version, sha256, url] = [version, sha256, url].map(str::to_owned);
        Ok(Self { version, sha256, url })
    }

    /// Whether a consent names this notice by its version and hash.
    #[must_use]
    pub fn has(&self, version: &str, sha256: &str) -> bool {
        self.version == version && self.sha256 == sha256
    }
}

/// The party that asks persons for their consent and stores it: this stack or the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentRule {
    /// This stack, with this notice.
    Notice(Notice),
    /// The app. The stack then stores no consent, and requires none.
    KeptElsewhere,
}

/// A consent as the person gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenConsent {
    /// The scopes, [`ConsentScope::Pull`] among them.
    pub scopes: BTreeSet<ConsentScope>,
    /// The version of the notice.
    pub notice_version: String,
    /// The hash of the notice.
    pub notice_sha256: String,
    /// The language in which the person read the notice, a tag of RFC 5646.
    pub locale: String,
}

impl GivenConsent {
    /// Reads the body of `PUT /v1/me/consent`.
    pub fn read(input: &Input<'_>, faults: &mut Faults) -> Option<Self> {
        const KNOWN: [&str; 4] = ["noticeVersion", "noticeSha256", "scopes", "locale"];
        const LOCALE: &str = "a language tag such as en-US";
        let fields = input.fields(&KNOWN, faults)?;
        let text = |input: &Input<'_>, is_valid: fn(&str) -> bool| input.text().filter(|text| is_valid(text));
        let version = fields.required("noticeVersion", VERSION, faults, |input| text(input, is_version));
        let sha256 = fields.required("noticeSha256", SHA256, faults, |input| text(input, is_sha256));
        let scopes = fields.required("scopes", "pull, or pull and keep", faults, scopes);
        let locale = fields.required("locale", LOCALE, faults, |input| text(input, is_locale));
        Some(Self {
            scopes: scopes?,
            notice_version: version?,
            notice_sha256: sha256?,
            locale: locale?,
        })
    }
}

/// A list of different scopes, `pull` among them.
fn scopes(input: &Input<'_>) -> Option<BTreeSet<ConsentScope>> {
    let items = input.items()?;
    let scopes = items.iter().map(|item| ConsentScope::parse(&item.text()?));
    let scopes = scopes.collect::<Option<BTreeSet<_>>>()?;
    (scopes.len() == items.len() && scopes.contains(&ConsentScope::Pull)).then_some(scopes)
}

/// A stored consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    /// The scopes.
    pub scopes: BTreeSet<ConsentScope>,
    /// The version of the notice.
    pub notice_version: String,
    /// The hash of the notice.
    pub notice_sha256: String,
    /// The language of the notice.
    pub locale: String,
    /// When the person gave it.
    pub given_at: Time,
}

impl Consent {
    /// The consent as the person gave it.
    #[must_use]
    pub fn given(&self) -> GivenConsent {
        GivenConsent {
            scopes: self.scopes.clone(),
            notice_version: self.notice_version.clone(),
            notice_sha256: self.notice_sha256.clone(),
            locale: self.locale.clone(),
        }
    }

    /// A consent that is given at `now`.
    #[must_use]
    pub fn of(given: GivenConsent, now: Time) -> Self {
        Self {
            scopes: given.scopes,
            notice_version: given.notice_version,
            notice_sha256: given.notice_sha256,
            locale: given.locale,
            given_at: now,
        }
    }

    /// Whether records are kept until the person erases them.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.scopes.contains(&ConsentScope::Keep)
    }
}

fn is_version(text: &str) -> bool {
    (1..=VERSION_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_sha256(text: &str) -> bool {
    text.len() == SHA256_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the text has the form of a language tag: subtags of 1 to 8 letters or digits, the first of 2 or 3 letters.
fn is_locale(text: &str) -> bool {
    let is_subtag = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_language = |tag: &str| matches!(tag.len(), 2 | 3) && tag.bytes().all(|byte| byte.is_ascii_alphabetic());
    text.len() <= LOCALE_CHARS_MAX && text.split('-').all(is_subtag) && text.split('-').next().is_some_and(is_language)
}
