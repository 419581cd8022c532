//! The content of a webhook, as it is queued: ids and states, and the link of a consolidated record.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::identity::Verification;
use crate::domain::pull::SourceOutcome;
use crate::domain::record::Delivered;
use crate::domain::{MessageId, PatientId, PullId, RecordId, SourceKind, Time, UpstreamRequestId};
use crate::message::Link;

/// Kinds of webhooks, as a closed list; Metriport's own types may be any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Metriport checks whether we answer.
    Ping,
    /// A source of a network query ended.
    Source,
    /// A consolidated query ended.
    Consolidated,
    /// A person was proofed.
    Identity,
    /// A webhook of a kind above, or without a type, that cannot be read.
    Unreadable,
    /// A webhook that we do not act on.
    Other,
}

impl EventKind {
    /// The code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Source => "source",
            Self::Consolidated => "consolidated",
            Self::Identity => "identity",
            Self::Unreadable => "unreadable",
            Self::Other => "other",
        }
    }

    /// The kind that `meta.type` names (docs.metriport.com, pages `handling-data/webhooks-with-nq` and
    /// `getting-started/webhooks`).
    pub(crate) fn of_type(event_type: &str) -> Self {
        match event_type {
            "ping" => Self::Ping,
            "network-query.hie" | "network-query.pharmacy" | "network-query.lab" => Self::Source,
            "medical.consolidated-data" => Self::Consolidated,
            IDENTITY_EVENT => Self::Identity,
            UNTYPED => Self::Unreadable,
            _ => Self::Other,
        }
    }
}

/// The type of the event that a person was proofed.
pub(crate) const IDENTITY_EVENT: &str = "ias.identity.verified";

/// The type that a webhook without `meta.type` gets.
pub(crate) const UNTYPED: &str = "unreadable";

/// The content of a verified webhook.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Metriport checks whether we answer. The reply repeats the text.
    Ping(String),
    /// An event at Metriport.
    Event(Box<WebhookEvent>),
}

/// An event at Metriport.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEvent {
    /// [`crate::message::VERSION`].
    pub version: u32,
    /// `meta.messageId`, or the digest if it is missing.
    pub message: MessageId,
    /// SHA-256 of the content without our metadata, so that a replay has the same digest. For a body that is not JSON,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// `meta.type`, shortened.
    pub event_type: String,
    /// `meta.requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<UpstreamRequestId>,
    /// `meta.when`: when Metriport first sent the webhook. Replays keep this time, so no webhook is refused for its
    /// age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Time>,
    /// When we received the webhook.
    pub received_at: Time,
    /// Our own metadata, as far as the webhook echoes it.
    #[serde(default)]
    pub marks: Marks,
    /// The event's content.
    pub event: Event,
}

impl WebhookEvent {
    /// The kind. An event of a kind that we act on is unreadable if its content could not be read.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match &self.event {
            Event::Source { .. } => EventKind::Source,
            Event::Consolidated { .. } => EventKind::Consolidated,
            Event::Identity { .. } => EventKind::Identity,
            Event::IdentityUnclear { body } if body.verification().is_some() => EventKind::Identity,
            Event::IdentityUnclear { .. } => EventKind::Unreadable,
            Event::Other => match EventKind::of_type(&self.event_type) {
                EventKind::Other => EventKind::Other,
                _ => EventKind::Unreadable,
            },
        }
    }

    /// How long the event was on its way; `None` if it names no time or a future time. An event without our metadata
    /// has no age either: it may be a replay, whose time is that of the failed delivery.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let when = self.when.filter(|when| *when <= self.received_at);
        when.filter(|_| self.marks != Marks::default())
            .map(|when| when.until(self.received_at))
    }
}

/// Our own metadata, as a webhook echoes it. Replays lack it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marks {
    /// The pull that made the query.
    #[serde(rename = "run", default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullId>,
    /// The record that the consolidated query is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
    /// The mark of the identity session that the event confirms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// The content of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A source of a network query ended.
    Source {
        /// The patient.
        patient: PatientId,
        /// Which source.
        source: SourceKind,
        /// How it ended.
        status: SourceOutcome,
    },
    /// A consolidated query ended.
    Consolidated {
        /// The delivery.
        delivery: ConsolidatedDelivery,
    },
    /// A person was proofed.
    Identity {
        /// The proofed identity, with its sessions, patient and mark.
        verification: Verification,
    },
    /// A person was proofed, but the event is unclear: its ids are missing or ambiguous, or it names neither the
    /// session nor our mark. `webhook-process` reads the queued body again. If it cannot bind the event to a person,
    /// the event becomes a dead letter. The dead letter raises an alarm and waits for a later version that can read it.
    #[serde(alias = "identityUnreadable")]
    IdentityUnclear {
        /// The signed body as text, cut if it does not fit into a message.
        body: UnclearBody,
    },
    /// An event that we do not act on or could not read. Only its envelope is kept.
    #[serde(alias = "firstData")]
    Other,
}

/// A body that is read again later. `Debug` does not show it, because it may hold anything about a person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnclearBody(pub String);

impl UnclearBody {
    /// The first `chars` characters.
    #[must_use]
    pub fn cut(self, chars: usize) -> Self {
        Self(self.0.chars().take(chars).collect())
    }
}

impl fmt::Debug for UnclearBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[kept body]")
    }
}

/// The result of a consolidated query, as its webhook delivers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsolidatedDelivery {
    /// The patient that the webhook names.
    pub patient: PatientId,
    /// Whether the query succeeded.
    pub status: SourceOutcome,
    /// The filters of the query.
    pub filters: BTreeMap<String, String>,
    /// The patient that the document is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PatientId>,
    /// The link to the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Whether the webhook states that no data exists. A completed delivery with neither a link nor this statement is
    /// unreadable.
    #[serde(default)]
    pub empty: bool,
}

impl ConsolidatedDelivery {
    /// The values to compare with our request.
    #[must_use]
    pub fn claims(&self, request: Option<&UpstreamRequestId>) -> Delivered {
        Delivered {
            request: request.cloned(),
            patient: self.patient.clone(),
            subject: self.subject.clone(),
            filters: self.filters.clone(),
            has_link: self.link.is_some(),
        }
    }
}
