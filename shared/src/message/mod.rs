//! What travels through queues: due work, links to fetch, what webhooks said, and why a message was given up. Messages
//! carry ids and states, and the link of a consolidated query we asked for; never clinical data. Every message names
//! its version, so that a reader can refuse what it does not know.

pub mod dead_letter;
pub mod webhook;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::record::Record;
use crate::domain::run::Run;
use crate::domain::{OwnerId, RecordId, RunId};

/// The version of every message we write, and the only one we read.
pub const VERSION: u32 = 1;

/// Says that something of a person may be due. Acted on only if the stored `dueSeq` is equal, so duplicates and forks
/// die out by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Advance {
    /// [`VERSION`].
    pub version: u32,
    /// Whose.
    pub owner: OwnerId,
    /// What.
    #[serde(flatten)]
    pub subject: Subject,
    /// Which of its due works.
    pub due_seq: u64,
}

impl Advance {
    /// For a run's due work.
    #[must_use]
    pub fn of_run(owner: &OwnerId, run: &Run) -> Self {
        Self {
            version: VERSION,
            owner: owner.clone(),
            subject: Subject::Run(run.id),
            due_seq: run.due_seq,
        }
    }

    /// For a record's due work.
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

/// What an `advance` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A pull.
    Run(RunId),
    /// A consolidated record.
    Record(RecordId),
}

/// Says that a consolidated record waits behind a link. Acted on only if the stored `dueSeq` is equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchRecord {
    /// [`VERSION`].
    pub version: u32,
    /// Whose.
    pub owner: OwnerId,
    /// Which record.
    pub record: RecordId,
    /// Which of its due works.
    pub due_seq: u64,
    /// Where it waits.
    pub link: Link,
}

/// A presigned link. Opens a record for a few minutes, so it has no readable `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(String);

impl Link {
    /// Takes a link as it came; whether it may be followed is decided when it is.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// Whether it was taken out of its message before that was kept as a dead letter.
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

/// Why a message body is not one of ours. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or JSON that names no version.
    #[error("the message body is not one of ours")]
    Malformed,
    /// Of a version we do not read.
    #[error("the message is of version {0}, which this function does not read")]
    Version(u32),
    /// Of a version we read, but another kind of message, or one in which something is missing or unreadable.
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
/// When it is not JSON of this kind, or of another version.
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
    fn the_wire_form_is_stable() {
        let run = format!(r#"{{"version":1,"owner":"{OWNER}","run":"{ID}","dueSeq":3}}"#);
        let advance: Advance = parse(&run).unwrap();
        assert_eq!(advance.subject, Subject::Run(RunId::parse(ID).unwrap()));
        assert_eq!(serde_json::to_string(&advance).unwrap(), run);
    }

    #[test]
    fn refuses_other_versions_and_kinds() {
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
