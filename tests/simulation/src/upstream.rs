//! Metriport as far as the rules are concerned: patients, hosted pages, network queries, consolidated queries, files,
//! and webhooks that it sends once. It does what it is asked on its own terms: what a caller may not do is found by the
//! rules, not prevented here, unless Metriport is sure to prevent it (a session that is not of that identity).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use shared::domain::identity::Verification;
use shared::domain::record::Asked;
use shared::domain::run::{Outcome, Report, Reported};
use shared::domain::{
    Aal2SessionId, ChallengeId, DemographicsHash, ExternalId, IdentitySessionId, MessageId, PatientId,
    ProofedIdentityId, RecordId, RunId, SourceKind, Time, UpstreamRequestId,
};
use shared::message::webhook::{Delivery, Event, Marks, WebhookEvent};
use shared::message::{Link, VERSION};
use shared::metriport::{Mentions, Operation, UpstreamError, UpstreamErrorKind};

use crate::choice::{Ending, Fault, Pass, Yield};
use crate::ids::opaque;

/// How long a hosted page works.
const PAGE: Duration = Duration::from_secs(900);
/// How long a link works.
const LINK: Duration = Duration::from_secs(180);
/// A conversion that has not ended by then never will: upstream's own functions end after fifteen minutes.
const CONVERSION: Duration = Duration::from_secs(900);
/// What a 429 asks for.
pub(crate) const BUSY: Duration = Duration::from_secs(20);

/// A call.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    FindPatient(ExternalId),
    CreatePatient(ExternalId, DemographicsHash),
    UpdatePatient(PatientId, DemographicsHash),
    OpenSession(PatientId, String),
    OpenChallenge(ProofedIdentityId),
    StartQuery(Box<StartQuery>),
    ReadQuery(UpstreamRequestId),
    StartConsolidated(RecordId, PatientId, Asked),
    WebhookStatus,
    RetryWebhooks,
}

/// The start of a network query.
#[derive(Debug, Clone)]
pub(crate) struct StartQuery {
    pub(crate) run: RunId,
    pub(crate) patient: PatientId,
    pub(crate) proofed: ProofedIdentityId,
    pub(crate) session: Aal2SessionId,
    pub(crate) sources: Vec<SourceKind>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Patient(Option<Patient>),
    Session(IdentitySessionId, Time),
    Challenge(ChallengeId, Time),
    Query(UpstreamRequestId, Report),
    Report(Report),
    Consolidated(UpstreamRequestId),
    Failed(u64),
    Done,
}

/// A patient.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Patient {
    pub(crate) id: PatientId,
    pub(crate) external: ExternalId,
    pub(crate) demographics: DemographicsHash,
}

/// A hosted identity page, and what the patient's demographics were when it was opened.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Page {
    pub(crate) id: IdentitySessionId,
    pub(crate) patient: PatientId,
    pub(crate) mark: String,
    pub(crate) demographics: Option<DemographicsHash>,
    pub(crate) expires_at: Time,
    /// Whether anybody has its link: only then can it be passed.
    pub(crate) given: bool,
    pub(crate) passed: Option<ProofedIdentityId>,
}

/// A hosted challenge.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Challenge {
    pub(crate) id: ChallengeId,
    pub(crate) proofed: ProofedIdentityId,
    pub(crate) session: Option<Aal2SessionId>,
}

/// A network query that runs, or has run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Query {
    pub(crate) request: UpstreamRequestId,
    pub(crate) run: RunId,
    pub(crate) patient: PatientId,
    pub(crate) proofed: ProofedIdentityId,
    pub(crate) sources: BTreeMap<SourceKind, Option<Outcome>>,
}

/// A consolidated query.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Consolidated {
    pub(crate) request: UpstreamRequestId,
    pub(crate) record: RecordId,
    pub(crate) patient: PatientId,
    pub(crate) asked: Asked,
    pub(crate) begun: Time,
    pub(crate) ended: Option<Outcome>,
}

/// What a file holds: whose, and by which filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Content {
    pub(crate) patient: PatientId,
    pub(crate) asked: Asked,
}

impl Content {
    /// What our bucket knows the content by.
    pub(crate) fn tag(&self) -> String {
        format!("{}|{:?}", self.patient.as_str(), self.asked)
    }
}

/// Everything upstream.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Upstream {
    pub(crate) patients: Vec<Patient>,
    pub(crate) pages: Vec<Page>,
    pub(crate) challenges: Vec<Challenge>,
    pub(crate) queries: Vec<Query>,
    pub(crate) consolidated: Vec<Consolidated>,
    files: Vec<Content>,
    /// Webhooks that were written and not delivered yet.
    pub(crate) outbox: Vec<WebhookEvent>,
    /// Every webhook there was, as a replay sends it: without metadata, its link dead.
    pub(crate) history: Vec<WebhookEvent>,
    /// Deliveries that failed and wait for somebody to ask for a replay.
    pub(crate) failed: Vec<WebhookEvent>,
    messages: u32,
}

impl Upstream {
    /// Performs a call. The effect, if the fault leaves one, is there when this returns.
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
            Call::OpenSession(patient, mark) => Ok(self.open_page(patient, mark, now)),
            Call::OpenChallenge(proofed) => Ok(self.open_challenge(proofed, now)),
            Call::StartQuery(start) => self.start(start, partly),
            Call::ReadQuery(request) => {
                let query = self.queries.iter().find(|query| query.request == *request);
                Ok(Answer::Report(query.ok_or_else(missing)?.report()))
            }
            Call::StartConsolidated(record, patient, asked) => Ok(self.consolidate(*record, patient, asked, now)),
            Call::WebhookStatus => Ok(Answer::Failed(u64::try_from(self.failed.len()).unwrap_or(u64::MAX))),
            Call::RetryWebhooks => {
                let failed = std::mem::take(&mut self.failed);
                self.outbox.extend(failed.into_iter().map(replayed));
                Ok(Answer::Done)
            }
        }
    }

    /// An upsert by demographics: the patient that is alike comes back, whoever asked for it.
    fn create(&mut self, external: &ExternalId, demographics: &DemographicsHash) -> Answer {
        let alike = self
            .patients
            .iter()
            .find(|patient| patient.demographics == *demographics);
        if let Some(alike) = alike {
            return Answer::Patient(Some(alike.clone()));
        }
        let patient = Patient {
            id: opaque!(PatientId, "patient-{}", self.patients.len()),
            external: external.clone(),
            demographics: demographics.clone(),
        };
        self.patients.push(patient.clone());
        Answer::Patient(Some(patient))
    }

    fn open_page(&mut self, patient: &PatientId, mark: &str, now: Time) -> Answer {
        let id = opaque!(IdentitySessionId, "ids-{}", self.pages.len());
        let known = self.patients.iter().find(|known| known.id == *patient);
        self.pages.push(Page {
            id: id.clone(),
            patient: patient.clone(),
            mark: mark.to_owned(),
            demographics: known.map(|known| known.demographics.clone()),
            expires_at: now.plus(PAGE),
            given: false,
            passed: None,
        });
        Answer::Session(id, now.plus(PAGE))
    }

    fn open_challenge(&mut self, proofed: &ProofedIdentityId, now: Time) -> Answer {
        let id = opaque!(ChallengeId, "aalc-{}", self.challenges.len());
        self.challenges.push(Challenge {
            id: id.clone(),
            proofed: proofed.clone(),
            session: None,
        });
        Answer::Challenge(id, now.plus(PAGE))
    }

    /// The person passes a challenge in the browser, which brings the session back.
    pub(crate) fn pass_challenge(&mut self, id: &ChallengeId) -> Option<Aal2SessionId> {
        let challenge = self.challenges.iter_mut().find(|challenge| challenge.id == *id)?;
        let session = challenge
            .session
            .get_or_insert_with(|| opaque!(Aal2SessionId, "aal2-{}", id.as_str()));
        Some(session.clone())
    }

    fn start(&mut self, start: &StartQuery, partly: bool) -> Result<Answer, UpstreamError> {
        // Whether a session may be used again is documented nowhere; the worse is assumed.
        let challenge = self
            .challenges
            .iter()
            .find(|challenge| challenge.session.as_ref() == Some(&start.session) && challenge.proofed == start.proofed);
        challenge.ok_or_else(|| refusal(Operation::StartNetworkQuery, true))?;
        let mut sources: BTreeMap<_, _> = start.sources.iter().map(|kind| (*kind, None)).collect();
        if let Some(last) = sources.values_mut().next_back().filter(|_| partly) {
            *last = Some(Outcome::Failed);
        }
        let query = Query {
            request: opaque!(UpstreamRequestId, "query-{}", self.queries.len()),
            run: start.run,
            patient: start.patient.clone(),
            proofed: start.proofed.clone(),
            sources,
        };
        let answer = Answer::Query(query.request.clone(), query.report());
        self.queries.push(query);
        Ok(answer)
    }

    /// With equal parameters the running query is returned.
    fn consolidate(&mut self, record: RecordId, patient: &PatientId, asked: &Asked, now: Time) -> Answer {
        let running = self.consolidated.iter().find(|query| {
            query.patient == *patient
                && query.asked == *asked
                && query.ended.is_none()
                && now < query.begun.plus(CONVERSION)
        });
        if let Some(running) = running {
            return Answer::Consolidated(running.request.clone());
        }
        let request = opaque!(UpstreamRequestId, "consolidated-{}", self.consolidated.len());
        self.consolidated.push(Consolidated {
            request: request.clone(),
            record,
            patient: patient.clone(),
            asked: asked.clone(),
            begun: now,
            ended: None,
        });
        Answer::Consolidated(request)
    }

    /// Sources that are still asked: query and kind.
    pub(crate) fn open_sources(&self) -> Vec<(usize, SourceKind)> {
        let queries = self.queries.iter().enumerate();
        queries
            .flat_map(|(index, query)| query.sources.iter().map(move |(kind, ended)| (index, *kind, ended)))
            .filter(|(_, _, ended)| ended.is_none())
            .map(|(index, kind, _)| (index, kind))
            .collect()
    }

    /// Consolidated queries that are still at work.
    pub(crate) fn open_consolidated(&self, now: Time) -> Vec<usize> {
        let queries = self.consolidated.iter().enumerate();
        queries
            .filter(|(_, query)| query.ended.is_none() && now < query.begun.plus(CONVERSION))
            .map(|(index, _)| index)
            .collect()
    }

    /// A source ends; a source that fails may send no webhook, or be tried again, and any webhook may never be written.
    pub(crate) fn end_source(&mut self, index: usize, kind: SourceKind, ending: Ending, now: Time) {
        let (outcome, told) = match ending {
            Ending::Answers => (Outcome::Completed, true),
            Ending::Fails => (Outcome::Failed, true),
            Ending::AnswersUntold => (Outcome::Completed, false),
            Ending::FailsUntold => (Outcome::Failed, false),
            Ending::Retried => (Outcome::Failed, true),
        };
        let Some(query) = self.queries.get_mut(index) else {
            return;
        };
        query
            .sources
            .insert(kind, Some(outcome).filter(|_| ending != Ending::Retried));
        let (request, run, patient) = (query.request.clone(), query.run, query.patient.clone());
        let marks = Marks {
            run: Some(run),
            ..Marks::default()
        };
        let event = Event::Source {
            patient,
            source: kind,
            status: outcome,
        };
        if told {
            self.tell(Some(request), marks, event, now);
        }
    }

    /// A consolidated query ends, and overwrites the patient's file of that format.
    ///
    /// One that was started again, because the answer to the first start was lost, brings no foreign record after the
    /// first has brought the right one: the link of the first would lead to it, which nobody could notice.
    pub(crate) fn end_consolidated(&mut self, index: usize, yields: Yield, now: Time) {
        let yields = match yields {
            Yield::Foreign if self.is_repeated(index) => Yield::Link,
            yields => yields,
        };
        let Some(query) = self.consolidated.get_mut(index) else {
            return;
        };
        let failed = yields == Yield::Failure;
        query.ended = Some(if failed { Outcome::Failed } else { Outcome::Completed });
        let query = query.clone();
        let asked = match yields {
            Yield::Foreign => Asked {
                resources: ["Immunization".to_owned()].into(),
                ..query.asked.clone()
            },
            Yield::Link | Yield::LinkUntold | Yield::Nothing | Yield::Failure => query.asked.clone(),
        };
        let linked = matches!(yields, Yield::Link | Yield::LinkUntold | Yield::Foreign);
        if linked {
            let content = Content {
                patient: query.patient.clone(),
                asked: asked.clone(),
            };
            self.put_file(content);
        }
        let form = asked.conversion.as_str();
        let expires = now.plus(LINK).millis();
        let delivery = Delivery {
            patient: query.patient.clone(),
            status: query.ended.unwrap_or(Outcome::Failed),
            filters: filters(&asked),
            subject: linked.then(|| query.patient.clone()),
            link: linked.then(|| Link::new(format!("{}/{form}/{expires}", query.patient.as_str()))),
            empty: yields == Yield::Nothing,
        };
        let marks = Marks {
            record: Some(query.record),
            ..Marks::default()
        };
        if yields != Yield::LinkUntold {
            self.tell(Some(query.request), marks, Event::Consolidated { delivery }, now);
        }
    }

    /// Whether an earlier query for the same record has ended well.
    fn is_repeated(&self, index: usize) -> bool {
        let (before, from_it) = self.consolidated.split_at(index.min(self.consolidated.len()));
        from_it.first().is_some_and(|query| {
            let mut before = before.iter();
            before.any(|other| other.record == query.record && other.ended == Some(Outcome::Completed))
        })
    }

    fn put_file(&mut self, content: Content) {
        let same =
            |file: &Content| file.patient == content.patient && file.asked.conversion == content.asked.conversion;
        self.files.retain(|file| !same(file));
        self.files.push(content);
    }

    /// What a link leads to: the patient's file of that format as it is now, not as it was when the link was made.
    pub(crate) fn follow(&self, link: &Link, now: Time) -> Option<Content> {
        let mut parts = link.as_str().split('/');
        let (patient, form, expires) = (parts.next()?, parts.next()?, parts.next()?);
        let expires: i64 = expires.parse().ok()?;
        let file = self
            .files
            .iter()
            .find(|file| file.patient.as_str() == patient && file.asked.conversion.as_str() == form);
        file.filter(|_| now.millis() < expires).cloned()
    }

    /// Somebody passes an identity page. What the event names is not promised, and who passed it may be another person
    /// than the one it was opened for.
    pub(crate) fn pass_page(&mut self, index: usize, pass: Pass, now: Time) {
        let count = self.patients.len();
        let foreign = opaque!(IdentitySessionId, "ids-elsewhere-{index}");
        let another = self.pages.get(usize::from(index == 0)).map(|page| page.mark.clone());
        let another = another.unwrap_or_else(|| "mark-elsewhere".to_owned());
        let Some(page) = self.pages.get_mut(index) else {
            return;
        };
        let proofed = opaque!(ProofedIdentityId, "pid-{}", page.id.as_str());
        page.passed = Some(proofed.clone());
        let page = page.clone();
        let somebody = opaque!(PatientId, "patient-{}", count + 1000);
        let (sessions, patient, mark) = match pass {
            Pass::Full => (vec![page.id], Some(page.patient), Some(page.mark)),
            Pass::PatientOnly => (Vec::new(), Some(page.patient), None),
            Pass::Unnamed => (Vec::new(), None, Some(page.mark)),
            Pass::Somebody => (vec![page.id], Some(somebody), Some(page.mark)),
            Pass::Elsewhere => (vec![foreign, page.id], Some(page.patient), None),
            Pass::Contradicted => (vec![page.id], Some(page.patient), Some(another)),
        };
        let verification = Verification {
            proofed_identity: proofed,
            sessions,
            patient,
            mark: mark.clone(),
        };
        let marks = Marks {
            identity: mark,
            ..Marks::default()
        };
        self.tell(None, marks, Event::Identity { verification }, now);
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

impl Query {
    fn report(&self) -> Report {
        let said = |(kind, ended): (&SourceKind, &Option<Outcome>)| Reported {
            source: *kind,
            outcome: *ended,
            http_status: None,
        };
        Report {
            overall: None,
            is_final: self.sources.values().all(Option::is_some),
            sources: self.sources.iter().map(said).collect(),
        }
    }
}

/// The same event as a replay sends it: metadata and link are gone.
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

pub(crate) fn filters(asked: &Asked) -> BTreeMap<String, String> {
    let resources: Vec<&str> = asked.resources.iter().map(String::as_str).collect();
    let said = [
        ("resources", resources.join(",")),
        ("conversionType", asked.conversion.as_str().to_owned()),
    ];
    said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a person may ask for besides the whole record.
pub(crate) fn asked(variant: u8) -> Asked {
    let resources = match variant {
        0 => BTreeSet::new(),
        _ => BTreeSet::from(["Condition".to_owned()]),
    };
    Asked {
        resources,
        ..Asked::default()
    }
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
    }
}
