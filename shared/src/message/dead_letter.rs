//! A dead letter is a message that its consumer gave up, or that SQS moved after its last receive. It lies in the
//! dead-letter queue of its queue. A consumer writes the message's body there, without Metriport's links to records,
//! and names the reason in a message attribute. A dead letter that SQS moved lacks the attribute. SQS's own redrive or
//! the command `ias dead-letters` can send a dead letter back unchanged.
//!
//! This module sends nothing and reads no clock. SQS's own timestamp of a dead letter shows when its consumer gave up
//! the message.

use serde::{Deserialize, Serialize};

use super::MessageError;
use crate::domain::Time;

/// The message attribute that holds the reason, as JSON.
pub const ATTRIBUTE: &str = "deadLetter";
/// The reason of a dead letter that SQS moved. In each attempt to handle the message, a temporary error occurred or the
/// process ended.
pub const EXHAUSTED: &str = "exhausted";
/// The reason of a dead letter whose attribute is not ours or has another version.
pub const UNREADABLE: &str = "unreadable";

/// The version of every envelope we write, and the only one we read.
const VERSION: u32 = 1;
/// Longest code that is shown, in bytes; ours are shorter.
const CODE_BYTES_MAX: usize = 64;

/// Why a consumer gives up a message instead of leaving it for redelivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterReason {
    /// Not JSON, or JSON without a version.
    Malformed,
    /// A version that this function does not read.
    UnknownVersion,
    /// Our version, but another kind of message than this queue holds, or a field is missing.
    UnknownKind,
    /// A signed identity event in which no id can be read. Its body is kept for a later version that can read it.
    IdentityEventUnreadable,
    /// A signed identity event that does not show which person or which identity session it is about.
    IdentityEventUnbound,
    /// A signed webhook whose content differs from the first one under its message id.
    MessageIdReused,
    /// A failure that a retry does not cure. Holds its code, one of a closed list.
    NotRetryable(&'static str),
}

impl DeadLetterReason {
    /// The code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown_version",
            Self::UnknownKind => "unknown_kind",
            Self::IdentityEventUnreadable => "identity_event_unreadable",
            Self::IdentityEventUnbound => "identity_event_unbound",
            Self::MessageIdReused => "message_id_reused",
            Self::NotRetryable(_) => "not_retryable",
        }
    }

    const fn failure(self) -> Option<&'static str> {
        match self {
            Self::NotRetryable(failure) => Some(failure),
            _ => None,
        }
    }
}

impl From<MessageError> for DeadLetterReason {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Malformed => Self::Malformed,
            MessageError::Version(_) => Self::UnknownVersion,
            MessageError::Kind => Self::UnknownKind,
        }
    }
}

/// The facts about a message that was given up: codes, counts and SQS's own ids, but nothing of its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    version: u32,
    /// The code of a [`DeadLetterReason`].
    pub reason: String,
    /// The failure, if the reason is `not_retryable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The queue of the message.
    pub queue: String,
    /// SQS's id of the message that was given up.
    pub message_id: String,
    /// How often the message was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_count: Option<u32>,
    /// When the message was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Time>,
}

impl Envelope {
    /// States why a message is given up.
    #[must_use]
    pub fn new(reason: DeadLetterReason, queue: &str, message_id: &str) -> Self {
        Self {
            version: VERSION,
            reason: reason.as_str().to_owned(),
            failure: reason.failure().map(str::to_owned),
            queue: queue.to_owned(),
            message_id: message_id.to_owned(),
            received_count: None,
            sent_at: None,
        }
    }
}

/// Why a message lies in a dead-letter queue, as its attribute shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterCause {
    /// SQS moved the message after its last receive.
    Exhausted,
    /// The consumer gave up the message.
    GivenUp(Envelope),
    /// The attribute is unknown to this version.
    Unreadable,
}

impl DeadLetterCause {
    /// Reads the attribute, if there is one. An attribute whose reason or failure is not a code counts as unreadable,
    /// because operators see these two texts, and they must not name a person.
    #[must_use]
    pub fn read(attribute: Option<&str>) -> Self {
        let Some(attribute) = attribute else {
            return Self::Exhausted;
        };
        match serde_json::from_str::<Envelope>(attribute) {
            Ok(envelope) if envelope.version == VERSION && envelope.shows_codes() => Self::GivenUp(envelope),
            Ok(_) | Err(_) => Self::Unreadable,
        }
    }

    /// The code of the consumer's reason. If there is none, [`EXHAUSTED`] or [`UNREADABLE`].
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Exhausted => EXHAUSTED,
            Self::GivenUp(envelope) => &envelope.reason,
            Self::Unreadable => UNREADABLE,
        }
    }

    /// SQS's id of the message that was given up. A dead letter that a consumer wrote has another id of its own.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        match self {
            Self::GivenUp(envelope) => Some(&envelope.message_id),
            Self::Exhausted | Self::Unreadable => None,
        }
    }
}

impl Envelope {
    fn shows_codes(&self) -> bool {
        is_code(&self.reason) && self.failure.as_deref().is_none_or(is_code)
    }
}

fn is_code(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=CODE_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Removes the web addresses from any body, each from its scheme to the next quote or white space. A dead letter is
/// kept for two weeks and need not hold a link that expired after three minutes.
#[must_use]
pub fn without_links(body: &str) -> String {
    let ends = |character: char| character == '"' || character.is_whitespace();
    let mut kept = String::with_capacity(body.len());
    for part in body.split_inclusive(ends) {
        // Only ASCII letters change, so `lowered` and `part` have the same positions.
        let lowered = part.to_ascii_lowercase();
        let link = ["https:", "http:"]
            .iter()
            .filter_map(|scheme| lowered.find(scheme))
            .min();
        let (before, _link) = part.split_at(link.unwrap_or(part.len()));
        kept.push_str(before);
        if link.is_some() {
            kept.extend(part.chars().last().filter(|last| ends(*last)));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASONS: [DeadLetterReason; 7] = [
        DeadLetterReason::Malformed,
        DeadLetterReason::UnknownVersion,
        DeadLetterReason::UnknownKind,
        DeadLetterReason::IdentityEventUnreadable,
        DeadLetterReason::IdentityEventUnbound,
        DeadLetterReason::MessageIdReused,
        DeadLetterReason::NotRetryable("internal"),
    ];

    #[test]
    fn written_envelope_is_read_back() {
        let codes: std::collections::BTreeSet<_> = REASONS.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(codes.len(), REASONS.len());
        assert!(!codes.contains(EXHAUSTED) && !codes.contains(UNREADABLE));
        for reason in REASONS {
            let envelope = Envelope {
                received_count: Some(2),
                sent_at: Some(Time::from_millis(7)),
                ..Envelope::new(reason, "run-advance", "m-1")
            };
            let cause = DeadLetterCause::read(Some(&serde_json::to_string(&envelope).unwrap()));
            assert_eq!(
                (cause.reason(), cause.message_id()),
                (reason.as_str(), Some("m-1")),
                "{reason:?}"
            );
            assert_eq!(cause, DeadLetterCause::GivenUp(envelope));
        }
    }

    #[test]
    fn foreign_attribute_is_unreadable_and_never_shown() {
        assert_eq!(DeadLetterCause::read(None).reason(), EXHAUSTED);
        let with = |version: u32, reason: &str| {
            serde_json::json!({ "version": version, "reason": reason, "queue": "q", "messageId": "m" }).to_string()
        };
        assert_eq!(
            DeadLetterCause::read(Some(&with(1, "of_a_later_day"))).reason(),
            "of_a_later_day"
        );
        for unreadable in [
            "",
            "{",
            "{}",
            &with(2, "malformed"),
            &with(1, "Jane Quill"),
            &with(1, ""),
        ] {
            assert_eq!(
                DeadLetterCause::read(Some(unreadable)),
                DeadLetterCause::Unreadable,
                "{unreadable}"
            );
        }
    }

    #[test]
    fn only_links_are_removed_from_a_body() {
        let message = r#"{"version":1,"owner":"v1.a","link":"https://b.s3.test/k?X-Amz-Signature=CANARY","dueSeq":3}"#;
        assert_eq!(
            without_links(message),
            r#"{"version":1,"owner":"v1.a","link":"","dueSeq":3}"#
        );
        let escaped = r#"{"a":["HTTP:\/\/x\/CANARY",1],"ü":"see https://y/CANARY and http://z/CANARY"#;
        assert_eq!(without_links(escaped), r#"{"a":["",1],"ü":"see  and "#);
        for plain in ["", "no link", "http", "ht tp://"] {
            assert_eq!(without_links(plain), plain);
        }
    }
}
