//! The entry stored under a key, and the decision about a request under that key. The module reads no clock: the time
//! is an argument.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::key::Fingerprint;
use crate::domain::Time;

/// The entry stored under one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Identifies the write that stored this entry.
    pub stamp: Stamp,
    /// The request that the key belongs to.
    pub fingerprint: Fingerprint,
    /// The id of the thing that the request makes. It is minted at the key's first use, and every takeover keeps it.
    pub thing: Uuid,
    /// The request's progress.
    pub state: State,
    /// When the key expires. From then on the entry counts as absent, even if the storage deletes it later.
    pub expires_at: Time,
}

/// The progress of the request under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum State {
    /// A request is at work, or its process died. After the lease expires, another request takes over.
    Leased {
        /// When the lease expires.
        until: Time,
    },
    /// The request has its reply.
    Replied {
        /// The reply.
        reply: StoredReply,
        /// Until when the reply is useful: a link in it may expire before the key does.
        until: Time,
    },
}

/// A reply as it was sent. It may hold links, so `Debug` shows only the status.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReply {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of the headers.
    pub headers: Vec<(String, String)>,
    /// The body's text.
    pub body: String,
}

impl fmt::Debug for StoredReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[reply {}]", self.status)
    }
}

/// Identifies one write of an entry. Every write has a new stamp, and replaces only the entry whose stamp it read. A
/// holder whose lease was taken over, or whose key has expired, therefore cannot overwrite a later entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(String);

impl Stamp {
    /// The stamp of the lease that an attempt takes.
    pub(super) fn lease(attempt: Uuid) -> Self {
        Self(format!("{}.lease", attempt.simple()))
    }

    /// The stamp of the write that ends an attempt.
    pub(super) fn end(attempt: Uuid) -> Self {
        Self(format!("{}.end", attempt.simple()))
    }

    /// The text, for a condition.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The decision about a request under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'e> {
    /// The key is new or has expired. The request does the work, and makes the thing under a new id.
    Work,
    /// The lease has expired. The request does the work, but first looks for a thing with this id.
    TakeOver {
        /// The id minted when the key was first used.
        thing: Uuid,
    },
    /// The request gets this reply.
    Replay(&'e StoredReply),
    /// The key belongs to another request.
    Reused,
    /// Another request is at work.
    InFlight {
        /// When its lease expires.
        until: Time,
    },
    /// The stored reply is no longer useful. The work is not silently repeated, so the caller needs a new key.
    Spent,
}

/// Decides what a request with this fingerprint may do under a key.
#[must_use]
pub fn decide<'e>(stored: Option<&'e Entry>, fingerprint: &Fingerprint, now: Time) -> Decision<'e> {
    let Some(entry) = stored.filter(|entry| now < entry.expires_at) else {
        return Decision::Work;
    };
    if entry.fingerprint != *fingerprint {
        return Decision::Reused;
    }
    match &entry.state {
        State::Leased { until } if now < *until => Decision::InFlight { until: *until },
        State::Leased { .. } => Decision::TakeOver { thing: entry.thing },
        State::Replied { reply, until } if now < *until => Decision::Replay(reply),
        State::Replied { .. } => Decision::Spent,
    }
}
