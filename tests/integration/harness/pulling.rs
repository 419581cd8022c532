//! More steps of a person: pulls from chosen sources, timelines and records.

use sandbox_machine::app::Reply;
use serde_json::{Value, json};

use super::{Passed, Person};

impl Passed {
    /// A request for these sources.
    pub fn ask_of(&self, sources: &[&str]) -> sandbox_machine::app::QueryAsk {
        let mut ask = self.ask();
        ask.body["sources"] = sources
            .iter()
            .map(|source| ((*source).to_owned(), json!({ "enabled": true })))
            .collect();
        ask
    }
}

impl Person {
    /// Starts a pull from these sources and returns its id.
    pub async fn start_from(&self, sources: &[&str]) -> String {
        let accepted = self
            .app
            .start_query(&self.pass_challenge().await.ask_of(sources))
            .await
            .expect("an answer");
        assert_eq!(accepted.status, 202, "{:?}", accepted.body);
        accepted.text("/id")
    }

    /// The timeline of a pull.
    pub async fn timeline(&self, id: &str) -> Reply {
        self.app
            .get(&format!("/v1/network-queries/{id}/timeline"))
            .await
            .expect("an answer")
    }

    /// The codes of a pull's timeline, oldest first.
    pub async fn codes(&self, id: &str) -> Vec<String> {
        let timeline = self.timeline(id).await;
        timeline
            .list("/events")
            .iter()
            .filter_map(|event| Some(event["code"].as_str()?.to_owned()))
            .collect()
    }

    /// The list of records.
    pub async fn records(&self) -> Reply {
        self.app.get("/v1/records").await.expect("an answer")
    }

    /// Asks for a record, expects a 202, and returns its id.
    pub async fn ask_record(&self, body: &Value) -> String {
        let accepted = self.app.ask_record(body).await.expect("an answer");
        assert_eq!(accepted.status, 202, "{:?}", accepted.body);
        accepted.text("/id")
    }

    /// Reports a record as not the person's, expects a 202, and returns the reply.
    pub async fn report(&self, record: &str, reason: &str) -> Reply {
        let reply = self.app.report_record(record, &json!({ "reason": reason })).await;
        let reply = reply.expect("an answer");
        assert_eq!(reply.status, 202, "{:?}", reply.body);
        reply
    }

    /// Waits until a pull names its final record, in any state; returns its id.
    pub async fn until_final_record(&self, pull: &str) -> String {
        super::until("the pull has a final record", async || {
            let pull = self.read_pull(pull).await;
            let last = pull
                .list("/records")
                .iter()
                .find(|record| record["phase"] == "final")
                .cloned();
            last.and_then(|record| Some(record["id"].as_str()?.to_owned()))
        })
        .await
    }
}
