//! The persons of a burst: made ready up to the moment of the pull, and then asking.

use std::sync::Arc;
use std::time::Duration;

use ias::report::Progress;
use sandbox_machine::app::{App, QueryAsk, Reply};
use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_machine::{Sandbox, SandboxError};
use serde_json::{Value, json};
use shared::domain::Time;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many are made ready at the same time.
const AT_ONCE: usize = 8;
/// How often a person's app asks whether the identity is verified, and how often it asks in all.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASKS_MAX: u32 = 300;
/// How often a pull is asked for again that got no answer.
const ASKS_AGAIN_MAX: u32 = 3;

/// One person, verified and with a challenge passed.
pub(super) struct Member {
    app: App,
    pull: QueryAsk,
}

/// What asking for a pull led to.
#[derive(Debug)]
pub(super) enum Asked {
    /// Accepted, with a time for its start.
    Accepted {
        /// The pull.
        run: String,
        /// When it starts, if that was told.
        start_at: Option<Time>,
    },
    /// Refused for want of a slot.
    Refused {
        /// When to ask again.
        retry_after_secs: u64,
    },
    /// The gateway gave up waiting.
    Unanswered,
    /// Anything else.
    Otherwise(String),
}

/// So many persons, made ready a few at a time.
pub(super) async fn gather(sandbox: &Sandbox, people: usize, progress: &Progress) -> Result<Vec<Member>, String> {
    let (permits, mut joining) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for index in 0..people {
        let app = sandbox
            .app(&format!("person-{index}"))
            .map_err(|error: SandboxError| error.to_string())?;
        let permits = Arc::clone(&permits);
        joining.spawn(async move {
            let _permit = permits.acquire().await.map_err(|error| error.to_string())?;
            prepare(app, index).await
        });
    }
    let mut members = Vec::new();
    while let Some(joined) = joining.join_next().await {
        members.push(joined.map_err(|error| error.to_string())??);
        progress.show(&format!("  {} of {people} persons are ready", members.len()));
    }
    Ok(members)
}

async fn prepare(app: App, index: usize) -> Result<Member, String> {
    let browser = Browser::new().map_err(|error| error.to_string())?;
    answered(app.put_patient(&demographics(index)).await, 200)?;
    let session = answered(app.open_identity_session(IDENTITY_RETURN).await, 201)?;
    let page = session.text("/sessionUrl");
    browser.pass(&page).await.map_err(|error| error.to_string())?;
    verified(&app).await?;
    let challenge = answered(app.open_challenge(AAL2_RETURN).await, 201)?;
    let page = challenge.text("/challengeUrl");
    let back = browser.pass(&page).await.map_err(|error| error.to_string())?;
    let session = back.session.ok_or("the challenge page gave no AAL2 session")?;
    let mut pull = QueryAsk::everything(&challenge.text("/challengeId"), &session);
    if let Some(sources) = pull.body.get_mut("sources") {
        *sources = json!({ "hie": { "enabled": true } });
    }
    Ok(Member { app, pull })
}

async fn verified(app: &App) -> Result<(), String> {
    let mut ticks = tokio::time::interval(ASK_EVERY);
    for _ in 0..ASKS_MAX {
        ticks.tick().await;
        if answered(app.identity().await, 200)?.text("/status") == "verified" {
            return Ok(());
        }
    }
    Err("an identity was not verified in time".to_owned())
}

fn answered(reply: Result<Reply, sandbox_machine::app::NoReply>, status: u16) -> Result<Reply, String> {
    let reply = reply.map_err(|error| error.to_string())?;
    match reply.status == status {
        true => Ok(reply),
        false => Err(format!(
            "answered {} {} instead of {status}",
            reply.status,
            reply.code()
        )),
    }
}

/// Nobody is like anybody else to Metriport.
fn demographics(index: usize) -> Value {
    let letters: String = [index / 676, index / 26, index]
        .into_iter()
        .filter_map(|part| char::from_digit(u32::try_from(part % 26).ok()? + 10, 36))
        .collect();
    json!({
        "firstName": "Jane",
        "lastName": format!("Quill{letters}"),
        "dob": format!("{}-{:02}-{:02}", 1930 + index % 60, 1 + (index / 60) % 12, 1 + (index / 720) % 28),
        "genderAtBirth": "F",
        "address": [{ "addressLine1": format!("{} Birch Ln", 10 + index), "city": "Dayton", "state": "OH", "zip": "45402" }],
        "contact": [{ "email": format!("quill-{index}@example.test") }],
    })
}

impl Member {
    /// Asks for the pull. Where no answer comes in time, the app does as it should: it looks for the pull before it
    /// asks again.
    pub(super) async fn ask(&self) -> Asked {
        let mut asked = self.ask_once().await;
        for _ in 0..ASKS_AGAIN_MAX {
            if !matches!(asked, Asked::Unanswered) {
                break;
            }
            asked = match self.found().await {
                Some(accepted) => accepted,
                None => self.ask_once().await,
            };
        }
        asked
    }

    /// The pull that was accepted although no answer said so.
    async fn found(&self) -> Option<Asked> {
        let listed = self.app.get("/v1/network-queries").await.ok()?;
        let run = listed.list("/networkQueries").first()?;
        let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Asked::Accepted {
            run: text("id"),
            start_at: Time::parse(&text("estimatedStartAt")).ok(),
        })
    }

    async fn ask_once(&self) -> Asked {
        let reply = match self.app.start_query(&self.pull).await {
            Ok(reply) => reply,
            Err(error) => return Asked::Otherwise(error.to_string()),
        };
        let retry_after = reply
            .headers
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let start_at = Time::parse(&reply.text("/estimatedStartAt"));
        match (reply.status, reply.code().as_str(), retry_after, start_at) {
            (202, _, _, Ok(start_at)) => Asked::Accepted {
                run: reply.text("/id"),
                start_at: Some(start_at),
            },
            (503, ..) => Asked::Unanswered,
            (429, "upstream_busy", Some(retry_after_secs), _) => Asked::Refused { retry_after_secs },
            (status, code, ..) => Asked::Otherwise(format!("a pull was answered {status} {code}")),
        }
    }

    /// How a pull ended, if it has: its status, and the reason if there is one.
    pub(super) async fn ending(&self, run: &str) -> Option<String> {
        let reply = self.app.get(&format!("/v1/network-queries/{run}")).await.ok()?;
        let (status, reason) = (reply.text("/status"), reply.text("/reason"));
        let waits = status.is_empty() || reply.text("/next/action") == "wait";
        (!waits).then(|| format!("{status} {reason}").trim().to_owned())
    }
}
