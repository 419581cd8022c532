//! Fuzzes the reader of single queue messages: an accepted body keeps its meaning, and the error of a refused body does
//! not quote it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::message::webhook::WebhookEvent;
use shared::message::{AccountWork, Advance, FetchRecord, VERSION, parse};

use super::stock::Stock;
use crate::canary;
use crate::chance::Chance;
use crate::run::{Class, Entry};
use crate::world::Failed;
use crate::world::events::put;
use crate::world::upstream::REQUEST;

/// The reader of queue messages.
pub struct Messages(Stock);

/// The entry's name.
pub const NAME: &str = "queue-message";

impl Messages {
    /// Starts with valid messages of every kind.
    ///
    /// # Errors
    /// Fails if a valid message cannot be made.
    pub fn start() -> Result<Self, Failed> {
        let due = |what: &str| json!({ "version": 1, "owner": "v1.abc", what: REQUEST, "dueSeq": 3 });
        let mut fetch = due("record");
        put(
            &mut fetch,
            "",
            "link",
            json!("https://records.example.test/x?X-Amz-Signature=1"),
        );
        let work = json!({ "version": 1, "erasure": "9f86d081884c7d65".repeat(4) });
        let others = Stock::of(&[due("run"), due("run"), due("record"), fetch, work]);
        Ok(Self(Stock::webhook_events()?.and(others)))
    }
}

impl Entry for Messages {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(&self, chance: &mut Chance) -> Vec<u8> {
        self.0.message(chance)
    }

    fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
        let body = String::from_utf8_lossy(input);
        let taken = [
            round_trip::<Advance>(&body)?.then_some("advance"),
            round_trip::<FetchRecord>(&body)?.then_some("fetch-record"),
            round_trip::<AccountWork>(&body)?.then_some("account-work"),
            round_trip::<WebhookEvent>(&body)?.then_some("webhook-event"),
        ];
        Ok(taken.into_iter().flatten().next_back().unwrap_or("refused"))
    }
}

/// Whether the body is accepted as `M`. An accepted message must not change when it is written and read again.
fn round_trip<M: DeserializeOwned + Serialize + PartialEq>(body: &str) -> Result<bool, String> {
    let message: M = match parse(body) {
        Ok(message) => message,
        Err(error) if canary::is_in(&format!("{error} {error:?}")) => {
            return Err(format!("the error quotes the body: {error}"));
        }
        Err(_) => return Ok(false),
    };
    if serde_json::from_str::<Value>(body).is_ok_and(|value| value.get("version") != Some(&json!(VERSION))) {
        return Err("accepted another version".to_owned());
    }
    let written = serde_json::to_string(&message).map_err(|error| format!("the message cannot be written: {error}"))?;
    match parse::<M>(&written) {
        Ok(again) if again == message => Ok(true),
        Ok(_) => Err(format!("the written message differs: {written}")),
        Err(error) => Err(format!("the written message cannot be read: {error}")),
    }
}
