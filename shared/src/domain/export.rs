//! The export of everything that is stored about a person: parts of NDJSON, which a job writes into the bucket one
//! after the other.
//!
//! | content | lines |
//! |---|---|
//! | `states` | each stored state ([`StoredState::line`]); a record's line has the path of its own link |
//! | `access-log` | pages of the access log with proofs ([`super::log::export::ExportPage`]) |
//!
//! The job's item names the parts that are stored, and where the next one begins. A worker that dies thus loses at most
//! the part that it was writing. A part is stored under the hash of its content, so that two workers cannot overwrite
//! each other's part with another content. A day after the request, the parts and the item are deleted.

mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use state::{StoredState, WITHHELD};

use super::log::export::ExportPosition;
use super::{ExportId, Time, Timing};

/// Maximum number of a person's exports at a time. Each lives for a day.
const EXPORTS_MAX: usize = 3;

/// The content of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartContent {
    /// Stored states.
    States,
    /// Pages of the access log.
    AccessLog,
}

impl PartContent {
    /// The code, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::States => "states",
            Self::AccessLog => "access-log",
        }
    }
}

/// The place at which a part begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PartStart {
    /// After the state with this sort key; at the first state if there is none.
    States(Option<String>),
    /// At this position of the access log; at its beginning if there is none.
    AccessLog(Option<ExportPosition>),
}

impl PartStart {
    /// The content of the part.
    #[must_use]
    pub const fn content(&self) -> PartContent {
        match self {
            Self::States(_) => PartContent::States,
            Self::AccessLog(_) => PartContent::AccessLog,
        }
    }
}

/// A stored part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportPart {
    /// Its content.
    pub content: PartContent,
    /// Number of lines.
    pub lines: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, lowercase hex. The object's key ends with it.
    pub sha256: String,
}

impl ExportPart {
    /// The name under which a browser saves the part. `index` counts the parts of the export from 0.
    #[must_use]
    pub fn file_name(&self, index: usize) -> String {
        format!("{:04}-{}.ndjson", index + 1, self.content.as_str())
    }
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// When the person asked.
    pub requested_at: Time,
    /// When it is deleted. From then on, it is not shown.
    pub expires_at: Time,
    /// The start of the next part; `None` once every part is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<PartStart>,
    /// The stored parts, in order.
    pub parts: Vec<ExportPart>,
    /// When the last part was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// When the job must go on: the end of a worker's lease, or the time of deletion.
    pub due_at: Time,
    /// Counts every write.
    pub version: u64,
}

/// The answer to a request for an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportRequest {
    /// This export is new.
    New(Export),
    /// This export, which is unfinished or was made by the same request, answers the request.
    Present(Export),
    /// The person has as many exports as allowed. The first one expires after this time.
    TooMany(Duration),
}

/// The next step of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportStep {
    /// Write the part that begins here, then [`Export::with_part`].
    Write(PartStart),
    /// Delete the parts, then the item.
    Delete,
    /// Every part is stored, and the export has not expired.
    Nothing,
}

impl Export {
    /// Answers the request with this id for an export, when the person has these.
    #[must_use]
    pub fn request(id: ExportId, present: &[Self], now: Time, timing: Timing) -> ExportRequest {
        let alive = || present.iter().filter(|export| !export.has_expired(now));
        if let Some(same) = alive().find(|export| export.id == id || export.completed_at.is_none()) {
            return ExportRequest::Present(same.clone());
        }
        match alive().map(|export| export.expires_at).min() {
            Some(first) if alive().count() >= EXPORTS_MAX => ExportRequest::TooMany(now.until(first)),
            _ => ExportRequest::New(Self {
                id,
                requested_at: now,
                expires_at: now.plus(timing.export_life()),
                next: Some(PartStart::States(None)),
                parts: Vec::new(),
                completed_at: None,
                due_at: now.plus(timing.export_lease()),
                version: 1,
            }),
        }
    }

    /// Whether the export is no longer shown.
    #[must_use]
    pub fn has_expired(&self, now: Time) -> bool {
        self.expires_at <= now
    }

    /// The next step.
    #[must_use]
    pub fn step(&self, now: Time) -> ExportStep {
        match &self.next {
            _ if self.has_expired(now) => ExportStep::Delete,
            Some(start) => ExportStep::Write(start.clone()),
            None => ExportStep::Nothing,
        }
    }

    /// The export with another part, and with the start of the part after it.
    #[must_use]
    pub fn with_part(&self, part: ExportPart, next: Option<PartStart>, now: Time, timing: Timing) -> Self {
        let mut changed = self.clone();
        changed.due_at = match next {
            Some(_) => self.expires_at.min(now.plus(timing.export_lease())),
            None => self.expires_at,
        };
        changed.completed_at = next.is_none().then_some(now);
        changed.next = next;
        changed.parts.push(part);
        changed.version += 1;
        changed
    }
}
