//! Plays and times the four steps of the flow.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox_machine::app::{App, QueryAsk, Reply};
use serde::Serialize;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::pages::{Pages, Returns};
use crate::report::{Progress, bytes, say, say_line, time};

/// Shortest and longest gap between two requests for a status. The gap grows with the time waited.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASK_EVERY_AT_LEAST: Duration = Duration::from_secs(5);

/// Plays the app, the browser and the person.
pub(crate) struct Puller {
    app: App,
    pages: Pages,
    returns: Returns,
    progress: Progress,
    pub(super) lines: Vec<Line>,
    quiet: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    step: u8,
    name: &'static str,
    what: String,
    millis: u128,
}

pub(crate) struct Fetched {
    pub(crate) query: String,
    pub(crate) status: String,
    pub(crate) record: String,
    pub(super) record_status: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) file: Option<RecordFile>,
}

/// The downloaded record: in the file that the user named, or in a file that is deleted when the command ends.
pub(crate) enum RecordFile {
    Named(PathBuf),
    Temporary(NamedTempFile),
}

impl RecordFile {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Temporary(file) => file.path(),
        }
    }

    pub(crate) fn named_path(&self) -> Option<&Path> {
        match self {
            Self::Named(path) => Some(path),
            Self::Temporary(_) => None,
        }
    }
}

impl Puller {
    /// Creates a puller at the start of the flow. `quiet` suppresses its output.
    pub(crate) fn new(app: App, pages: Pages, returns: Returns, quiet: bool) -> Self {
        Self {
            app,
            pages,
            returns,
            progress: Progress::new(quiet),
            lines: Vec::new(),
            quiet,
        }
    }

    pub(crate) fn head(&self, text: &str) {
        if !self.quiet {
            say(&format!("\n{text}"));
        }
    }

    fn step(&mut self, step: u8, name: &'static str, what: String, begun: Instant) {
        let spent = begun.elapsed();
        self.progress.clear();
        if !self.quiet {
            say_line(&format!("  {step} {name:<9}  {what:<72}  {:>8}", time(spent)));
        }
        self.lines.push(Line {
            step,
            name,
            what,
            millis: spent.as_millis(),
        });
    }

    /// Makes step 1, unless the identity is already verified.
    pub(crate) async fn identity_unless_verified(&mut self, demographics: &Value) -> Result<(), String> {
        let begun = Instant::now();
        let identity = expect(self.app.identity().await, 200, "GET /v1/identity")?;
        if identity.text("/next/action") == "open_challenge" {
            self.step(1, "Identity", "verified already".to_owned(), begun);
            return Ok(());
        }
        self.identity(demographics).await
    }

    /// Before step 1: consents to the notice in force, unless the person has done so.
    async fn consent(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let reply = expect(self.app.give_consent().await, 200, "PUT /v1/me/consent")?;
        let what = match reply.text("/notice/version") {
            version if version.is_empty() => "kept by the app".to_owned(),
            version => format!("to notice {version}, {}", reply.text("/notice/url")),
        };
        self.step(0, "Consent", what, begun);
        Ok(())
    }

    /// Step 1: proves the person's identity.
    pub(super) async fn identity(&mut self, demographics: &Value) -> Result<(), String> {
        self.consent().await?;
        let begun = Instant::now();
        expect(self.app.put_patient(demographics).await, 200, "PUT /v1/patient")?;
        let return_to = &self.returns.identity;
        let opened = self.app.open_identity_session(return_to).await;
        let opened = expect(opened, 201, "POST /v1/identity-sessions")?;
        self.pages.identity(&opened.text("/sessionUrl"), return_to).await?;
        let (app, progress) = (&self.app, &self.progress);
        let status = poll(self.pages.confirmation(), async || {
            let identity = expect(app.identity().await, 200, "GET /v1/identity")?;
            let status = identity.text("/status");
            progress.show(&format!("  1 Identity   {status}"));
            Ok((status != "pending" && status != "confirming").then_some(status))
        })
        .await?;
        match status.as_deref() {
            Some("verified") => {
                let what = "patient linked, hosted page passed (IAL2), identity verified by webhook".to_owned();
                self.step(1, "Identity", what, begun);
                Ok(())
            }
            other => Err(format!(
                "the identity was not confirmed ({}): another person may have passed the proofing",
                other.unwrap_or("still pending")
            )),
        }
    }

    /// Makes steps 2 to 4.
    pub(crate) async fn pull(&mut self, out: Option<&Path>) -> Result<Fetched, String> {
        let ask = self.challenge().await?;
        let pull = self.query(&ask).await?;
        let path = self.find_record(&pull).await?;
        self.record((pull.text("/id"), pull.text("/status")), &path, out).await
    }

    /// Step 2: passes a fresh second factor.
    async fn challenge(&mut self) -> Result<QueryAsk, String> {
        let begun = Instant::now();
        let return_to = &self.returns.aal2;
        let opened = self.app.open_challenge(return_to).await;
        let opened = expect(opened, 201, "POST /v1/aal2-challenges")?;
        let session = self.pages.challenge(&opened.text("/challengeUrl"), return_to).await?;
        let what = format!(
            "hosted page passed (AAL2, {}), fresh session for one query",
            opened.text("/method")
        );
        self.step(2, "Challenge", what, begun);
        Ok(QueryAsk::everything(&opened.text("/challengeId"), &session))
    }

    /// Step 3: starts a network query and waits for its end.
    async fn query(&mut self, ask: &QueryAsk) -> Result<Reply, String> {
        let begun = Instant::now();
        let accepted = expect(self.app.start_query(ask).await, 202, "POST /v1/network-queries")?;
        let path = format!("/v1/network-queries/{}", accepted.text("/id"));
        let (app, progress) = (&self.app, &self.progress);
        let ended = poll(self.pages.patience(), async || {
            let pull = expect(app.get(&path).await, 200, "GET /v1/network-queries/{id}")?;
            progress.show(&format!("  3 Query      {} ({})", pull.text("/status"), sources(&pull)));
            let waiting = pull.text("/next/action") == "wait";
            Ok((!waiting).then_some(pull))
        })
        .await?;
        let pull = ended.ok_or("the network query did not end in time")?;
        self.step(
            3,
            "Query",
            format!("{}: {}", sources(&pull), pull.text("/status")),
            begun,
        );
        match pull.text("/status").as_str() {
            "completed" | "partial" => Ok(pull),
            status => Err(format!("the network query ended {status} ({})", pull.text("/reason"))),
        }
    }

    /// The path of the pull's final record. If the record is quarantined, the pull's next action does not lead there.
    async fn find_record(&self, pull: &Reply) -> Result<String, String> {
        if pull.text("/next/action") == "read_record" {
            return Ok(pull.text("/next/url"));
        }
        let listed = expect(self.app.get("/v1/records").await, 200, "GET /v1/records")?;
        let is_final = |record: &&Value| record["networkQuery"] == pull.text("/id") && record["phase"] == "final";
        let found = listed.list("/records").iter().find(is_final);
        let id = found.and_then(|record| record["id"].as_str());
        Ok(format!("/v1/records/{}", id.ok_or("the pull has no record")?))
    }

    /// Reads a record again that was quarantined.
    pub(super) async fn read_released(&mut self, hidden: Fetched, out: Option<&Path>) -> Result<Fetched, String> {
        let what = "other Patients than the person: quarantine released as same_person".to_owned();
        self.step(4, "Operator", what, Instant::now());
        let path = format!("/v1/records/{}", hidden.record);
        self.record((hidden.query, hidden.status), &path, out).await
    }

    /// Step 4: downloads the record by a link that lives one minute.
    async fn record(
        &mut self,
        (query, status): (String, String),
        path: &str,
        out: Option<&Path>,
    ) -> Result<Fetched, String> {
        let begun = Instant::now();
        let record = expect(self.app.get(path).await, 200, "GET /v1/records/{id}")?;
        let link = record.text("/link/url");
        let mut fetched = Fetched {
            query,
            status,
            record: record.text("/id"),
            record_status: record.text("/status"),
            bytes: record.number("/bytes"),
            sha256: record.text("/sha256"),
            file: None,
        };
        if link.is_empty() {
            self.step(
                4,
                "Record",
                format!("nothing to download: {}", record.text("/status")),
                begun,
            );
            return Ok(fetched);
        }
        fetched.file = Some(self.download(&link, out).await?);
        let counts = record.body.get("counts").and_then(Value::as_object);
        let resources: u64 = counts
            .into_iter()
            .flatten()
            .filter_map(|(_, count)| count.as_u64())
            .sum();
        let what = format!(
            "{resources} resources, {}, by a link that lives 60 s",
            bytes(fetched.bytes)
        );
        self.step(4, "Record", what, begun);
        Ok(fetched)
    }

    async fn download(&self, link: &str, out: Option<&Path>) -> Result<RecordFile, String> {
        let failed = |error: std::io::Error| format!("the record could not be written: {error}");
        let mut answer = self.app.follow(link).await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("the record's link answered {}", answer.status().as_u16()));
        }
        let file = match out {
            Some(path) => RecordFile::Named(path.to_owned()),
            None => RecordFile::Temporary(NamedTempFile::new().map_err(failed)?),
        };
        let mut sink = tokio::fs::File::create(file.path()).await.map_err(failed)?;
        while let Some(piece) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
            sink.write_all(&piece).await.map_err(failed)?;
        }
        sink.flush().await.map_err(failed)?;
        Ok(file)
    }
}

fn sources(pull: &Reply) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let words = pull
        .list("/sources")
        .iter()
        .map(|source| format!("{} {}", text(source, "type"), text(source, "status")));
    words.collect::<Vec<_>>().join(", ")
}

fn expect(reply: Result<Reply, sandbox_machine::app::NoReply>, status: u16, what: &str) -> Result<Reply, String> {
    let reply = reply.map_err(|error| format!("{what}: {error}"))?;
    if reply.status == status {
        return Ok(reply);
    }
    let reason = if reply.code().is_empty() {
        reply.text("/message")
    } else {
        reply.code()
    };
    let fields = reply.list("/errors").iter();
    let fields: Vec<_> = fields.filter_map(|error| error.get("pointer")?.as_str()).collect();
    let at = match fields.is_empty() {
        true => String::new(),
        false => format!(" at {}", fields.join(", ")),
    };
    let next = match reply.text("/next/action") {
        next if next.is_empty() => next,
        next => format!(" (next: {next})"),
    };
    Err(format!("{what} answered {} {reason}{at}{next}", reply.status))
}

/// Calls `ask`, as an app polls, until it returns an answer. Returns `None` if it does not within `patience`.
async fn poll<T>(patience: Duration, ask: impl AsyncFn() -> Result<Option<T>, String>) -> Result<Option<T>, String> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(Some(answer));
        }
        if begun.elapsed() >= patience {
            return Ok(None);
        }
        tokio::time::sleep((begun.elapsed() / 50).clamp(ASK_EVERY, ASK_EVERY_AT_LEAST)).await;
    }
}
