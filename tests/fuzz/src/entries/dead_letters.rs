//! Checks that a batch does not lose a message. If everything works, each message is processed or becomes a dead
//! letter. A dead letter has the message's body, without links, and a reason of the closed list.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::message::dead_letter::{DeadLetterCause, DeadLetterReason};
use shared::message::{AccountWork, Advance, FetchRecord, parse};
use shared::queue::SourceQueue;

use crate::canary;
use crate::run::Class;
use crate::world::cloud::Message;

/// A received message.
pub struct Came {
    /// The message id of SQS.
    pub id: String,
    /// The body.
    pub body: String,
    /// The reason for which the consumer cannot read the body.
    pub refusal: Option<DeadLetterReason>,
}

/// The reasons for which a readable message may become a dead letter. `NotRetryable` is excluded, because it would be a
/// defect.
const READ: [DeadLetterReason; 3] = [
    DeadLetterReason::IdentityEventUnreadable,
    DeadLetterReason::IdentityEventUnbound,
    DeadLetterReason::MessageIdReused,
];

/// Checks that the next consumer can read each sent message.
///
/// # Errors
/// Fails if a message cannot be read, and names it.
pub fn judge_sent(sent: &[Message]) -> Result<(), String> {
    let reads = |message: &Message| match message.queue.as_str() {
        "run-advance" => parse::<Advance>(&message.body).is_ok(),
        "record-fetch" => parse::<FetchRecord>(&message.body).is_ok(),
        "account-work" => parse::<AccountWork>(&message.body).is_ok(),
        _ => false,
    };
    match sent.iter().find(|message| !reads(message)) {
        Some(message) => Err(format!("a sent message cannot be read: {message:?}")),
        None => Ok(()),
    }
}

/// Checks that every unreadable message became a dead letter with the expected body, and that no message failed.
///
/// # Errors
/// Fails if a message was lost, changed, invented or failed, and names it.
pub fn judge_dead_letters(
    source: SourceQueue,
    came: &[Came],
    failed: &BTreeSet<String>,
    dead_letters: Vec<Message>,
) -> Result<Class, String> {
    if let Some(id) = failed.first() {
        return Err(format!("{id:?} failed although everything works"));
    }
    let count = dead_letters.len();
    let mut dead_letters = dead_letters.into_iter().peekable();
    for message in came {
        let dead_letter = dead_letters.next_if(|dead_letter| is_of(dead_letter, message, source));
        match (dead_letter, message.refusal) {
            (Some(dead_letter), refusal) => judge_dead_letter(&dead_letter, message, refusal)?,
            (None, Some(_)) => return Err("an unreadable message neither became a dead letter nor failed".to_owned()),
            (None, None) => {}
        }
    }
    if let Some(dead_letter) = dead_letters.next() {
        return Err(format!(
            "a dead letter fits no message, or is out of order: {dead_letter:?}"
        ));
    }
    Ok(match count {
        _ if came.is_empty() => "empty",
        0 => "done",
        count if count == came.len() => "given up",
        _ => "done and given up",
    })
}

/// Checks that unreadable messages fail under their own ids when the dead-letter queue refuses them.
///
/// # Errors
/// Fails if an unreadable message was acknowledged, or if the id of a failed message is unknown.
pub fn judge_redeliveries(came: &[Came], failed: &BTreeSet<String>) -> Result<Class, String> {
    if came
        .iter()
        .any(|message| message.refusal.is_some() && !failed.contains(&message.id))
    {
        return Err("an unreadable message was acknowledged although its dead letter could not be stored".to_owned());
    }
    if let Some(id) = failed.iter().find(|id| came.iter().all(|message| message.id != **id)) {
        return Err(format!("{id:?} failed, but was not received"));
    }
    Ok(if failed.is_empty() {
        "done"
    } else {
        "not stored, redelivered"
    })
}

/// Whether a dead letter is in the right queue, names its message, and has the expected body.
fn is_of(dead_letter: &Message, message: &Came, source: SourceQueue) -> bool {
    let queue = format!("{}-dead-letters", source.name());
    let cause = DeadLetterCause::read(dead_letter.dead_letter_attribute.as_deref());
    dead_letter.queue == queue
        && cause.message_id() == Some(message.id.as_str())
        && dead_letter.body == expected_body(source, &message.body)
}

fn judge_dead_letter(dead_letter: &Message, message: &Came, refusal: Option<DeadLetterReason>) -> Result<(), String> {
    let attribute = dead_letter.dead_letter_attribute.as_deref().unwrap_or_default();
    let cause = DeadLetterCause::read(Some(attribute));
    let fits = match refusal {
        Some(refusal) => cause.reason() == refusal.as_str(),
        None => READ.iter().any(|reason| cause.reason() == reason.as_str()),
    };
    if !fits {
        return Err(format!(
            "the dead letter has the reason {}, but the refusal is {refusal:?}",
            cause.reason()
        ));
    }
    if canary::is_in(attribute) && !canary::is_in(&message.id) {
        return Err(format!("the reason repeats the message: {attribute}"));
    }
    Ok(())
}

/// The expected body of the dead letter: the original, without the links of a fetch message or the link of a webhook
/// event. A space stands for an empty body, which SQS refuses.
fn expected_body(source: SourceQueue, body: &str) -> String {
    let expected = match source {
        SourceQueue::RecordFetch => without_links(body),
        SourceQueue::WebhookEvents => match delivered_link(body) {
            Some(link) => body.split(&link).collect::<Vec<_>>().join("\"\""),
            None => body.to_owned(),
        },
        SourceQueue::RunAdvance | SourceQueue::AccountWork => body.to_owned(),
    };
    if expected.is_empty() { " ".to_owned() } else { expected }
}

/// The link of a webhook event, with its quotes.
fn delivered_link(body: &str) -> Option<String> {
    let message: Value = serde_json::from_str(body).ok()?;
    let link = message.get("event")?.get("delivery")?.get("link")?;
    link.is_string().then(|| link.to_string())
}

/// Drops each link: all characters from `http:` or `https:` up to a quote or white space.
fn without_links(body: &str) -> String {
    let begins = |rest: &str| {
        let scheme = |scheme: &str| {
            rest.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        scheme("http:") || scheme("https:")
    };
    let (mut text, mut in_link) = (String::new(), false);
    for (at, character) in body.char_indices() {
        let ends = character == '"' || character.is_whitespace();
        in_link = !ends && (in_link || begins(body.get(at..).unwrap_or_default()));
        if !in_link {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::message::dead_letter::Envelope;

    const BODY: &str = r#"{"link":"HTTPS://x/1?a=b","v":2} http:y z"#;

    fn came(refusal: Option<DeadLetterReason>) -> [Came; 1] {
        let (id, body) = ("m-1".to_owned(), BODY.to_owned());
        [Came { id, body, refusal }]
    }

    fn make_message(source: SourceQueue, reason: DeadLetterReason, body: &str) -> Message {
        let envelope = Envelope::new(reason, source.name(), "m-1");
        Message {
            queue: format!("{}-dead-letters", source.name()),
            body: body.to_owned(),
            dead_letter_attribute: Some(serde_json::to_string(&envelope).unwrap()),
        }
    }

    #[test]
    fn lost_changed_or_invented_dead_letter_is_noticed() {
        use SourceQueue::{RecordFetch, RunAdvance};
        let judge = |source, refusal, dead_letters: &[Message]| {
            judge_dead_letters(source, &came(refusal), &BTreeSet::new(), dead_letters.to_vec())
        };
        let malformed = make_message(RunAdvance, DeadLetterReason::Malformed, BODY);
        let refused = Some(DeadLetterReason::Malformed);
        assert_eq!(
            judge(RunAdvance, refused, std::slice::from_ref(&malformed)),
            Ok("given up")
        );
        assert_eq!(judge(RunAdvance, None, &[]), Ok("done"));
        let without_links = make_message(RecordFetch, DeadLetterReason::Malformed, r#"{"link":"","v":2}  z"#);
        assert_eq!(judge(RecordFetch, refused, &[without_links]), Ok("given up"));

        assert!(judge(RunAdvance, refused, &[]).is_err(), "lost");
        assert!(
            judge(RunAdvance, refused, &[malformed.clone(), malformed.clone()]).is_err(),
            "twice"
        );
        let others = [
            make_message(RunAdvance, DeadLetterReason::Malformed, "{}"),
            make_message(RunAdvance, DeadLetterReason::UnknownKind, BODY),
            make_message(RunAdvance, DeadLetterReason::NotRetryable("internal"), BODY),
            make_message(RecordFetch, DeadLetterReason::Malformed, BODY),
            Message {
                dead_letter_attribute: None,
                ..malformed.clone()
            },
            Message {
                dead_letter_attribute: Some("{}".to_owned()),
                ..malformed.clone()
            },
        ];
        for other in others {
            assert!(
                judge(RunAdvance, refused, std::slice::from_ref(&other)).is_err(),
                "{other:?}"
            );
        }
        assert!(
            judge(RunAdvance, None, &[malformed]).is_err(),
            "given up although it can be read"
        );
        let back = BTreeSet::from(["m-1".to_owned()]);
        assert!(
            judge_dead_letters(RunAdvance, &came(None), &back, Vec::new()).is_err(),
            "failed"
        );
    }

    #[test]
    fn message_without_stored_dead_letter_must_fail() {
        let back = BTreeSet::from(["m-1".to_owned()]);
        let refused = Some(DeadLetterReason::Malformed);
        assert_eq!(judge_redeliveries(&came(refused), &back), Ok("not stored, redelivered"));
        assert!(judge_redeliveries(&came(refused), &BTreeSet::new()).is_err());
        assert!(judge_redeliveries(&[], &back).is_err());
    }
}
