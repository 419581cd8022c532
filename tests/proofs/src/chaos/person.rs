//! One person under faults, with the app that a careful developer would write. It repeats an unanswered request under
//! the same `Idempotency-Key`, retries a busy one when `Retry-After` allows, and follows every next action.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Method;
use sandbox_machine::app::{App, NoReply, QueryAsk, Reply, reply};
use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_metriport::Persona;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::clock;
use shared::domain::Time;
use tokio::time::Instant;

use super::pulled::{Ended, Ending, Erased, Pull};
use super::values::{OUR_IDS, REPLY, SHARED, Values, ids};
use crate::table::PersonItems;

/// The app's polling interval.
const ASK_EVERY: Duration = Duration::from_millis(120);
/// The number of bytes at the beginning of a record in which ids of resources are read.
const RECORD_BYTES: usize = 2_048;
const UUID_CHARS: usize = 36;
/// The state of a record that has a link.
const AVAILABLE: &str = "available";
/// The refusal after a withdrawal of consent.
pub(super) const NO_CONSENT: &str = "consent_required";

/// The conduct of a person besides pulling. Another conduct is another variant, and its share an option of `chaos`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conduct {
    /// Nothing.
    Pulls,
    /// Withdraws their consent this long after the first pull has begun, and rests. The next pull begins with a new
    /// consent. Both times are real.
    Withdraws { after: Duration, rest: Duration },
    /// Asks for their erasure this long after the first pull has begun. With a time to rest, they come back afterwards
    /// as a new person. Both times are real.
    Erases { after: Duration, rest: Option<Duration> },
    /// Reports the record of the first pull as another person's. The next pull must be refused.
    Reports,
}

/// A person who pulls.
pub(super) struct Person {
    pub(super) subject: String,
    pub(super) persona: Persona,
    pub(super) conduct: Conduct,
    /// When a withdrawal of the person's consent, or their request for an erasure, was answered, in milliseconds since
    /// the epoch.
    pub(super) withdrawn_ms: OnceLock<i64>,
    /// The receipt id of the person's erasure.
    pub(super) receipt: OnceLock<String>,
    /// The values that the erasure must delete.
    pub(super) values: Values,
    pub(super) items: PersonItems,
    /// Set once the person's records are quarantined.
    pub(super) reported: OnceLock<()>,
    pub(super) app: App,
    pub(super) browser: Browser,
    /// How long a step may take before it counts as hung.
    pub(super) bound: Duration,
    /// How long a person who is proofed as another person waits for a verified identity.
    pub(super) doubt: Duration,
}

/// Why the app stops before the pull has ended.
pub(super) enum Stop {
    Hung(&'static str),
    Refused(String),
}

pub(super) type Step<T> = Result<T, Stop>;

impl Person {
    /// Pulls once, and verifies the identity first if necessary.
    pub(super) async fn pull(&self, first: bool) -> Pull {
        let (begun_ms, reported) = (clock::now().millis(), self.reported.get().is_some());
        let returned = self.receipt.get().is_some();
        let ending = match self.whole(first).await {
            Ok(ending) => ending,
            Err(Stop::Hung(place)) => Ending::Hung(place),
            Err(Stop::Refused(code)) => Ending::Refused(code),
        };
        Pull {
            subject: self.subject.clone(),
            persona: self.persona,
            first: first || returned,
            begun_ms,
            ended_ms: clock::now().millis(),
            withdrawn_ms: self.withdrawn_ms.get().copied().filter(|_| first),
            erased: self.erased().filter(|_| !returned),
            reported,
            ending,
        }
    }

    async fn whole(&self, first: bool) -> Step<Ending> {
        self.consent().await?;
        match self.conduct {
            Conduct::Withdraws { after, rest } if first => {
                let withdrawal = async {
                    pause(after).await;
                    self.withdraw().await
                };
                let (ending, withdrawn) = tokio::join!(self.pull_with_consent(), withdrawal);
                withdrawn?;
                // Calls that began before the withdrawal end, and so does Metriport's query.
                pause(rest).await;
                ending
            }
            Conduct::Erases { after, rest } if first => {
                let erasure = async {
                    pause(after).await;
                    self.erase().await
                };
                let (ending, receipt) = tokio::join!(self.pull_with_consent(), erasure);
                self.until_erased(&receipt?).await?;
                pause(rest.unwrap_or_default()).await;
                ending
            }
            Conduct::Pulls | Conduct::Withdraws { .. } | Conduct::Erases { .. } | Conduct::Reports => {
                self.pull_with_consent().await
            }
        }
    }

    /// Withdraws the consent.
    pub(super) async fn withdraw(&self) -> Step<()> {
        let place = "withdrawal";
        let withdrawn = self.insist(place, async || self.app.withdraw_consent().await);
        expect(withdrawn.await?, 200)?;
        // A second withdrawal, which no person makes, would not move the time.
        self.withdrawn_ms.get_or_init(|| clock::now().millis());
        Ok(())
    }

    /// Asks for the erasure, and returns the receipt id. Everything that is stored at this moment must go.
    pub(super) async fn erase(&self) -> Step<String> {
        self.plant_items().await;
        let key = clock::new_id().to_string();
        let asked = self.insist("erasure", async || self.app.erase_me(&key).await).await?;
        let receipt = expect(asked, 202)?.text("/receiptId");
        self.withdrawn_ms.get_or_init(|| clock::now().millis());
        self.values.plant(REPLY, &receipt);
        Ok(self.receipt.get_or_init(|| receipt).clone())
    }

    /// Plants the ids in the person's items.
    pub(super) async fn plant_items(&self) {
        if let Ok(items) = self.items.read().await {
            self.values.plant_items(&items, self.items.owner.as_str());
        }
    }

    /// The erasure, if there was one. A person who returns has the same demographics and token again, and perhaps the
    /// same patient, so only the ids of what was erased count.
    pub(super) fn erased(&self) -> Option<Erased> {
        let (receipt, mut values) = (self.receipt.get()?.clone(), self.values.lock().clone());
        if let Conduct::Erases { rest: Some(_), .. } = self.conduct {
            values.retain(|_, source| [REPLY, OUR_IDS].contains(source));
        }
        Some(Erased { receipt, values })
    }

    /// Waits until the erasure has ended, and returns its receipt.
    pub(super) async fn until_erased(&self, receipt: &str) -> Step<Value> {
        let begun = Instant::now();
        while begun.elapsed() < self.bound {
            let read = self
                .insist("erasure", async || self.app.read_erasure(receipt).await)
                .await?;
            let read = expect(read, 200)?;
            if read.text("/status") == "erased" {
                return Ok(read.body.get("receipt").cloned().unwrap_or_default());
            }
            pause(ASK_EVERY).await;
        }
        Err(Stop::Hung("erasure"))
    }

    async fn pull_with_consent(&self) -> Step<Ending> {
        self.link().await?;
        if !self.verify(false).await? {
            return Ok(Ending::Unverified);
        }
        let id = self.start().await?;
        let pull = self.until_ended(&id).await?;
        let (record, intact, linked_ms) = self.record(&pull).await?;
        let to_report = self.conduct == Conduct::Reports && record == AVAILABLE;
        let shown_after_report = to_report && self.report(&pull.text("/next/url")).await?;
        let timeline = self
            .get(&format!("/v1/network-queries/{id}/timeline"), "timeline")
            .await?;
        Ok(Ending::Ended(Box::new(Ended {
            status: pull.text("/status"),
            reason: pull.text("/reason"),
            completed_ms: Time::parse(&pull.text("/completedAt")).ok().map(Time::millis),
            id,
            record,
            intact,
            linked_ms,
            shown_after_report,
            timeline: timeline.list("/events").to_vec(),
        })))
    }

    /// Reports a record as another person's. Returns whether the record is still shown.
    async fn report(&self, record: &str) -> Step<bool> {
        let body = json!({ "reason": "other_person" });
        let reported = self.post(&format!("{record}/not-me"), &body, None, "report").await?;
        expect(reported, 202)?;
        self.reported.get_or_init(|| ());
        let record = self.get(record, "reported record").await?;
        Ok(record.text("/status") != "quarantined" || !record.text("/link/url").is_empty())
    }

    pub(super) async fn consent(&self) -> Step<()> {
        let given = self.insist("consent", async || self.app.give_consent().await).await?;
        expect(given, 200).map(drop)
    }

    pub(super) async fn link(&self) -> Step<()> {
        let body = demographics(&self.subject, self.persona);
        let linked = self.insist("link", async || self.app.put_patient(&body).await).await?;
        expect(linked, 200).map(drop)
    }

    /// Opens and passes identity pages until the identity is verified, and returns whether it is. With `refused`, an
    /// identity was rejected. The identity of another passed page may still be confirmed, so this first waits while it
    /// is pending.
    async fn verify(&self, refused: bool) -> Step<bool> {
        let begun = Instant::now();
        let mut passed = refused.then_some(begun);
        while begun.elapsed() < self.bound {
            let identity = self.get("/v1/identity", "identity").await?;
            match identity.text("/status").as_str() {
                "verified" => return Ok(true),
                "pending" | "confirming" if passed.is_some_and(|at: Instant| at.elapsed() > self.patience()) => {
                    return Ok(false);
                }
                "pending" | "confirming" if passed.is_some() => pause(ASK_EVERY).await,
                "patient_changing" => self.link().await?,
                // Any other status, or pending with a page that was not passed: open a new page.
                _ => passed = self.pass_identity_page().await?.then(Instant::now),
            }
        }
        Err(Stop::Hung("identity"))
    }

    /// A person who is proofed as another person never becomes verified, so their app waits only a short time.
    fn patience(&self) -> Duration {
        if self.persona == Persona::OtherPerson {
            self.doubt
        } else {
            self.bound
        }
    }

    async fn pass_identity_page(&self) -> Step<bool> {
        let body = json!({ "redirectUrl": IDENTITY_RETURN });
        let opened = self
            .post("/v1/identity-sessions", &body, None, "identity session")
            .await?;
        match (opened.status, opened.code().as_str()) {
            (201, _) => Ok(self.browser.pass(&opened.text("/sessionUrl")).await.is_ok()),
            (409, "identity_already_verified") => Ok(true),
            (409, "patient_changing" | "patient_not_linked") => self.link().await.map(|()| false),
            (_, code) => Err(Stop::Refused(code.to_owned())),
        }
    }

    /// Passes a challenge, starts the pull and returns its id. An expired challenge is replaced.
    async fn start(&self) -> Step<String> {
        let begun = Instant::now();
        while begun.elapsed() < self.bound {
            let Some(ask) = self.challenge().await? else { continue };
            let session = ask.session.as_deref();
            let accepted = self.post("/v1/network-queries", &ask.body, session, "start").await?;
            match (accepted.status, accepted.code().as_str()) {
                (202, _) => return Ok(accepted.text("/id")),
                (409, "challenge_expired") => {}
                (_, code) => return Err(Stop::Refused(code.to_owned())),
            }
        }
        Err(Stop::Hung("start"))
    }

    /// Passes a challenge and returns the query that it allows; `None` if the page failed or the identity was rejected.
    async fn challenge(&self) -> Step<Option<QueryAsk>> {
        let body = json!({ "redirectUrl": AAL2_RETURN });
        let opened = self.post("/v1/aal2-challenges", &body, None, "challenge").await?;
        if opened.code() == "identity_rejected" {
            self.verify(true).await?;
            return Ok(None);
        }
        let opened = expect(opened, 201)?;
        let back = self
            .browser
            .pass(&opened.text("/challengeUrl"))
            .await
            .unwrap_or_default();
        let session = back.session.as_deref();
        self.values.plant(REPLY, session.unwrap_or_default());
        Ok(session.map(|session| QueryAsk::everything(&opened.text("/challengeId"), session)))
    }

    async fn until_ended(&self, id: &str) -> Step<Reply> {
        let (begun, path) = (Instant::now(), format!("/v1/network-queries/{id}"));
        while begun.elapsed() < self.bound {
            let pull = self.get(&path, "run").await?;
            if pull.text("/next/action") != "wait" {
                return Ok(pull);
            }
            pause(ASK_EVERY).await;
        }
        Err(Stop::Hung("run"))
    }

    /// The state of a pull's record, if it has one, whether its bytes are those that it promises, and when the app
    /// asked for its last link.
    async fn record(&self, pull: &Reply) -> Step<(String, bool, Option<i64>)> {
        if pull.text("/next/action") != "read_record" {
            return Ok((String::new(), true, None));
        }
        let (begun, mut linked_ms) = (Instant::now(), None);
        while begun.elapsed() < self.bound {
            let asked_ms = clock::now().millis();
            let record = match self.get(&pull.text("/next/url"), "record").await {
                Err(Stop::Refused(code)) if code == NO_CONSENT => return Ok((code, true, linked_ms)),
                found => found?,
            };
            let (status, link) = (record.text("/status"), record.text("/link/url"));
            if link.is_empty() {
                return Ok((status, true, linked_ms));
            }
            linked_ms = Some(asked_ms);
            // The link lives a minute and its transfer may meet a fault, so each attempt mints a new link.
            if let Some((bytes, digest)) = self.download(&link).await {
                let intact = bytes == record.number("/bytes") && digest == record.text("/sha256");
                return Ok((status, intact, linked_ms));
            }
            pause(ASK_EVERY).await;
        }
        Err(Stop::Hung("record"))
    }

    async fn download(&self, link: &str) -> Option<(u64, String)> {
        let mut answer = self.app.follow(link).await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let (mut bytes, mut digest) = (0, Sha256::new());
        while let Some(piece) = answer.chunk().await.ok()? {
            if bytes == 0 {
                self.plant_resource_ids(&piece);
            }
            bytes += piece.len() as u64;
            digest.update(&piece);
        }
        Some((bytes, hex::encode(digest.finalize())))
    }

    /// Plants the first UUIDs in a record, which are those of its resources.
    fn plant_resource_ids(&self, piece: &[u8]) {
        let begin = String::from_utf8_lossy(piece.get(..RECORD_BYTES).unwrap_or(piece));
        let uuids = ids(&begin).filter(|id| id.len() == UUID_CHARS);
        uuids.for_each(|id| self.values.plant("the record", id));
    }

    async fn get(&self, path: &str, place: &'static str) -> Step<Reply> {
        let found = self.insist(place, async || self.app.get(path).await).await?;
        self.values.plant_ids(REPLY, &found.body);
        expect(found, 200)
    }

    /// Repeats a request under one key until it gets a definite answer.
    async fn post(&self, path: &str, body: &Value, session: Option<&str>, place: &'static str) -> Step<Reply> {
        let key = clock::new_id().to_string();
        let replied = self.insist(place, async || {
            let mut request = self.app.request(Method::POST, path).json(body);
            request = request.header("idempotency-key", &key);
            if let Some(session) = session {
                request = request.header("x-aal2-session", session);
            }
            reply(request).await
        });
        let replied = replied.await?;
        self.values.plant_ids(REPLY, &replied.body);
        Ok(replied)
    }

    async fn insist(&self, place: &'static str, ask: impl AsyncFn() -> Result<Reply, NoReply>) -> Step<Reply> {
        let begun = Instant::now();
        while begun.elapsed() < self.bound {
            match ask().await {
                Ok(reply) if !is_passing(&reply) => return Ok(reply),
                Ok(reply) => pause(retry_after(&reply).unwrap_or(ASK_EVERY)).await,
                Err(_no_reply) => pause(ASK_EVERY).await,
            }
        }
        Err(Stop::Hung(place))
    }
}

/// Demographics that differ for each person of a proof. Metriport would merge persons with equal ones into one patient.
pub(super) fn demographics(subject: &str, persona: Persona) -> Value {
    let add = |sum: u32, byte: u8| sum.wrapping_mul(31).wrapping_add(u32::from(byte));
    let sum = subject.bytes().fold(7, add);
    let dob = format!(
        "{}-{:02}-{:02}",
        1920 + sum % 80,
        1 + (sum / 80) % 12,
        1 + (sum / 960) % 28
    );
    json!({
        "firstName": persona.first_name(), "lastName": derive_last_name(subject), "genderAtBirth": "F", "dob": dob,
        "address": [{ "addressLine1": format!("{} Birch Ln", 1 + sum % 9999), "city": "Dayton", "state": "OH",
                      "zip": "45402" }],
        "contact": [{ "phone": format!("937{:07}", 2_000_000 + sum % 7_999_999) }],
    })
}

/// Values of a person from the beginning: their subject, which is the external id, demographics and token.
pub(super) fn first_values(subject: &str, persona: Persona, token: &str) -> Values {
    let (values, who) = (Values::default(), demographics(subject, persona));
    values.plant("the external id", subject);
    values.plant_ids("the token", &json!(token));
    values.plant("the last name", &derive_last_name(subject));
    for pointer in ["/firstName", "/dob", "/address/0/addressLine1", "/contact/0/phone"] {
        let value = who.pointer(pointer).and_then(Value::as_str);
        values.plant(SHARED, value.unwrap_or_default());
    }
    values
}

/// A last name made of the subject's bytes.
fn derive_last_name(subject: &str) -> String {
    let characters = subject.bytes().map(|byte| char::from(b'a' + byte % 26));
    format!("Q{}", characters.collect::<String>())
}

/// Whether a retry of the same request may succeed.
fn is_passing(reply: &Reply) -> bool {
    let code = reply.code();
    // `network_query_open` may pass, because an expired pull may hold its lock until a process writes the expiry.
    let codes = [
        "patient_changing",
        "state_changed",
        "idempotency_key_in_flight",
        "network_query_open",
    ];
    matches!(reply.status, 423 | 429 | 500..=599) || (reply.status == 409 && codes.contains(&code.as_str()))
}

fn retry_after(reply: &Reply) -> Option<Duration> {
    let seconds = reply.headers.get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn expect(reply: Reply, status: u16) -> Step<Reply> {
    if reply.status == status {
        Ok(reply)
    } else {
        Err(Stop::Refused(reply.code()))
    }
}

async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
