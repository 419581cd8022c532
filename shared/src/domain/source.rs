//! The three kinds of source that a network query asks, and the status of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Time;

/// A kind of source, in Metriport's words (docs.metriport.com, page `network/start-network-query`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Health information exchanges.
    Hie,
    /// Pharmacies.
    Pharmacy,
    /// Laboratories.
    Lab,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Hie, Self::Pharmacy, Self::Lab];

    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hie => "hie",
            Self::Pharmacy => "pharmacy",
            Self::Lab => "lab",
        }
    }

    /// Reads the word used on the wire, if it is known. Some samples have `laboratory` for `lab`.
    #[must_use]
    pub fn from_wire(word: &str) -> Option<Self> {
        match word {
            "hie" => Some(Self::Hie),
            "pharmacy" => Some(Self::Pharmacy),
            "lab" | "laboratory" => Some(Self::Lab),
            _ => None,
        }
    }
}

/// The status of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceStatus {
    /// Requested; the query has not started.
    Pending,
    /// Started at Metriport.
    Processing,
    /// The source answered.
    Completed,
    /// The source ended without an answer. Metriport may retry it.
    Failed,
    /// The source did not report before the deadline. A later report still replaces this status.
    Expired,
}

impl SourceStatus {
    /// Whether the source has ended.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired)
    }

    /// Whether `self` may become `next`, so that a status never regresses. A report replaces an expiry by the clock. An
    /// answer replaces a failure, because Metriport may retry a failed source (docs.metriport.com, page
    /// `network/get-network-query`).
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Pending, Self::Processing | Self::Completed | Self::Failed | Self::Expired)
            | (Self::Processing, Self::Completed | Self::Failed | Self::Expired)
            | (Self::Expired, Self::Completed | Self::Failed)
            | (Self::Failed, Self::Completed) => true,
            (Self::Pending | Self::Processing | Self::Completed | Self::Failed | Self::Expired, _) => false,
        }
    }
}

/// One source of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceProgress {
    /// The status.
    pub status: SourceStatus,
    /// When the source ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Time>,
    /// The HTTP status that Metriport reported for a source that it could not start: 400 (not enabled) or 429 (the
    /// source's rate limit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
}

/// The requested sources of a pull; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sources(BTreeMap<SourceKind, SourceProgress>);

impl Sources {
    /// Sources for a new pull. `None` for an empty list, because Metriport refuses a query without a source.
    #[must_use]
    pub fn pending(kinds: impl IntoIterator<Item = SourceKind>) -> Option<Self> {
        let pending = SourceProgress {
            status: SourceStatus::Pending,
            settled_at: None,
            http_status: None,
        };
        let map: BTreeMap<_, _> = kinds.into_iter().map(|kind| (kind, pending.clone())).collect();
        (!map.is_empty()).then_some(Self(map))
    }

    /// The requested kinds, in order.
    pub fn kinds(&self) -> impl Iterator<Item = SourceKind> + '_ {
        self.0.keys().copied()
    }

    /// The sources in order.
    pub fn iter(&self) -> impl Iterator<Item = (SourceKind, &SourceProgress)> {
        self.0.iter().map(|(kind, source)| (*kind, source))
    }

    /// The status of one kind, if it was requested.
    #[must_use]
    pub fn status(&self, kind: SourceKind) -> Option<SourceStatus> {
        self.0.get(&kind).map(|source| source.status)
    }

    /// Moves a source forward. Returns `false` if `next` would regress the source, or if the source was not requested.
    pub fn advance(&mut self, kind: SourceKind, next: SourceStatus, at: Time, http_status: Option<u16>) -> bool {
        let Some(source) = self.0.get_mut(&kind).filter(|source| source.status.may_become(next)) else {
            return false;
        };
        source.status = next;
        source.settled_at = next.is_settled().then_some(at);
        source.http_status = http_status;
        true
    }

    /// Whether every source has ended.
    #[must_use]
    pub fn all_settled(&self) -> bool {
        self.0.values().all(|source| source.status.is_settled())
    }

    /// Whether a source has failed after it started. Metriport may retry such a source.
    #[must_use]
    pub fn any_may_be_retried(&self) -> bool {
        let may_be = |source: &SourceProgress| source.status == SourceStatus::Failed && source.http_status.is_none();
        self.0.values().any(may_be)
    }

    /// How many sources have this status.
    #[must_use]
    pub fn count(&self, status: SourceStatus) -> usize {
        self.0.values().filter(|source| source.status == status).count()
    }

    /// How many sources were requested.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Always `false`: a pull has sources.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
