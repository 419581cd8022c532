//! The messages in queues: due work, links to fetch, webhook events, work on persons, and reasons of dead letters. They
//! carry ids and states, and the link of a consolidated query that we asked for, but never clinical data. Every message
//! names its version, so that a consumer can refuse an unknown version.

pub mod dead_letter;
pub mod webhook;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::erasure::ErasureId;
use crate::domain::pull::Pull;
use crate::domain::record::Record;
use crate::domain::{OwnerId, PullId, RecordId};

/// The version of every message we write, and the only one we read.
pub const VERSION: u32 = 1;

/// Tells `query-dispatch` that work of a pull or record may be due. It has an effect only if its `dueSeq` equals the
/// stored one. The effect changes the stored `dueSeq`, so a duplicate is stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Advance {
    /// [`VERSION`].
    pub version: u32,
    /// The owner.
    pub owner: OwnerId,
    /// The pull or the record.
    #[serde(flatten)]
    pub subject: Subject,
    /// The number of the due work.
    pub due_seq: u64,
}

impl Advance {
    /// The message about a pull's due work.
    #[must_use]
    pub fn of_pull(owner: &OwnerId, pull: &Pull) -> Self {
        Self {
            version: VERSION,
            owner: owner.clone(),
            subject: Subject::Pull(pull.id),
            due_seq: pull.due_seq,
        }
    }

    /// The message about a record's due work.
    #[must_use]
    pub fn of_record(owner: &OwnerId, record: &Record) -> Self {
        Self {
            version: VERSION,
            owner: owner.clone(),
            subject: Subject::Record(record.id),
            due_seq: record.due_seq,
        }
    }
}

/// The subject of an `advance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A pull.
    #[serde(rename = "run")]
    Pull(PullId),
    /// A consolidated record.
    Record(RecordId),
}

/// Tells `record-fetch` that a record can be fetched from a link. It has an effect only if its `dueSeq` equals the
/// stored one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchRecord {
    /// [`VERSION`].
    pub version: u32,
    /// The owner.
    pub owner: OwnerId,
    /// The record.
    pub record: RecordId,
    /// The number of the due work.
    pub due_seq: u64,
    /// The link.
    pub link: Link,
}

/// Tells `account-work` that work on a person's data may have to go on. The worker follows the stored stage, so a
/// duplicate finds nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountWork {
    /// [`VERSION`].
    pub version: u32,
    /// The work.
    #[serde(flatten)]
    pub subject: AccountSubject,
}

/// The subject of an [`AccountWork`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccountSubject {
    /// An erasure.
    Erasure(ErasureId),
    /// A person's export.
    Export {
        /// The person.
        owner: OwnerId,
        /// The export's number.
        number: u8,
    },
    /// A check of the person's records, whose retention may have ended.
    Retention(OwnerId),
}

impl AccountWork {
    /// The message about this work.
    #[must_use]
    pub const fn about(subject: AccountSubject) -> Self {
        Self {
            version: VERSION,
            subject,
        }
    }

    /// The message about an erasure.
    #[must_use]
    pub const fn erase(erasure: ErasureId) -> Self {
        Self::about(AccountSubject::Erasure(erasure))
    }

    /// The erasure that the message is about.
    #[must_use]
    pub const fn erasure(&self) -> Option<ErasureId> {
        match &self.subject {
            AccountSubject::Erasure(erasure) => Some(*erasure),
            AccountSubject::Export { .. } | AccountSubject::Retention(_) => None,
        }
    }
}

/// A presigned link. `Debug` does not show it, because the link opens a record for a few minutes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(String);

impl Link {
    /// Accepts any text. The client that follows the link checks it first.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// Whether the link was removed before its message became a dead letter.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.0.is_empty()
    }

    /// The URL, to be followed once.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[link]")
    }
}

/// Why a message body cannot be read. The error does not quote the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or JSON without a version.
    #[error("the message body is not JSON with a version")]
    Malformed,
    /// A version that we do not read.
    #[error("this function does not read messages of version {0}")]
    Version(u32),
    /// Our version, but another kind of message, or a field is missing or unreadable.
    #[error("the message is not of the expected kind")]
    Kind,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads one message body.
///
/// # Errors
/// Fails if the body is not JSON of this kind or has another version.
pub fn parse<M: DeserializeOwned>(body: &str) -> Result<M, MessageError> {
    let Ok(Versioned { version }) = serde_json::from_str(body) else {
        return Err(MessageError::Malformed);
    };
    if version != VERSION {
        return Err(MessageError::Version(version));
    }
    serde_json::from_str(body).map_err(|_other_kind| MessageError::Kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "v1.abc";
    const ID: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";

    #[test]
    fn wire_form_of_an_advance_is_stable() {
        let pull = format!(r#"{{"version":1,"owner":"{OWNER}","run":"{ID}","dueSeq":3}}"#);
        let advance: Advance = parse(&pull).unwrap();
        assert_eq!(advance.subject, Subject::Pull(PullId::parse(ID).unwrap()));
        assert_eq!(serde_json::to_string(&advance).unwrap(), pull);
    }

    #[test]
    fn wire_form_of_account_work_is_stable() {
        let hex = "ab".repeat(32);
        let text = format!(r#"{{"version":1,"erasure":"{hex}"}}"#);
        let work: AccountWork = parse(&text).unwrap();
        assert_eq!(work, AccountWork::erase(ErasureId::parse(&hex).unwrap()));
        assert_eq!(serde_json::to_string(&work).unwrap(), text);
        let text = format!(r#"{{"version":1,"retention":"{OWNER}"}}"#);
        let work: AccountWork = parse(&text).unwrap();
        assert_eq!(work.subject, AccountSubject::Retention(OwnerId::parse(OWNER).unwrap()));
        assert_eq!(serde_json::to_string(&work).unwrap(), text);
    }

    #[test]
    fn wire_form_of_a_message_about_an_export_is_stable() {
        let text = format!(r#"{{"version":1,"export":{{"owner":"{OWNER}","number":2}}}}"#);
        let work: AccountWork = parse(&text).unwrap();
        let owner = OwnerId::parse(OWNER).unwrap();
        assert_eq!(work.subject, AccountSubject::Export { owner, number: 2 });
        assert_eq!(serde_json::to_string(&work).unwrap(), text);
    }

    #[test]
    fn other_versions_and_kinds_are_refused() {
        assert_eq!(parse::<Advance>(r#"{"version":2}"#), Err(MessageError::Version(2)));
        for bad in ["", "{}", "[]", "{", r#"{"version":"1"}"#, r#"{"version":-1}"#] {
            assert_eq!(parse::<Advance>(bad), Err(MessageError::Malformed));
        }
        for bad in [
            r#"{"version":1}"#,
            r#"{"version":1,"owner":"a b","run":"x","dueSeq":1}"#,
        ] {
            assert_eq!(parse::<Advance>(bad), Err(MessageError::Kind));
        }
    }

    #[test]
    fn links_do_not_print() {
        assert_eq!(format!("{:?}", Link::new("https://CANARY".into())), "[link]");
    }
}
