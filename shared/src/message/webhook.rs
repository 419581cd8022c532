//! The content of a webhook in the queue: ids and states, and the link of a consolidated record.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::identity::Verification;
use crate::domain::record::Delivered;
use crate::domain::run::SourceOutcome;
use crate::domain::{MessageId, PatientId, RecordId, RunId, SourceKind, Time, UpstreamRequestId};
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
    /// A webhook of one of these kinds, or without a type, that could not be read.
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

/// Stands for a missing type.
pub(crate) const UNTYPED: &str = "unreadable";

/// A verified webhook, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Metriport checks whether we answer; the text is sent back.
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
    /// SHA-256 of the content without our metadata, the same on a replay. For a body that is not JSON, SHA-256 of its
    /// bytes.
    pub digest: String,
    /// `meta.type`, shortened.
    pub event_type: String,
    /// `meta.requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<UpstreamRequestId>,
    /// `meta.when`: when it was first sent. Replays keep this time, so no webhook is refused for its age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Time>,
    /// When we received it.
    pub received_at: Time,
    /// Our own metadata, as far as it is echoed.
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

    /// How long the event was on its way; `None` if it names no time or a future time. A replay, which is recognised by
    /// its missing metadata, has no age, because its time is that of the failed delivery.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let when = self.when.filter(|when| *when <= self.received_at);
        when.filter(|_| self.marks != Marks::default())
            .map(|when| when.until(self.received_at))
    }
}

/// Our own metadata, echoed; replays lack it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marks {
    /// The run whose query it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The record whose consolidated query it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
    /// The mark of the identity session it confirms.
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
        /// The proofed identity, and what it belongs to.
        verification: Verification,
    },
    /// A person was proofed, but the event is unclear: no id can be read, or it names neither the session nor our mark.
    /// The body is queued and read again when the event is processed. If it cannot be bound to a person, it becomes a
    /// dead letter. This raises an alarm and waits for a later version that can read it.
    #[serde(alias = "identityUnreadable")]
    IdentityUnclear {
        /// The signed body, as far as it is text and fits.
        body: KeptBody,
    },
    /// An event that we do not act on or could not read. Only its envelope is kept.
    #[serde(alias = "firstData")]
    Other,
}

/// A body to be read again. Its `Debug` is not readable, since it may say anything about a person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptBody(pub String);

impl KeptBody {
    /// The first `chars` characters.
    #[must_use]
    pub fn cut(self, chars: usize) -> Self {
        Self(self.0.chars().take(chars).collect())
    }
}

impl fmt::Debug for KeptBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[kept body]")
    }
}

/// The delivery of a consolidated query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsolidatedDelivery {
    /// The patient it names.
    pub patient: PatientId,
    /// Whether it succeeded.
    pub status: SourceOutcome,
    /// The filters it was made with.
    pub filters: BTreeMap<String, String>,
    /// The patient its document is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PatientId>,
    /// The link to the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Whether it states that no data exists. A delivery with neither a link nor this statement is not understood.
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
