//! One person with their app and browser, over a sandbox whose functions are run by this very binary.

use std::time::Duration;

use sandbox_host::Runner;
use sandbox_machine::app::{App, QueryAsk, Reply};
use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{Delays, PerMinute, StandInOptions};
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::Problem;

/// So many calls a minute that nobody waits, and not so many that the places of a budget become a large item.
const CALM: PerMinute = PerMinute {
    patient: 10_000,
    identity: 10_000,
    query: 10_000,
    consolidated: 10_000,
};
/// How often an app asks whether it is done.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// A sandbox in which the networks take `delay_ms` for each thing, HIE twice as long, and no limit is met.
///
/// # Errors
/// When this binary cannot be found.
pub fn calm(delay_ms: u64) -> Result<SandboxOptions, Problem> {
    let exe = std::env::current_exe()?;
    let args = vec!["function".to_owned()];
    let mut options = SandboxOptions::new(Runner::SelfExec { exe, args });
    options.schedule_scale = 0;
    options.throttled = false;
    options.stand_in = stand_in(delay_ms);
    Ok(options)
}

/// The stand-in of such a sandbox.
pub fn stand_in(delay_ms: u64) -> StandInOptions {
    StandInOptions {
        // HIE is the last to end: so there is one record, and not now and then another that it has to wait for.
        delays: Delays {
            hie_ms: 2 * delay_ms,
            ..Delays::all(delay_ms)
        },
        auto_approve: true,
        limits: CALM,
        redirect_allowlist: vec![IDENTITY_RETURN.to_owned(), AAL2_RETURN.to_owned()],
        ..StandInOptions::default()
    }
}

/// Demographics that no other number has.
pub fn demographics(number: usize) -> Value {
    let (year, month, day) = (1930 + number % 60, 1 + (number / 60) % 12, 1 + (number / 720) % 28);
    json!({
        "firstName": "Jane", "lastName": "Quill", "genderAtBirth": "F",
        "dob": format!("{year}-{month:02}-{day:02}"),
        "address": [{ "addressLine1": format!("{} Birch Ln", 10 + number), "city": "Dayton", "state": "OH",
            "zip": "45402" }],
        "contact": [{ "email": format!("quill-{number}@example.test") }],
    })
}

/// One person.
pub struct Person {
    app: App,
    browser: Browser,
    /// The subject of their token.
    pub subject: String,
}

impl Person {
    /// Links and proofs a person.
    ///
    /// # Errors
    /// When something is not answered as it must be.
    pub async fn ready(sandbox: &Sandbox, number: usize) -> Result<Self, Problem> {
        let (subject, browser) = (format!("person-{number}"), Browser::new()?);
        let app = sandbox.app(&subject)?;
        answered(app.put_patient(&demographics(number)).await?, 200)?;
        let session = answered(app.open_identity_session(IDENTITY_RETURN).await?, 201)?;
        browser.pass(&session.text("/sessionUrl")).await?;
        let person = Self { app, browser, subject };
        until("the identity is verified", async || {
            let identity = person.app.identity().await?;
            Ok((identity.text("/status") == "verified").then_some(()))
        })
        .await?;
        Ok(person)
    }

    /// Passes a challenge and starts a pull; gives its id.
    ///
    /// # Errors
    /// As [`Person::ready`].
    pub async fn start(&self) -> Result<String, Problem> {
        let challenge = answered(self.app.open_challenge(AAL2_RETURN).await?, 201)?;
        let back = self.browser.pass(&challenge.text("/challengeUrl")).await?;
        let session = back.session.ok_or("the challenge page gave no AAL2 session")?;
        let ask = QueryAsk::everything(&challenge.text("/challengeId"), &session);
        Ok(answered(self.app.start_query(&ask).await?, 202)?.text("/id"))
    }

    /// A pull as it stands.
    ///
    /// # Errors
    /// As [`Person::ready`].
    pub async fn run(&self, id: &str) -> Result<Reply, Problem> {
        answered(self.app.get(&format!("/v1/network-queries/{id}")).await?, 200)
    }

    /// Waits for the end of a pull, asking as an app does, and gives the bytes of the record it brought.
    ///
    /// # Errors
    /// As [`Person::ready`], and when the pull does not complete.
    pub async fn finish(&self, id: &str) -> Result<u64, Problem> {
        let run = until("the pull has ended", async || {
            let run = self.run(id).await?;
            Ok((run.text("/next/action") != "wait").then_some(run))
        })
        .await?;
        self.fetch(&run).await
    }

    /// Reads the record that a completed pull brought, and gives its bytes.
    ///
    /// # Errors
    /// As [`Person::finish`].
    pub async fn fetch(&self, run: &Reply) -> Result<u64, Problem> {
        if run.text("/status") != "completed" {
            return Err(format!("a pull ended {}", run.body).into());
        }
        let record = answered(self.app.get(&run.text("/next/url")).await?, 200)?;
        let bytes = self.app.follow(&record.text("/link/url")).await?.bytes().await?;
        Ok(u64::try_from(bytes.len())?)
    }
}

fn answered(reply: Reply, status: u16) -> Result<Reply, Problem> {
    match reply.status == status {
        true => Ok(reply),
        false => Err(format!("answered {} {} instead of {status}", reply.status, reply.code()).into()),
    }
}

/// Asks until there is an answer.
///
/// # Errors
/// When asking fails, and when there is none for very long.
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
    answer.map_err(|_elapsed| format!("waited in vain until {what}"))?
}
