//! A pull as the app saw it.

use sandbox_metriport::Persona;
use serde_json::Value;

use super::values::Planted;

/// One pull from its first request to its end. The times are real, in milliseconds since the epoch.
pub(super) struct Pull {
    pub(super) subject: String,
    pub(super) persona: Persona,
    /// Whether it is the person's first pull, or the first one after an erasure, which includes the proofing.
    pub(super) first: bool,
    pub(super) begun_ms: i64,
    pub(super) ended_ms: i64,
    /// When a withdrawal of consent, or the request for an erasure, was answered during this pull.
    pub(super) withdrawn_ms: Option<i64>,
    /// The erasure that was requested during this pull.
    pub(super) erased: Option<Erased>,
    /// Whether the person's records were quarantined before.
    pub(super) reported: bool,
    pub(super) ending: Ending,
}

impl Pull {
    /// The id of the pull, if the pull was accepted and ended.
    pub(super) fn id(&self) -> Option<&str> {
        match &self.ending {
            Ending::Ended(ended) => Some(&ended.id),
            Ending::Refused(_) | Ending::Unverified | Ending::Hung(_) => None,
        }
    }
}

/// An erasure as the app saw it.
pub(super) struct Erased {
    /// The receipt id.
    pub(super) receipt: String,
    /// The values that no store may hold afterwards.
    pub(super) values: Planted,
}

/// The ending of a pull, as the app saw it.
pub(super) enum Ending {
    /// The pull was accepted and ended.
    Ended(Box<Ended>),
    /// The API refused with this code, and the app has no next action.
    Refused(String),
    /// The identity did not become verified.
    Unverified,
    /// This step did not end within the bound.
    Hung(&'static str),
}

/// A pull that ended.
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) reason: String,
    /// The state of its record; empty without a record.
    pub(super) record: String,
    /// Whether the downloaded bytes are those that the record promises; `true` without a link.
    pub(super) intact: bool,
    /// When the app asked for its last link.
    pub(super) linked_ms: Option<i64>,
    /// Whether the record was shown although the person had reported it.
    pub(super) shown_after_report: bool,
    /// When the pull ended, by the function's clock.
    pub(super) completed_ms: Option<i64>,
    pub(super) timeline: Vec<Value>,
}
