//! One person with their app and browser.

use std::collections::BTreeMap;

use sandbox_machine::Sandbox;
use sandbox_machine::app::{App, QueryAsk, Reply};
use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::until;

/// One person. The birth date is derived from the subject, so that Metriport does not take two persons for one patient.
pub struct Person {
    /// The app, with this person's token.
    pub app: App,
    /// The browser, with this person's authenticator.
    pub browser: Browser,
    demographics: Value,
}

/// A passed challenge: the input of `POST /v1/network-queries`.
#[derive(Debug, Clone)]
pub struct Passed {
    /// `challengeId`.
    pub challenge: String,
    /// `x-aal2-session`.
    pub session: String,
}

impl Passed {
    /// A request for all sources.
    pub fn ask(&self) -> QueryAsk {
        QueryAsk::everything(&self.challenge, &self.session)
    }
}

/// Demographics that Metriport accepts.
pub fn demographics(subject: &str, first_name: &str) -> Value {
    let sum = subject
        .bytes()
        .fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    json!({
        "firstName": first_name, "lastName": "Quill", "genderAtBirth": "F",
        "dob": format!("{}-{:02}-{:02}", 1930 + sum % 60, 1 + (sum / 60) % 12, 1 + (sum / 720) % 28),
        "address": [{ "addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402" }],
        "contact": [{ "phone": "9375550142", "email": "quill@example.test" }],
    })
}

impl Person {
    pub(super) fn new(sandbox: &Sandbox, subject: &str, first_name: &str) -> Self {
        let app = sandbox.app(subject).expect("a token");
        let browser = Browser::new().expect("a browser");
        Self {
            app,
            browser,
            demographics: demographics(subject, first_name),
        }
    }

    /// The person's demographics.
    pub fn demographics(&self) -> &Value {
        &self.demographics
    }

    /// The same demographics with another street.
    pub fn moved(&self) -> Value {
        let mut moved = self.demographics.clone();
        moved["address"][0]["addressLine1"] = json!("12 Elm St");
        moved
    }

    /// Consents to the notice in force.
    pub async fn give_consent(&self) {
        let reply = self.app.give_consent().await.expect("an answer");
        assert_eq!(reply.status, 200, "{:?}", reply.body);
    }

    /// Links the person to a patient.
    pub async fn link(&self) -> Reply {
        self.app.put_patient(&self.demographics).await.expect("an answer")
    }

    /// Opens the hosted identity page and passes it, without waiting for the webhook.
    pub async fn pass_identity_page(&self) {
        let opened = self
            .app
            .open_identity_session(IDENTITY_RETURN)
            .await
            .expect("an answer");
        assert_eq!(opened.status, 201, "{:?}", opened.body);
        let back = self
            .browser
            .pass(&opened.text("/sessionUrl"))
            .await
            .expect("the identity page");
        assert_eq!(back.page, IDENTITY_RETURN);
    }

    /// The status of the identity.
    pub async fn identity(&self) -> String {
        self.app.identity().await.expect("an answer").text("/status")
    }

    /// Waits until the identity has this status.
    pub async fn until_identity(&self, status: &str) {
        until(&format!("the identity is {status}"), async || {
            (self.identity().await == status).then_some(())
        })
        .await;
    }

    /// Links the person, passes the identity page, and waits for the verification.
    pub async fn verify_identity(&self) {
        assert_eq!(self.link().await.status, 200);
        self.pass_identity_page().await;
        self.until_identity("verified").await;
    }

    /// Opens a challenge and passes it.
    pub async fn pass_challenge(&self) -> Passed {
        let opened = self.app.open_challenge(AAL2_RETURN).await.expect("an answer");
        assert_eq!(opened.status, 201, "{:?}", opened.body);
        let back = self
            .browser
            .pass(&opened.text("/challengeUrl"))
            .await
            .expect("the challenge page");
        assert_eq!(
            (back.page.as_str(), back.status.as_deref()),
            (AAL2_RETURN, Some("verified"))
        );
        Passed {
            challenge: opened.text("/challengeId"),
            session: back.session.expect("an AAL2 session"),
        }
    }

    /// Starts a pull from all sources and returns its id.
    pub async fn start(&self) -> String {
        let passed = self.pass_challenge().await;
        let accepted = self.app.start_query(&passed.ask()).await.expect("an answer");
        assert_eq!(accepted.status, 202, "{:?}", accepted.body);
        accepted.text("/id")
    }

    /// A pull's current state.
    pub async fn read_pull(&self, id: &str) -> Reply {
        self.app
            .get(&format!("/v1/network-queries/{id}"))
            .await
            .expect("an answer")
    }

    /// Waits until a pull's next action is not `wait`.
    pub async fn until_ended(&self, id: &str) -> Reply {
        until("the pull has ended", async || {
            let pull = self.read_pull(id).await;
            (pull.text("/next/action") != "wait").then_some(pull)
        })
        .await
    }

    /// Passes a challenge, pulls from all sources, and waits for the end of the pull.
    pub async fn pull(&self) -> Reply {
        let id = self.start().await;
        self.until_ended(&id).await
    }

    /// A record's current state.
    pub async fn record(&self, id: &str) -> Reply {
        self.app.get(&format!("/v1/records/{id}")).await.expect("an answer")
    }

    /// Waits until a record's next action is not `wait`.
    pub async fn until_record(&self, id: &str) -> Reply {
        until("the record has ended", async || {
            let record = self.record(id).await;
            (record.text("/next/action") != "wait").then_some(record)
        })
        .await
    }

    /// The final record of a pull that has one.
    pub async fn final_record(&self, pull: &Reply) -> Reply {
        self.app.get(&pull.text("/next/url")).await.expect("an answer")
    }

    /// Waits until an export is complete.
    pub async fn until_export(&self, id: &str) -> Reply {
        until("the export is complete", async || {
            let export = self.app.read_export(id).await.expect("an answer");
            assert_eq!(export.status, 200, "{:?}", export.body);
            (export.text("/next/action") != "read_export").then_some(export)
        })
        .await
    }

    /// Asks for an export, waits until it is complete, and downloads its parts. Returns the lines of all parts with the
    /// same content, by content.
    pub async fn export(&self) -> BTreeMap<String, Vec<String>> {
        let asked = self.app.request_export().await.expect("an answer");
        assert_eq!(asked.status, 202, "{:?}", asked.body);
        let export = self.until_export(&asked.text("/id")).await;
        let mut lines: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for part in export.list("/parts") {
            let answer = self.app.follow(part["link"]["url"].as_str().expect("a link")).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status().as_u16(), 200);
            let bytes = answer.bytes().await.expect("the part");
            assert_eq!(part["sha256"], hex::encode(Sha256::digest(&bytes)));
            let text = std::str::from_utf8(&bytes).expect("UTF-8");
            let content = part["content"].as_str().expect("a content").to_owned();
            let of_content: &mut Vec<_> = lines.entry(content).or_default();
            of_content.extend(text.lines().map(str::to_owned));
        }
        lines
    }

    /// Downloads a record by its link.
    pub async fn download(&self, record: &Reply) -> Vec<u8> {
        let answer = self.app.follow(&record.text("/link/url")).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        answer.bytes().await.expect("the record").to_vec()
    }
}
