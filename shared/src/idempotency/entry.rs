//! What is kept under a key, and what a request under that key may do. Pure: time comes in as an argument.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::key::Fingerprint;
use crate::domain::Time;

/// What is kept under one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Which write this is.
    pub stamp: Stamp,
    /// The request the key belongs to.
    pub fingerprint: Fingerprint,
    /// The id of the thing to be made, minted when the key was first used, and handed on by every takeover.
    pub thing: Uuid,
    /// How far the request has come.
    pub state: State,
    /// When the key is forgotten. Deletion may come late: from then on the entry reads as none.
    pub expires_at: Time,
}

/// How far the request under a key has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum State {
    /// Somebody is at work, or was, and has until then to say what came of it.
    Leased {
        /// The end of the lease.
        until: Time,
    },
    /// It is done.
    Replied {
        /// What was answered.
        reply: Reply,
        /// Until when that answer is of use: what it holds may open something for a while only.
        until: Time,
    },
}

/// An answer, as it went out. It may hold links: no readable `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of the headers.
    pub headers: Vec<(String, String)>,
    /// The body's text.
    pub body: String,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[reply {}]", self.status)
    }
}

/// Names one write of an entry. Every write has another one, and replaces exactly the one it read: neither a holder
/// whose lease was taken over, nor one that sleeps through the whole life of the key, can write over what came after
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(String);

impl Stamp {
    /// Of the lease that an attempt takes.
    pub(super) fn lease(attempt: Uuid) -> Self {
        Self(format!("{}.lease", attempt.simple()))
    }

    /// Of what an attempt leaves behind.
    pub(super) fn end(attempt: Uuid) -> Self {
        Self(format!("{}.end", attempt.simple()))
    }

    /// The text, for a condition.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request under a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'e> {
    /// The key is new, or was forgotten: work, and make what is made under a new id.
    Work,
    /// A lease has run out: work, and look first whether the thing of this id is there.
    TakeOver {
        /// The id minted when the key was first used.
        thing: Uuid,
    },
    /// Answer with this.
    Replay(&'e Reply),
    /// The key belongs to another request.
    Reused,
    /// Somebody is at work.
    InFlight {
        /// Until when at the latest.
        until: Time,
    },
    /// The answer is of no use any more, and the request is not repeated in secret: it takes a new key.
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
