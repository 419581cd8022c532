//! More of what a person does: pulls from some sources, and a closer look at what became of them.

use sandbox_machine::app::Reply;
use serde_json::{Value, json};

use super::{Passed, Person};

impl Passed {
    /// A pull from these sources.
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
    /// Starts a pull from some sources and gives its id.
    pub async fn start_from(&self, sources: &[&str]) -> String {
        let accepted = self
            .app
            .start_query(&self.pass_challenge().await.ask_of(sources))
            .await
            .expect("an answer");
        assert_eq!(accepted.status, 202, "{:?}", accepted.body);
        accepted.text("/id")
    }

    /// What happened to a pull.
    pub async fn timeline(&self, id: &str) -> Reply {
        self.app
            .get(&format!("/v1/network-queries/{id}/timeline"))
            .await
            .expect("an answer")
    }

    /// The codes of a pull's timeline, in order.
    pub async fn codes(&self, id: &str) -> Vec<String> {
        let timeline = self.timeline(id).await;
        timeline
            .list("/events")
            .iter()
            .filter_map(|event| Some(event["code"].as_str()?.to_owned()))
            .collect()
    }

    /// All records, without links.
    pub async fn records(&self) -> Reply {
        self.app.get("/v1/records").await.expect("an answer")
    }

    /// Asks for a record, which must be accepted, and gives its id.
    pub async fn ask_record(&self, body: &Value) -> String {
        let accepted = self.app.ask_record(body).await.expect("an answer");
        assert_eq!(accepted.status, 202, "{:?}", accepted.body);
        accepted.text("/id")
    }

    /// Waits until a pull's final record is there to be looked at, ended or not, and gives its id.
    pub async fn until_final_record(&self, run: &str) -> String {
        super::until("the pull has a final record", async || {
            let run = self.run(run).await;
            let last = run
                .list("/records")
                .iter()
                .find(|record| record["phase"] == "final")
                .cloned();
            last.and_then(|record| Some(record["id"].as_str()?.to_owned()))
        })
        .await
    }
}
