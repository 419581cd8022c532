//! The persons of a burst: made ready up to the moment of the pull, and then asking.

use ias::report::Progress;
use sandbox_machine::Sandbox;
use sandbox_machine::app::{App, QueryAsk};
use serde_json::Value;
use shared::domain::Time;

use crate::verified::{self, VerifiedPerson};

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

/// So many persons, up to the moment of the pull.
pub(super) async fn gather(sandbox: &Sandbox, people: usize, progress: &Progress) -> Result<Vec<Member>, String> {
    verified::gather(sandbox, people, progress, prepare).await
}

async fn prepare(app: App, index: usize) -> Result<Member, String> {
    let person = VerifiedPerson::verify(app, &verified::demographics(index)).await?;
    let pull = person.pass_challenge().await?;
    Ok(Member { app: person.app, pull })
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
