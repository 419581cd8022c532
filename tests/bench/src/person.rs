//! One person with their app and browser, over a sandbox whose functions are processes of this binary.

use std::time::Duration;

use sandbox_host::Runner;
use sandbox_machine::app::{App, QueryAsk, Reply};
use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{Delays, PerMinute, StandInOptions};
use serde_json::json;
use tokio::time::{interval, timeout};

use crate::Problem;

/// The stand-in's limits. They are so high that calls never wait, and low enough to keep the item of a budget's places
/// small.
const LIMITS: PerMinute = PerMinute {
    patient: 10_000,
    identity: 10_000,
    query: 10_000,
    consolidated: 10_000,
};
/// Metriport's delay of each source and each consolidated query, in milliseconds; HIE takes twice that.
pub const DELAY_MS: u64 = 100;
/// How often an app polls.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long the app waits for each step.
const PATIENCE: Duration = Duration::from_secs(300);

/// Options of a sandbox without schedules and with limits that never apply. Each source and each consolidated query
/// takes `delay_ms` at Metriport, HIE twice as long. HIE ends last, so that a pull makes one record and does not wait
/// for a second one.
pub fn unlimited_options(delay_ms: u64) -> Result<SandboxOptions, Problem> {
    let exe = std::env::current_exe()?;
    // The host adds a function's name. Without `--results`, every part then runs the function itself.
    let args = vec!["all".to_owned()];
    let mut options = SandboxOptions::new(Runner::SelfExec { exe, args });
    options.schedule_scale = 0;
    options.throttled = false;
    options.person_shares = false;
    options.stand_in = StandInOptions {
        delays: Delays {
            hie_ms: 2 * delay_ms,
            ..Delays::all(delay_ms)
        },
        auto_approve: true,
        limits: LIMITS,
        ..StandInOptions::default()
    };
    Ok(options)
}

/// One tick of `reconcile`, as its schedule would make it.
pub async fn tick(sandbox: &Sandbox) -> Result<(), Problem> {
    let tick = sandbox.host().invoke_schedule("reconcile").await;
    Ok(tick.map(drop).map_err(|error| error.to_string())?)
}

/// One invocation of `log-seal`, as its schedule would make it.
pub async fn seal(sandbox: &Sandbox) -> Result<(), Problem> {
    let sealed = sandbox.host().invoke_schedule("log-seal").await;
    Ok(sealed.map(drop).map_err(|error| error.to_string())?)
}

pub struct Person {
    app: App,
    browser: Browser,
}

impl Person {
    /// Links a person with unique demographics, and waits until their identity is verified.
    pub async fn ready(sandbox: &Sandbox, number: usize) -> Result<Self, Problem> {
        let person = Self {
            app: sandbox.app(&format!("person-{number}"))?,
            browser: Browser::new()?,
        };
        let (year, month, day) = (1930 + number % 60, 1 + (number / 60) % 12, 1 + (number / 720) % 28);
        let demographics = json!({
            "firstName": "Jane", "lastName": "Quill", "genderAtBirth": "F",
            "dob": format!("{year}-{month:02}-{day:02}"),
            "address": [{ "addressLine1": format!("{} Birch Ln", 10 + number), "city": "Dayton", "state": "OH",
                "zip": "45402" }],
            "contact": [{ "email": format!("quill-{number}@example.test") }],
        });
        expect(person.app.give_consent().await?, 200)?;
        expect(person.app.put_patient(&demographics).await?, 200)?;
        let session = expect(person.app.open_identity_session(IDENTITY_RETURN).await?, 201)?;
        person.browser.pass(&session.text("/sessionUrl")).await?;
        until("the identity is verified", async || {
            let identity = person.app.identity().await?;
            Ok((identity.text("/status") == "verified").then_some(()))
        })
        .await?;
        Ok(person)
    }

    /// Passes a challenge, starts a pull and returns its id.
    pub async fn start(&self) -> Result<String, Problem> {
        let challenge = expect(self.app.open_challenge(AAL2_RETURN).await?, 201)?;
        let back = self.browser.pass(&challenge.text("/challengeUrl")).await?;
        let session = back.session.ok_or("the challenge page returned no AAL2 session")?;
        let ask = QueryAsk::everything(&challenge.text("/challengeId"), &session);
        Ok(expect(self.app.start_query(&ask).await?, 202)?.text("/id"))
    }

    /// Pulls once. Polls until the pull has ended, as an app does, and returns the record.
    pub async fn pull(&self) -> Result<Reply, Problem> {
        let id = self.start().await?;
        let pull = until("the pull has ended", async || {
            let pull = self.read_pull(&id).await?;
            Ok((pull.text("/next/action") != "wait").then_some(pull))
        })
        .await?;
        self.record(&pull).await
    }

    /// Asks for the erasure, and waits for its first sweep.
    pub async fn erase(&self) -> Result<(), Problem> {
        expect(self.app.erase_me("erase").await?, 202)?;
        until("the pulls are deleted", async || {
            let pulls = expect(self.app.get("/v1/network-queries").await?, 200)?;
            Ok(pulls.list("/networkQueries").is_empty().then_some(()))
        })
        .await
    }

    /// The current state of a pull.
    pub async fn read_pull(&self, id: &str) -> Result<Reply, Problem> {
        expect(self.app.get(&format!("/v1/network-queries/{id}")).await?, 200)
    }

    /// The record of a pull that has completed.
    pub async fn record(&self, pull: &Reply) -> Result<Reply, Problem> {
        if pull.text("/status") != "completed" {
            return Err(format!("a pull did not complete: {}", pull.body).into());
        }
        expect(self.app.get(&pull.text("/next/url")).await?, 200)
    }

    pub async fn download(&self, record: &Reply) -> Result<Vec<u8>, Problem> {
        let answer = self.app.follow(&record.text("/link/url")).await?;
        Ok(answer.bytes().await?.to_vec())
    }
}

fn expect(reply: Reply, status: u16) -> Result<Reply, Problem> {
    match reply.status == status {
        true => Ok(reply),
        false => Err(format!("answered {} {} instead of {status}", reply.status, reply.code()).into()),
    }
}

/// Polls until `ask` returns an answer. Fails after `PATIENCE`.
pub async fn until<T>(what: &str, ask: impl AsyncFn() -> Result<Option<T>, Problem>) -> Result<T, Problem> {
    let mut ticks = interval(ASK_EVERY);
    let asking = async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
        }
    };
    let answer = timeout(PATIENCE, asking).await;
    answer.map_err(|_elapsed| format!("timed out while waiting until {what}"))?
}
