//! The functions: the same reads, calls, writes and sends in the same order as in `functions/*/src`, and reads that
//! they make at once in one of their orders. Decisions are taken where they are taken there, in `shared::domain`. What
//! is left out is what no rule depends on: HTTP, JSON, redirect URLs, logs.

pub(crate) mod dispatch;
pub(crate) mod fetch;
pub(crate) mod people;
pub(crate) mod pull;
pub(crate) mod webhook;

use shared::Error;
use shared::domain::{RecordId, RunId};
use shared::metrics::Metrics;
use shared::queue::{Advance, FetchRecord, Subject};
use shared::webhook::WebhookEvent;

use crate::io::{Body, Io};

/// How often a write is decided anew when others write the same items.
const ATTEMPTS: u32 = 8;

/// What a function is invoked for.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) enum Job {
    Advance(Advance),
    Fetch(FetchRecord),
    Process(Box<WebhookEvent>),
    Intake(Box<WebhookEvent>),
    Link {
        person: u8,
        demographics: u8,
    },
    OpenSession {
        person: u8,
        mark: String,
    },
    OpenChallenge {
        person: u8,
    },
    Pull {
        person: u8,
        run: RunId,
        presented: pull::Presented,
    },
    AskRecord {
        person: u8,
        record: RecordId,
        variant: u8,
    },
    Reconcile,
}

impl Job {
    /// How long the function may take, in seconds, as `template.yaml` says.
    pub(crate) const fn timeout_secs(&self) -> u64 {
        match self {
            Self::Advance(_) => 60,
            Self::Fetch(_) => 900,
            Self::Process(_) => 20,
            Self::Intake(_) => 5,
            Self::Reconcile => 59,
            Self::Link { .. } | Self::OpenSession { .. } | Self::OpenChallenge { .. } => 29,
            Self::Pull { .. } | Self::AskRecord { .. } => 10,
        }
    }

    /// The function's name.
    pub(crate) const fn function(&self) -> &'static str {
        match self {
            Self::Advance(_) => "query-dispatch",
            Self::Fetch(_) => "record-fetch",
            Self::Process(_) => "webhook-process",
            Self::Intake(_) => "webhook-intake",
            Self::Reconcile => "reconcile",
            Self::Link { .. } | Self::OpenSession { .. } => "identity-session",
            Self::OpenChallenge { .. } => "aal2-challenge",
            Self::Pull { .. } => "network-query",
            Self::AskRecord { .. } => "record-read",
        }
    }
}

/// Runs a function to its end.
pub(crate) async fn run(io: &Io, job: &Job) -> Result<&'static str, Error> {
    match job {
        Job::Advance(advance) => match advance.subject {
            Subject::Run(id) => dispatch::run::advance(io, advance, id).await,
            Subject::Record(id) => dispatch::record::advance(io, advance, id).await,
        },
        Job::Fetch(message) => fetch::fetch(io, message).await,
        Job::Process(event) => webhook::process(io, event).await,
        Job::Intake(event) => intake(io, event).await,
        Job::Link { person, demographics } => people::link(io, *person, *demographics).await,
        Job::OpenSession { person, mark } => people::open_session(io, *person, mark).await,
        Job::OpenChallenge { person } => people::open_challenge(io, *person).await,
        Job::Pull { person, run, presented } => pull::accept(io, *person, *run, presented).await,
        Job::AskRecord {
            person,
            record,
            variant,
        } => people::ask_record(io, *person, *record, *variant).await,
        Job::Reconcile => reconcile(io).await,
    }
}

/// Answers 200 only after the event is durable.
async fn intake(io: &Io, event: &WebhookEvent) -> Result<&'static str, Error> {
    let now = io.now().await;
    let event = WebhookEvent {
        received_at: now,
        ..event.clone()
    };
    io.send(Body::Webhook(Box::new(event)), std::time::Duration::ZERO)
        .await?;
    Ok("queued")
}

/// One tick: the function's own code, over the simulated table, queue and Metriport.
async fn reconcile(io: &Io) -> Result<&'static str, Error> {
    let (now, metrics) = (io.now().await, Metrics::off());
    reconcile::tick::tick(io, io, &metrics, now, io.timing).await?;
    let replayed = reconcile::replay::replay(io, io, io, &metrics, now, io.timing).await;
    Ok(if replayed.unwrap_or(false) {
        "replayed"
    } else {
        "ticked"
    })
}
