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
//! each other's part with different content. After a day, the export is no longer shown. Then its parts and its item
//! are deleted.

mod state;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use state::{StoredState, WITHHELD};

use super::log::export::ExportPosition;
use super::{ExportId, Time, Timing};

/// Maximum number of a person's exports at a time.
pub const EXPORTS_MAX: u8 = 3;

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

/// The number at which a part begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PartStart {
    /// After the item with this sort key; `None` is the beginning.
    States(Option<String>),
    /// At this position of the access log; `None` is the beginning.
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
    /// Its number among the person's exports, from 1 to [`EXPORTS_MAX`].
    pub number: u8,
    /// When the person asked.
    pub requested_at: Time,
    /// When it is no longer shown.
    pub expires_at: Time,
    /// The start of the next part; `None` once every part is stored, and after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<PartStart>,
    /// The stored parts, in order.
    pub parts: Vec<ExportPart>,
    /// When the last part was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// How many workers have claimed it.
    #[serde(default)]
    pub claims: u32,
    /// When the job must go on: the end of a worker's lease, or the time of deletion.
    pub due_at: Time,
    /// Counts every write.
    pub version: u64,
}

/// The state of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportStatus {
    /// Parts are being written.
    Processing,
    /// Every part is stored.
    Available,
    /// A stored item could not be read, so the export was given up.
    Failed,
}

/// The answer to a request for an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportAnswer {
    /// This export is new.
    New(Export),
    /// This export answers the request, too.
    Present(Export),
}

/// The next step of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportStep {
    /// Write the part that begins here, then [`Export::with_part`].
    Write(PartStart),
    /// Delete the parts, then the item.
    Delete,
    /// Every part is stored, or none is to be written any more.
    Nothing,
}

impl Export {
    /// Answers a request with this id, when these exports are stored. The export with this id or an unfinished one
    /// answers it, unless it has expired. If no number is free, the newest one answers.
    #[must_use]
    pub fn answer(id: ExportId, present: &[Self], now: Time, timing: Timing) -> ExportAnswer {
        let same = |export: &&Self| export.id == id || export.status() == ExportStatus::Processing;
        let shown = || present.iter().filter(|export| !export.has_expired(now));
        if let Some(same) = shown().find(same) {
            return ExportAnswer::Present(same.clone());
        }
        let is_free = |number: &u8| present.iter().all(|export| export.number != *number);
        match (
            (1..=EXPORTS_MAX).find(is_free),
            present.iter().max_by_key(|export| export.requested_at),
        ) {
            (None, Some(newest)) => ExportAnswer::Present(newest.clone()),
            (number, _) => ExportAnswer::New(Self {
                id,
                number: number.unwrap_or(1),
                requested_at: now,
                expires_at: now.plus(timing.export_life()),
                next: Some(PartStart::States(None)),
                parts: Vec::new(),
                completed_at: None,
                claims: 0,
                due_at: now,
                version: 1,
            }),
        }
    }

    /// The state.
    #[must_use]
    pub const fn status(&self) -> ExportStatus {
        match (&self.next, self.completed_at) {
            (Some(_), _) => ExportStatus::Processing,
            (None, Some(_)) => ExportStatus::Available,
            (None, None) => ExportStatus::Failed,
        }
    }

    /// Whether the export is no longer shown.
    #[must_use]
    pub fn has_expired(&self, now: Time) -> bool {
        self.expires_at <= now
    }

    /// The export that a worker has claimed. `None` if it is not due: another worker is at work, or it waits for its
    /// deletion.
    #[must_use]
    pub fn claim(&self, now: Time, timing: Timing) -> Option<Self> {
        (self.due_at <= now).then(|| Self {
            claims: self.claims + 1,
            ..self.with_due(now.plus(timing.export_lease()))
        })
    }

    /// Whether a worker may still store a part. The only worker of a complete export has ended. Also true after a
    /// failure, whose time is not stored.
    #[must_use]
    pub fn may_arrive(&self, now: Time, timing: Timing) -> bool {
        self.completed_at
            .is_none_or(|at| self.claims > 1 && now < at.plus(timing.transfer()))
    }

    /// The next step of a claimed export. No part begins after the export has expired, and every worker has ended
    /// before the parts are deleted.
    #[must_use]
    pub fn step(&self, now: Time, timing: Timing) -> ExportStep {
        match &self.next {
            _ if self.delete_at(timing) <= now => ExportStep::Delete,
            Some(start) if !self.has_expired(now) => ExportStep::Write(start.clone()),
            _ => ExportStep::Nothing,
        }
    }

    fn delete_at(&self, timing: Timing) -> Time {
        self.expires_at.plus(timing.transfer())
    }

    /// The export after a part was written, with the start of the next one. An empty part is not stored.
    #[must_use]
    pub fn with_part(&self, part: Option<ExportPart>, next: Option<PartStart>, now: Time, timing: Timing) -> Self {
        let mut changed = self.with_due(match next {
            Some(_) => now.plus(timing.export_lease()),
            None => self.delete_at(timing),
        });
        changed.completed_at = next.is_none().then_some(now);
        changed.next = next;
        changed.parts.extend(part);
        changed
    }

    /// The export that is given up.
    #[must_use]
    pub fn fail(&self, timing: Timing) -> Self {
        Self {
            next: None,
            ..self.with_due(self.delete_at(timing))
        }
    }

    /// The export that waits for its deletion.
    #[must_use]
    pub fn await_deletion(&self, timing: Timing) -> Self {
        self.with_due(self.delete_at(timing))
    }

    fn with_due(&self, due_at: Time) -> Self {
        Self {
            due_at,
            version: self.version + 1,
            ..self.clone()
        }
    }
}
