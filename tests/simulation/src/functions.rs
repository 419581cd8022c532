//! Runs the real steps of the functions over the simulated ports. Each step begins with the parsed message or request.

use std::time::Duration;

use network_query::accept::PullAsk;
use network_query::ask_body::AskBody;
use shared::Error;
use shared::domain::log::Actor;
use shared::domain::quarantine::{NotMeReport, QuarantineReason};
use shared::domain::{Aal2SessionId, ChallengeId, PullId, ReceiptId, RecordFolder, RecordId, SourceKind};
use shared::message::webhook::WebhookEvent;
use shared::message::{AccountWork, Advance, FetchRecord};
use shared::metrics::Metrics;
use shared::ports::Clock as _;
use uuid::Uuid;

use crate::io::Io;
use crate::{ids, people, upstream};

/// The values that the app claims to bring from the browser.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Presented {
    pub(crate) challenge: ChallengeId,
    pub(crate) session: Aal2SessionId,
    pub(crate) status: &'static str,
    pub(crate) sources: Vec<SourceKind>,
}

/// The persons' tokens do not name an app.
const ACTOR: Actor = Actor::Person { client: None };

/// The outcome of a record request that is answered with an equal unfinished record.
pub(crate) const EQUAL: &str = "answered with the record that asks for the same";

#[derive(Debug, Clone, serde::Serialize)]
pub(crate) enum Job {
    Advance(Advance),
    Fetch(FetchRecord),
    Process(Box<WebhookEvent>),
    Intake(Box<WebhookEvent>),
    AccountWork(AccountWork),
    Consent {
        person: u8,
    },
    Withdraw {
        person: u8,
    },
    Erase {
        person: u8,
        receipt: ReceiptId,
    },
    Link {
        person: u8,
        demographics: u8,
        folder: RecordFolder,
    },
    OpenSession {
        person: u8,
        mark: Uuid,
    },
    OpenChallenge {
        person: u8,
    },
    Pull {
        person: u8,
        pull: PullId,
        presented: Presented,
    },
    AskRecord {
        person: u8,
        record: RecordId,
        variant: u8,
    },
    ReadRecord {
        person: u8,
        record: RecordId,
    },
    NotMe {
        person: u8,
        record: RecordId,
        reason: QuarantineReason,
    },
    Reconcile,
}

impl Job {
    /// The function's timeout in seconds, as in `template.yaml`.
    pub(crate) const fn timeout_secs(&self) -> u64 {
        match self {
            Self::Advance(_) => 60,
            Self::Fetch(_) | Self::AccountWork(_) => 900,
            Self::Process(_) => 20,
            Self::Intake(_) => 5,
            Self::Reconcile => 59,
            Self::Consent { .. }
            | Self::Withdraw { .. }
            | Self::Erase { .. }
            | Self::NotMe { .. }
            | Self::Link { .. }
            | Self::OpenSession { .. }
            | Self::OpenChallenge { .. } => 29,
            Self::Pull { .. } | Self::AskRecord { .. } | Self::ReadRecord { .. } => 10,
        }
    }

    /// The person for whom the function works, if its message names one.
    pub(crate) fn person(&self) -> Option<u8> {
        match self {
            Self::Advance(advance) => Some(ids::person(&advance.owner)),
            Self::Fetch(fetch) => Some(ids::person(&fetch.owner)),
            Self::Process(_) | Self::Intake(_) | Self::AccountWork(_) | Self::Reconcile => None,
            Self::Consent { person }
            | Self::Withdraw { person }
            | Self::Erase { person, .. }
            | Self::Link { person, .. }
            | Self::OpenSession { person, .. }
            | Self::OpenChallenge { person }
            | Self::Pull { person, .. }
            | Self::AskRecord { person, .. }
            | Self::ReadRecord { person, .. }
            | Self::NotMe { person, .. } => Some(*person),
        }
    }

    pub(crate) const fn due_seq(&self) -> Option<u64> {
        match self {
            Self::Advance(advance) => Some(advance.due_seq),
            Self::Fetch(fetch) => Some(fetch.due_seq),
            _ => None,
        }
    }

    pub(crate) const fn function(&self) -> &'static str {
        match self {
            Self::Advance(_) => "query-dispatch",
            Self::Fetch(_) => "record-fetch",
            Self::Process(_) => "webhook-process",
            Self::Intake(_) => "webhook-intake",
            Self::Reconcile => "reconcile",
            Self::AccountWork(_) => "account-work",
            Self::Consent { .. } | Self::Withdraw { .. } | Self::Erase { .. } | Self::NotMe { .. } => "account",
            Self::Link { .. } | Self::OpenSession { .. } => "identity-session",
            Self::OpenChallenge { .. } => "aal2-challenge",
            Self::Pull { .. } => "network-query",
            Self::AskRecord { .. } | Self::ReadRecord { .. } => "record-read",
        }
    }
}

pub(crate) async fn run(io: &Io, job: &Job) -> Result<&'static str, Error> {
    match job {
        Job::Advance(advance) => query_dispatch::handler::advance(io, advance).await,
        Job::Fetch(message) => {
            let life = Duration::from_secs(job.timeout_secs());
            record_fetch::fetch::fetch(io, message, io.now().plus(life)).await
        }
        Job::Process(event) => webhook_process::process::process(io, event).await,
        Job::Intake(event) => intake(io, event).await,
        Job::Consent { person } => {
            account::give::give(io, &ids::owner(*person), &ACTOR, people::consent()).await?;
            Ok("consent given")
        }
        Job::Withdraw { person } => {
            account::withdraw::withdraw(io, &ids::owner(*person), &ACTOR).await?;
            Ok("consent withdrawn")
        }
        Job::Erase { person, receipt } => {
            account::erase::request(io, &ids::owner(*person), &ACTOR, *receipt).await?;
            Ok("erasure requested")
        }
        Job::AccountWork(work) => {
            let life = Duration::from_secs(job.timeout_secs());
            match work.erasure() {
                Some(erasure) => account_work::erase::erase(io, &Metrics::off(), erasure, io.now().plus(life)).await,
                None => Ok("not simulated"),
            }
        }
        Job::Link {
            person,
            demographics,
            folder,
        } => link(io, *person, *demographics, *folder).await,
        Job::OpenSession { person, mark } => {
            identity_session::open::open(io, &ids::owner(*person), &ACTOR, &people::redirect(), *mark).await?;
            Ok("session opened")
        }
        Job::OpenChallenge { person } => {
            aal2_challenge::open::open(io, &ids::owner(*person), &ACTOR, &people::redirect()).await?;
            Ok("challenge opened")
        }
        Job::Pull {
            person,
            pull,
            presented,
        } => accept(io, *person, *pull, presented).await,
        Job::AskRecord {
            person,
            record,
            variant,
        } => {
            let ask = record_read::request::RecordAsk {
                query: upstream::make_record_query(*variant),
                id: *record,
                resumed: false,
            };
            let (actual, _) = record_read::request::request(io, &ids::owner(*person), ask).await?;
            Ok(if actual.id == *record { "accepted" } else { EQUAL })
        }
        Job::ReadRecord { person, record } => {
            let now = io.now();
            record_read::view::show(io, &ids::owner(*person), &ACTOR, *record, now).await?;
            Ok("record shown")
        }
        Job::NotMe { person, record, reason } => {
            account::not_me::report(io, &ids::owner(*person), &ACTOR, *record, NotMeReport(*reason)).await?;
            Ok("record reported")
        }
        Job::Reconcile => reconcile(io).await,
    }
}

/// `webhook-intake`, which succeeds only after the event is durable.
async fn intake(io: &Io, event: &WebhookEvent) -> Result<&'static str, Error> {
    let now = io.now();
    let event = WebhookEvent {
        received_at: now,
        ..event.clone()
    };
    webhook_intake::intake::keep(io, &Metrics::off(), &event).await?;
    Ok("queued")
}

async fn reconcile(io: &Io) -> Result<&'static str, Error> {
    let (_, replayed) = reconcile::once(io, &Metrics::off()).await?;
    Ok(if replayed { "replayed" } else { "ticked" })
}

async fn link(io: &Io, person: u8, number: u8, folder: RecordFolder) -> Result<&'static str, Error> {
    let owner = ids::owner(person);
    let asking = identity_session::patient::Person {
        owner: &owner,
        actor: &ACTOR,
        external_id: people::external_id(person),
        facility: &people::FACILITY,
    };
    let secrets = people::link_secrets(folder);
    identity_session::patient::link(io, &asking, people::demographics(number), secrets).await?;
    Ok("linked")
}

async fn accept(io: &Io, person: u8, id: PullId, presented: &Presented) -> Result<&'static str, Error> {
    let body = AskBody {
        challenge: presented.challenge.clone(),
        aal2_status: presented.status.to_owned(),
        enabled: presented.sources.clone(),
        purpose_of_use: None,
    };
    let ask = PullAsk {
        actor: &ACTOR,
        session: Some(presented.session.as_str()),
        body,
        id,
        resumed: false,
    };
    network_query::accept::accept(io, &ids::owner(person), ask, &people::OWNER_KEY).await?;
    Ok("accepted")
}
