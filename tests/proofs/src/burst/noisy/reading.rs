//! One pull of a person, from the challenge to the bytes of the record, as a careful app makes it. Every refusal is
//! counted.

use std::time::Duration;

use sandbox_machine::app::{App, NoReply, QueryAsk, Reply};
use sandbox_machine::sandbox::AAL2_RETURN;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use crate::asking::{Refusals, refusal, retry_after};
use crate::verified::VerifiedPerson;

/// The app's polling interval, before time is scaled.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// The pull and record that a person has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pull: String,
    pub(super) record: String,
}

/// The result of a pull.
#[derive(Debug)]
pub(super) struct Reading {
    /// From the first request to the last byte, or until the app gave up.
    pub(super) took: Duration,
    /// The pull and record, or the reason why nothing was read.
    pub(super) outcome: Result<Found, String>,
    /// Refusals of the requests of the pull.
    pub(super) refusals: Refusals,
}

/// Pulls once and reads the record, within `patience`.
pub(super) async fn read(person: &VerifiedPerson, patience: Duration, time_scale: u32) -> Reading {
    let begun = Instant::now();
    let mut reader = Reader {
        app: &person.app,
        until: begun + patience,
        every: ASK_EVERY / time_scale.max(1),
        refusals: Refusals::default(),
    };
    let outcome = reader.whole(person).await;
    Reading {
        took: begun.elapsed(),
        outcome,
        refusals: reader.refusals,
    }
}

struct Reader<'p> {
    app: &'p App,
    until: Instant,
    every: Duration,
    refusals: Refusals,
}

impl Reader<'_> {
    async fn whole(&mut self, person: &VerifiedPerson) -> Result<Found, String> {
        let app = self.app;
        let ask = self.pass_challenge(person).await?;
        let accepted = self.insist(202, || app.start_query(&ask)).await?;
        let pull = accepted.text("/id");
        let record = self.until_ended(&pull).await?;
        let path = format!("/v1/records/{record}");
        let shown = self.insist(200, || app.get(&path)).await?;
        match self.is_intact(&shown).await {
            Some(true) => Ok(Found { pull, record }),
            Some(false) => Err("the bytes differ from the record's size or SHA-256".to_owned()),
            None => Err("the record link failed".to_owned()),
        }
    }

    async fn pass_challenge(&mut self, person: &VerifiedPerson) -> Result<QueryAsk, String> {
        let app = self.app;
        let opened = self.insist(201, || app.open_challenge(AAL2_RETURN)).await?;
        let (challenge, page) = (opened.text("/challengeId"), opened.text("/challengeUrl"));
        person.pass_page(&challenge, &page).await
    }

    /// Waits for the end of a pull and returns the id of its record.
    async fn until_ended(&mut self, pull: &str) -> Result<String, String> {
        let (app, path) = (self.app, format!("/v1/network-queries/{pull}"));
        loop {
            let shown = self.insist(200, || app.get(&path)).await?;
            match shown.text("/next/action").as_str() {
                "wait" if Instant::now() < self.until => sleep(self.every).await,
                "wait" => return Err("the pull did not end in time".to_owned()),
                "read_record" => return Ok(last_segment(&shown.text("/next/url"))),
                _ => return Err(format!("{} {}", shown.text("/status"), shown.text("/reason"))),
            }
        }
    }

    /// Repeats a request until it is answered with this status, refused permanently, or out of time.
    async fn insist<F, R>(&mut self, status: u16, ask: F) -> Result<Reply, String>
    where
        F: Fn() -> R,
        R: Future<Output = Result<Reply, NoReply>>,
    {
        loop {
            let (code, wait) = match ask().await {
                Ok(reply) if reply.status == status => return Ok(reply),
                Ok(reply) => {
                    let code = refusal(&reply).unwrap_or_else(|| format!("answered {}", reply.status));
                    *self.refusals.entry(code.clone()).or_default() += 1;
                    if !is_passing(&reply) {
                        return Err(code);
                    }
                    (code, retry_after(&reply).unwrap_or(self.every))
                }
                Err(error) => (error.to_string(), self.every),
            };
            if Instant::now() + wait >= self.until {
                return Err(format!("the time limit passed after {code}"));
            }
            sleep(wait).await;
        }
    }

    async fn is_intact(&self, shown: &Reply) -> Option<bool> {
        let mut answer = self.app.follow(&shown.text("/link/url")).await.ok()?;
        let (mut bytes, mut digest) = (0, Sha256::new());
        while let Some(piece) = answer.chunk().await.ok()? {
            bytes += piece.len() as u64;
            digest.update(&piece);
        }
        Some(bytes == shown.number("/bytes") && hex::encode(digest.finalize()) == shown.text("/sha256"))
    }
}

fn last_segment(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Whether a retry of the same request may succeed.
fn is_passing(reply: &Reply) -> bool {
    matches!(reply.status, 423 | 429 | 500..=599) || reply.code() == "state_changed"
}
