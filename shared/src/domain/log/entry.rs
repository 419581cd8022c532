//! One entry of the access log, and its text.

use serde::{Deserialize, Serialize};

use super::tree::hash_leaf;
use super::{Access, LogHash};
use crate::domain::time::iso;
use crate::domain::{ClientHash, OperatorArn, PullId, RecordId, Time};

/// The purpose of use of every access.
const PURPOSE: &str = "ias";

/// The initiator of an access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The person, through an app.
    Person {
        /// The app; `None` if the token does not name one.
        client: Option<ClientHash>,
    },
    /// A function on its own, for work that the person began.
    Function,
    /// An operator, by the command `ias`.
    Operator {
        /// The operator's identity in AWS.
        arn: OperatorArn,
    },
}

/// One entry. It holds codes and our own ids, but no demographics, no ids of Metriport and nothing of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The time of the access.
    pub at: Time,
    /// Its kind.
    pub what: Access,
    /// Its initiator.
    pub actor: Actor,
    /// The function or command that did it.
    pub via: String,
    /// The pull concerned.
    pub run: Option<PullId>,
    /// The record concerned.
    pub record: Option<RecordId>,
    /// The second factor of a challenge, a code.
    pub method: Option<String>,
    /// The outcome, a code.
    pub result: Option<String>,
}

/// The text is not an entry that this version knows. The error holds no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an entry of the access log")]
pub struct LogEntryError;

/// The members of an entry's text, in their order.
#[derive(Serialize, Deserialize)]
struct EntryJson {
    v: u32,
    #[serde(with = "iso")]
    at: Time,
    what: Access,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientHash>,
    via: String,
    purpose: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<PullId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
}

impl LogEntry {
    /// The entry as compact JSON. This text is stored and hashed, and never made again, so that later versions of this
    /// code cannot invalidate a proof.
    #[must_use]
    pub fn text(&self) -> String {
        let (by, client) = match &self.actor {
            Actor::Person { client } => ("person", client.clone()),
            Actor::Function => ("function", None),
            Actor::Operator { arn } => (arn.as_str(), None),
        };
        let json = EntryJson {
            v: 1,
            at: self.at,
            what: self.what,
            by: by.to_owned(),
            client,
            via: self.via.clone(),
            purpose: PURPOSE.to_owned(),
            run: self.run,
            record: self.record,
            method: self.method.clone(),
            result: self.result.clone(),
        };
        serde_json::to_string(&json).unwrap_or_default()
    }

    /// Reads the text of an entry.
    ///
    /// # Errors
    /// Fails if the text is not an entry of version 1.
    pub fn parse(text: &str) -> Result<Self, LogEntryError> {
        let json: EntryJson = serde_json::from_str(text).map_err(|_repeats_the_text| LogEntryError)?;
        let actor = match json.by.as_str() {
            "person" => Actor::Person { client: json.client },
            "function" => Actor::Function,
            arn => Actor::Operator {
                arn: OperatorArn::parse(arn).map_err(|_not_an_arn| LogEntryError)?,
            },
        };
        let is_known = json.v == 1 && json.purpose == PURPOSE;
        is_known.then_some(()).ok_or(LogEntryError)?;
        Ok(Self {
            at: json.at,
            what: json.what,
            actor,
            via: json.via,
            run: json.run,
            record: json.record,
            method: json.method,
            result: json.result,
        })
    }

    /// The position of the entry among the person's entries: time, kind, and the id of the record or pull.
    #[must_use]
    pub fn sort_key(&self) -> String {
        let id = self.record.map(|record| record.to_string());
        let id = id.or_else(|| self.run.map(|run| run.to_string()));
        let id = id.map(|id| format!("#{id}")).unwrap_or_default();
        format!("{}#{}{id}", self.at, self.what.as_str())
    }
}

/// The hash of an entry's text, which is a leaf of the person's day.
#[must_use]
pub fn leaf(text: &str) -> LogHash {
    hash_leaf(&[b"ias-entry-v1\n", text.as_bytes()])
}

#[cfg(test)]
mod tests;
