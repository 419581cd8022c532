//! The persons of a burst. Each person is verified, passes a challenge, and then asks for the pull.

use ias::report::Progress;
use sandbox_machine::Sandbox;
use sandbox_machine::app::{App, QueryAsk};
use serde_json::Value;
use shared::domain::Time;

use crate::verified::{self, VerifiedPerson};

/// Maximum number of retries of a request for a pull that got no answer.
const ASKS_AGAIN_MAX: u32 = 3;

/// A verified person who has passed a challenge.
pub(super) struct Member {
    app: App,
    pull: QueryAsk,
}

/// The answer to a request for a pull.
#[derive(Debug)]
pub(super) enum StartReply {
    /// Accepted.
    Accepted {
        /// The id of the pull.
        pull: String,
        /// When the pull starts, if the answer names a time.
        start_at: Option<Time>,
    },
    /// Refused, because no slot is free.
    Refused {
        /// When to ask again.
        retry_after_secs: u64,
    },
    /// API Gateway timed out (503).
    Unanswered,
    /// Any other answer.
    Otherwise(String),
}

/// Prepares this many persons, up to the pull.
pub(super) async fn gather(sandbox: &Sandbox, people: usize, progress: &Progress) -> Result<Vec<Member>, String> {
    verified::gather(sandbox, people, progress, prepare).await
}

async fn prepare(app: App, index: usize) -> Result<Member, String> {
    let person = VerifiedPerson::verify(app, &verified::demographics(index)).await?;
    let pull = person.pass_challenge().await?;
    Ok(Member { app: person.app, pull })
}

impl Member {
    /// Asks for the pull. After a request without an answer, looks for an accepted pull before it retries, as an app
    /// should.
    pub(super) async fn ask(&self) -> StartReply {
        let mut reply = self.ask_once().await;
        for _ in 0..ASKS_AGAIN_MAX {
            if !matches!(reply, StartReply::Unanswered) {
                break;
            }
            reply = match self.found().await {
                Some(accepted) => accepted,
                None => self.ask_once().await,
            };
        }
        reply
    }

    /// Finds a pull that was accepted although the answer was lost.
    async fn found(&self) -> Option<StartReply> {
        let listed = self.app.get("/v1/network-queries").await.ok()?;
        let pull = listed.list("/networkQueries").first()?;
        let text = |name: &str| pull.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(StartReply::Accepted {
            pull: text("id"),
            start_at: Time::parse(&text("estimatedStartAt")).ok(),
        })
    }

    async fn ask_once(&self) -> StartReply {
        let reply = match self.app.start_query(&self.pull).await {
            Ok(reply) => reply,
            Err(error) => return StartReply::Otherwise(error.to_string()),
        };
        let retry_after = reply
            .headers
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let start_at = Time::parse(&reply.text("/estimatedStartAt"));
        match (reply.status, reply.code().as_str(), retry_after, start_at) {
            (202, _, _, Ok(start_at)) => StartReply::Accepted {
                pull: reply.text("/id"),
                start_at: Some(start_at),
            },
            (503, ..) => StartReply::Unanswered,
            (429, "upstream_busy", Some(retry_after_secs), _) => StartReply::Refused { retry_after_secs },
            (status, code, ..) => StartReply::Otherwise(format!("a pull was answered {status} {code}")),
        }
    }

    /// The status of an ended pull, with its reason if it has one; `None` while the pull waits.
    pub(super) async fn ending(&self, pull: &str) -> Option<String> {
        let reply = self.app.get(&format!("/v1/network-queries/{pull}")).await.ok()?;
        let (status, reason) = (reply.text("/status"), reply.text("/reason"));
        let waits = status.is_empty() || reply.text("/next/action") == "wait";
        (!waits).then(|| format!("{status} {reason}").trim().to_owned())
    }
}
