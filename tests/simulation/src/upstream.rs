//! A model of Metriport, as far as the rules need it: patients, hosted pages, network queries, consolidated queries,
//! files, and webhooks that it sends once. The model does not enforce our rules. It prevents only what the real
//! Metriport certainly prevents, such as the AAL2 session of another identity. The rules find the other faults.

mod person;
mod queries;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use shared::domain::pull::{QueryReport, SourceOutcome};
use shared::domain::record::RecordQuery;
use shared::domain::{
    Aal2SessionId, ChallengeId, DemographicsHash, ExternalId, IdentitySessionId, MessageId, PatientId,
    ProofedIdentityId, PullId, RecordId, SourceKind, Time, UpstreamRequestId,
};
use shared::message::webhook::{Event, Marks, WebhookEvent};
use shared::message::{Link, VERSION};
use shared::metriport::{Mentions, Operation, UpstreamError, UpstreamErrorKind};

use crate::choice::Fault;
use crate::ids::opaque;

pub(crate) use queries::{filters, make_record_query};

/// The delay that a 429 names.
pub(crate) const BUSY: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
pub(crate) enum Call {
    FindPatient(ExternalId),
    CreatePatient(ExternalId, DemographicsHash),
    UpdatePatient(PatientId, DemographicsHash),
    OpenSession(PatientId, String),
    OpenChallenge(ProofedIdentityId),
    StartQuery(Box<StartQuery>),
    ReadQuery(UpstreamRequestId),
    StartConsolidated(RecordId, PatientId, RecordQuery),
    WebhookStatus,
    RetryWebhooks,
    DeletePatient(PatientId),
}

#[derive(Debug, Clone)]
pub(crate) struct StartQuery {
    pub(crate) pull: PullId,
    pub(crate) patient: PatientId,
    pub(crate) proofed: ProofedIdentityId,
    pub(crate) session: Aal2SessionId,
    pub(crate) sources: Vec<SourceKind>,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Patient(Option<Patient>),
    Session(IdentitySessionId, Time),
    Challenge(ChallengeId, Time),
    Query(UpstreamRequestId, QueryReport),
    Report(QueryReport),
    Consolidated(UpstreamRequestId),
    Failed(u64),
    Empty,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Patient {
    pub(crate) id: PatientId,
    pub(crate) external: ExternalId,
    pub(crate) demographics: DemographicsHash,
    /// Whether one of our functions created it.
    pub(crate) ours: bool,
}

/// A hosted identity page, with the patient's demographics when it was opened.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Page {
    pub(crate) id: IdentitySessionId,
    pub(crate) patient: PatientId,
    pub(crate) mark: String,
    pub(crate) demographics: Option<DemographicsHash>,
    pub(crate) expires_at: Time,
    /// Whether the function that opened the page succeeded, so that a person has the link and can pass the page.
    pub(crate) given: bool,
    pub(crate) passed: Option<ProofedIdentityId>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Challenge {
    pub(crate) id: ChallengeId,
    pub(crate) proofed: ProofedIdentityId,
    pub(crate) session: Option<Aal2SessionId>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Query {
    pub(crate) request: UpstreamRequestId,
    pub(crate) pull: PullId,
    pub(crate) patient: PatientId,
    pub(crate) proofed: ProofedIdentityId,
    pub(crate) sources: BTreeMap<SourceKind, Option<SourceOutcome>>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Consolidated {
    pub(crate) request: UpstreamRequestId,
    pub(crate) record: RecordId,
    pub(crate) patient: PatientId,
    pub(crate) query: RecordQuery,
    pub(crate) begun: Time,
    pub(crate) ended: Option<SourceOutcome>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Content {
    pub(crate) patient: PatientId,
    pub(crate) query: RecordQuery,
    /// Whether its Patient differs from the person.
    pub(crate) differs: bool,
}

impl Content {
    /// The content's simulated digest in our bucket. The rules do not know whether a Patient differs.
    pub(crate) fn tag(&self) -> String {
        format!("{}|{:?}", self.patient.as_str(), self.query)
    }
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Upstream {
    pub(crate) patients: Vec<Patient>,
    /// The number of patients so far, so that no id is given twice.
    numbered: usize,
    pub(crate) pages: Vec<Page>,
    pub(crate) challenges: Vec<Challenge>,
    pub(crate) queries: Vec<Query>,
    pub(crate) consolidated: Vec<Consolidated>,
    files: Vec<Content>,
    /// Webhooks that were not delivered yet.
    pub(crate) outbox: Vec<WebhookEvent>,
    /// Every webhook as its replay sends it: without metadata, and with a dead link.
    pub(crate) history: Vec<WebhookEvent>,
    /// Failed deliveries that wait for a replay.
    pub(crate) failed: Vec<WebhookEvent>,
    messages: u32,
}

impl Upstream {
    /// Performs a call. If the call has an effect despite the fault, the effect is complete when this function returns.
    pub(crate) fn call(&mut self, call: &Call, fault: Option<Fault>, now: Time) -> Result<Answer, UpstreamError> {
        let operation = operation(call);
        let failure = |kind| Err(UpstreamError::new(operation, kind));
        match fault {
            Some(Fault::NotSent) => failure(UpstreamErrorKind::Connect),
            Some(Fault::Busy) => failure(UpstreamErrorKind::RateLimited {
                retry_after: Some(BUSY),
            }),
            Some(Fault::Refused) => failure(UpstreamErrorKind::BadRequest),
            Some(Fault::SessionRefused) => Err(refusal(operation, true)),
            Some(Fault::IdentityRefused) => Err(refusal(operation, false)),
            Some(Fault::Lost) => failure(UpstreamErrorKind::Server),
            Some(Fault::Unanswered) => match self.perform(call, false, now) {
                Err(error) => Err(error),
                Ok(_) => failure(UpstreamErrorKind::Timeout),
            },
            Some(Fault::Partly) => self.perform(call, true, now),
            None => self.perform(call, false, now),
        }
    }

    fn perform(&mut self, call: &Call, partly: bool, now: Time) -> Result<Answer, UpstreamError> {
        let missing = || UpstreamError::new(operation(call), UpstreamErrorKind::NotFound);
        match call {
            Call::FindPatient(external) => {
                let found = self.patients.iter().find(|patient| patient.external == *external);
                Ok(Answer::Patient(found.cloned()))
            }
            Call::CreatePatient(external, demographics) => Ok(self.create(external, demographics)),
            Call::UpdatePatient(id, demographics) => {
                let patient = self.patients.iter_mut().find(|patient| patient.id == *id);
                let patient = patient.ok_or_else(missing)?;
                patient.demographics = demographics.clone();
                Ok(Answer::Patient(Some(patient.clone())))
            }
            Call::OpenSession(patient, mark) => {
                let is_known = self.patients.iter().any(|known| known.id == *patient);
                is_known.then(|| self.open_page(patient, mark, now)).ok_or_else(missing)
            }
            Call::OpenChallenge(proofed) => Ok(self.open_challenge(proofed, now)),
            Call::StartQuery(start) => self.start(start, partly),
            Call::ReadQuery(request) => {
                let query = self.queries.iter().find(|query| query.request == *request);
                Ok(Answer::Report(query.ok_or_else(missing)?.report()))
            }
            Call::StartConsolidated(record, patient, query) => Ok(self.consolidate(*record, patient, query, now)),
            Call::WebhookStatus => Ok(Answer::Failed(u64::try_from(self.failed.len()).unwrap_or(u64::MAX))),
            Call::RetryWebhooks => {
                let failed = std::mem::take(&mut self.failed);
                self.outbox.extend(failed.into_iter().map(replayed));
                Ok(Answer::Empty)
            }
            Call::DeletePatient(id) => {
                let index = self.patients.iter().position(|patient| patient.id == *id);
                drop(self.patients.remove(index.ok_or_else(missing)?));
                Ok(Answer::Empty)
            }
        }
    }

    fn tell(&mut self, request: Option<UpstreamRequestId>, marks: Marks, event: Event, now: Time) {
        self.messages += 1;
        let message = opaque!(MessageId, "message-{}", self.messages);
        let written = WebhookEvent {
            version: VERSION,
            digest: message.as_str().to_owned(),
            message,
            event_type: String::new(),
            request,
            when: None,
            received_at: now,
            marks,
            event,
        };
        self.history.push(replayed(written.clone()));
        self.outbox.push(written);
    }
}

/// The same event as its replay sends it, without metadata and with a dead link.
pub(crate) fn replayed(mut event: WebhookEvent) -> WebhookEvent {
    event.marks = Marks::default();
    match &mut event.event {
        Event::Consolidated { delivery } if delivery.link.is_some() => {
            delivery.link = Some(Link::new("dead".to_owned()));
        }
        Event::Identity { verification } => verification.mark = None,
        _ => {}
    }
    event
}

fn refusal(operation: Operation, aal2: bool) -> UpstreamError {
    UpstreamError::new(operation, UpstreamErrorKind::BadRequest).with_mentions(Mentions {
        aal2,
        identity: !aal2,
        redirect: false,
    })
}

const fn operation(call: &Call) -> Operation {
    match call {
        Call::FindPatient(_) => Operation::FindPatient,
        Call::CreatePatient(..) => Operation::CreatePatient,
        Call::UpdatePatient(..) => Operation::UpdatePatient,
        Call::OpenSession(..) => Operation::OpenIdentitySession,
        Call::OpenChallenge(_) => Operation::OpenAal2Challenge,
        Call::StartQuery(_) => Operation::StartNetworkQuery,
        Call::ReadQuery(_) => Operation::ReadNetworkQuery,
        Call::StartConsolidated(..) => Operation::StartConsolidatedQuery,
        Call::WebhookStatus => Operation::ReadWebhookStatus,
        Call::RetryWebhooks => Operation::RetryWebhooks,
        Call::DeletePatient(_) => Operation::DeletePatient,
    }
}
