//! What a webhook says, as it travels through the queue: ids and states, and the link of a consolidated record.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::identity::Verification;
use crate::domain::record::Delivered;
use crate::domain::run::Outcome;
use crate::domain::{MessageId, PatientId, RecordId, RunId, SourceKind, Time, UpstreamRequestId};
use crate::message::Link;

/// Kinds of webhooks, as a closed list: a type is upstream's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Metriport asks whether we are there.
    Ping,
    /// A source of a network query ended.
    Source,
    /// A consolidated query ended.
    Consolidated,
    /// A person was proofed.
    Identity,
    /// One of these, or of no type at all, that could not be read.
    Unreadable,
    /// One we do not act on.
    Other,
}

impl EventKind {
    /// Its code.
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

    /// What `meta.type` promises (docs.metriport.com, pages `handling-data/webhooks-with-nq` and
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

/// Stands for the type of an event that has none.
pub(crate) const UNTYPED: &str = "unreadable";

/// A verified webhook, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Metriport asks whether we are there; the text is to be sent back.
    Ping(String),
    /// Something happened.
    Event(Box<WebhookEvent>),
}

/// Something that happened upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEvent {
    /// [`crate::message::VERSION`].
    pub version: u32,
    /// `meta.messageId`; the digest where there is none.
    pub message: MessageId,
    /// SHA-256 of what the body says, without our metadata: the same on a replay. Of a body that is no JSON, of its
    /// bytes.
    pub digest: String,
    /// `meta.type`, cut to a length.
    pub event_type: String,
    /// `meta.requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<UpstreamRequestId>,
    /// `meta.when`: when it was first sent. Replays keep it, so no age is too old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Time>,
    /// When it came to us.
    pub received_at: Time,
    /// What of our own metadata came back.
    #[serde(default)]
    pub marks: Marks,
    /// What it says.
    pub event: Event,
}

impl WebhookEvent {
    /// Its kind. What promises to be of one that we act on, and says nothing, is unreadable.
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

    /// How long it was on its way; nothing if it names no time, or a time to come. Only of what carries our own
    /// metadata: a replay comes without it and with its old time, which says when it failed and not how long it took.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let when = self.when.filter(|when| *when <= self.received_at);
        when.filter(|_| self.marks != Marks::default())
            .map(|when| when.until(self.received_at))
    }
}

/// Our own metadata, echoed. Missing on replays.
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

/// What an event says.
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
        status: Outcome,
    },
    /// A consolidated query ended.
    Consolidated {
        /// What it delivers.
        delivery: Delivery,
    },
    /// A person was proofed.
    Identity {
        /// Which identity, and what it belongs to.
        verification: Verification,
    },
    /// A person was proofed, and the event does not say plainly who: no id can be read, or it names neither the session
    /// nor our mark. The body goes along and is read again when it is acted on. What cannot be bound to anybody is
    /// given up and kept as a dead letter, where it raises an alarm and waits for a reader that is mended.
    #[serde(alias = "identityUnreadable")]
    IdentityUnclear {
        /// The body as it was signed, as far as it is text and fits.
        body: KeptBody,
    },
    /// Something we do not act on, or could not read. Only the envelope is kept.
    #[serde(alias = "firstData")]
    Other,
}

/// A body to be read again. It may say anything about a person, so it has no readable `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptBody(pub String);

impl KeptBody {
    /// The first `chars` characters of it.
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

/// What a consolidated query delivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The patient it names.
    pub patient: PatientId,
    /// Whether it succeeded.
    pub status: Outcome,
    /// The filters it was made with.
    pub filters: BTreeMap<String, String>,
    /// The patient its document is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PatientId>,
    /// Where the record waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Whether it says that there is no data. Without a link and without saying so, it is not understood.
    #[serde(default)]
    pub empty: bool,
}

impl Delivery {
    /// What is compared with what was asked.
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
