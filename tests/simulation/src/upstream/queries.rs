//! Network queries, consolidated queries, and the files of consolidated queries.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::domain::pull::{QueryReport, Reported, SourceOutcome};
use shared::domain::record::RecordQuery;
use shared::domain::{PatientId, RecordId, SourceKind, Time, UpstreamRequestId};
use shared::message::Link;
use shared::message::webhook::{ConsolidatedDelivery, Event, Marks};
use shared::metriport::{Operation, UpstreamError};

use super::{Answer, Consolidated, Content, Query, StartQuery, Upstream, refusal};
use crate::choice::{Ending, Yield};
use crate::ids::opaque;

const LINK: Duration = Duration::from_secs(180);
/// A conversion that has not ended after this time never ends, because Metriport's own functions stop after fifteen
/// minutes.
const CONVERSION: Duration = Duration::from_secs(900);

impl Upstream {
    pub(super) fn start(&mut self, start: &StartQuery, partly: bool) -> Result<Answer, UpstreamError> {
        // Metriport does not document whether a session can be used twice. The model assumes the worse case: it can.
        let challenge = self
            .challenges
            .iter()
            .find(|challenge| challenge.session.as_ref() == Some(&start.session) && challenge.proofed == start.proofed);
        challenge.ok_or_else(|| refusal(Operation::StartNetworkQuery, true))?;
        let mut sources: BTreeMap<_, _> = start.sources.iter().map(|kind| (*kind, None)).collect();
        if let Some(last) = sources.values_mut().next_back().filter(|_| partly) {
            *last = Some(SourceOutcome::Failed);
        }
        let query = Query {
            request: opaque!(UpstreamRequestId, "query-{}", self.queries.len()),
            pull: start.pull,
            patient: start.patient.clone(),
            proofed: start.proofed.clone(),
            sources,
        };
        let answer = Answer::Query(query.request.clone(), query.report());
        self.queries.push(query);
        Ok(answer)
    }

    /// A call with the parameters of a running query returns that query.
    pub(super) fn consolidate(
        &mut self,
        record: RecordId,
        patient: &PatientId,
        query: &RecordQuery,
        now: Time,
    ) -> Answer {
        let running = self.consolidated.iter().find(|open| {
            open.patient == *patient
                && open.query == *query
                && open.ended.is_none()
                && now < open.begun.plus(CONVERSION)
        });
        if let Some(running) = running {
            return Answer::Consolidated(running.request.clone());
        }
        let request = opaque!(UpstreamRequestId, "consolidated-{}", self.consolidated.len());
        self.consolidated.push(Consolidated {
            request: request.clone(),
            record,
            patient: patient.clone(),
            query: query.clone(),
            begun: now,
            ended: None,
        });
        Answer::Consolidated(request)
    }

    /// Sources that have not ended, each by the index of its query and its kind.
    pub(crate) fn open_sources(&self) -> Vec<(usize, SourceKind)> {
        let queries = self.queries.iter().enumerate();
        queries
            .flat_map(|(index, query)| query.sources.iter().map(move |(kind, ended)| (index, *kind, ended)))
            .filter(|(_, _, ended)| ended.is_none())
            .map(|(index, kind, _)| (index, kind))
            .collect()
    }

    pub(crate) fn open_consolidated(&self, now: Time) -> Vec<usize> {
        let queries = self.consolidated.iter().enumerate();
        queries
            .filter(|(_, query)| query.ended.is_none() && now < query.begun.plus(CONVERSION))
            .map(|(index, _)| index)
            .collect()
    }

    /// Ends a source, with or without a webhook. Metriport may retry a failed source.
    pub(crate) fn end_source(&mut self, index: usize, kind: SourceKind, ending: Ending, now: Time) {
        let (outcome, has_webhook) = match ending {
            Ending::Answers => (SourceOutcome::Completed, true),
            Ending::Fails => (SourceOutcome::Failed, true),
            Ending::AnswersUntold => (SourceOutcome::Completed, false),
            Ending::FailsUntold => (SourceOutcome::Failed, false),
            Ending::Retried => (SourceOutcome::Failed, true),
        };
        let Some(query) = self.queries.get_mut(index) else {
            return;
        };
        query
            .sources
            .insert(kind, Some(outcome).filter(|_| ending != Ending::Retried));
        let (request, pull, patient) = (query.request.clone(), query.pull, query.patient.clone());
        let marks = Marks {
            pull: Some(pull),
            ..Marks::default()
        };
        let event = Event::Source {
            patient,
            source: kind,
            status: outcome,
        };
        if has_webhook {
            self.tell(Some(request), marks, event, now);
        }
    }

    /// Ends a consolidated query, which overwrites the patient's file of that format.
    ///
    /// If a query was started again after a lost answer, and the first query has succeeded, the second does not yield a
    /// foreign record. Otherwise the first link would lead to the foreign record, and a function could not notice that.
    pub(crate) fn end_consolidated(&mut self, index: usize, yields: Yield, now: Time) {
        let yields = match yields {
            Yield::Foreign if self.is_repeated(index) => Yield::Link,
            yields => yields,
        };
        let Some(query) = self.consolidated.get_mut(index) else {
            return;
        };
        let failed = yields == Yield::Failure;
        query.ended = Some(if failed {
            SourceOutcome::Failed
        } else {
            SourceOutcome::Completed
        });
        let query = query.clone();
        let delivered = match yields {
            Yield::Foreign => RecordQuery {
                resources: ["Immunization".to_owned()].into(),
                ..query.query.clone()
            },
            Yield::Link | Yield::LinkUntold | Yield::Nothing | Yield::Failure | Yield::Different => query.query.clone(),
        };
        let linked = matches!(
            yields,
            Yield::Link | Yield::LinkUntold | Yield::Foreign | Yield::Different
        );
        if linked {
            let content = Content {
                patient: query.patient.clone(),
                query: delivered.clone(),
                differs: yields == Yield::Different,
            };
            self.put_file(content);
        }
        let form = delivered.conversion.as_str();
        let expires = now.plus(LINK).millis();
        let delivery = ConsolidatedDelivery {
            patient: query.patient.clone(),
            status: query.ended.unwrap_or(SourceOutcome::Failed),
            filters: filters(&delivered),
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

    /// Whether an earlier query for the same record has succeeded.
    fn is_repeated(&self, index: usize) -> bool {
        let (before, from_it) = self.consolidated.split_at(index.min(self.consolidated.len()));
        from_it.first().is_some_and(|query| {
            let mut before = before.iter();
            before.any(|other| other.record == query.record && other.ended == Some(SourceOutcome::Completed))
        })
    }

    fn put_file(&mut self, content: Content) {
        let same =
            |file: &Content| file.patient == content.patient && file.query.conversion == content.query.conversion;
        self.files.retain(|file| !same(file));
        self.files.push(content);
    }

    /// Follows a link. It leads to the patient's present file of that format, even if that file is newer than the link.
    pub(crate) fn follow(&self, link: &Link, now: Time) -> Option<Content> {
        let mut parts = link.as_str().split('/');
        let (patient, form, expires) = (parts.next()?, parts.next()?, parts.next()?);
        let expires: i64 = expires.parse().ok()?;
        let file = self
            .files
            .iter()
            .find(|file| file.patient.as_str() == patient && file.query.conversion.as_str() == form);
        file.filter(|_| now.millis() < expires).cloned()
    }
}

impl Query {
    pub(super) fn report(&self) -> QueryReport {
        let report_source = |(kind, ended): (&SourceKind, &Option<SourceOutcome>)| Reported {
            source: *kind,
            outcome: *ended,
            http_status: None,
        };
        QueryReport {
            overall: None,
            is_final: self.sources.values().all(Option::is_some),
            sources: self.sources.iter().map(report_source).collect(),
        }
    }
}

/// The filters that a delivery states.
pub(crate) fn filters(query: &RecordQuery) -> BTreeMap<String, String> {
    let resources: Vec<&str> = query.resources.iter().map(String::as_str).collect();
    let pairs = [
        ("resources", resources.join(",")),
        ("conversionType", query.conversion.as_str().to_owned()),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The filters of a person's own record requests; 0 is the whole record.
pub(crate) fn make_record_query(variant: u8) -> RecordQuery {
    const TYPES: [&str; 5] = ["Condition", "Encounter", "Immunization", "Observation", "Procedure"];
    let one = usize::from(variant).checked_sub(1).and_then(|one| TYPES.get(one));
    RecordQuery {
        resources: one.map(|name| (*name).to_owned()).into_iter().collect(),
        ..RecordQuery::default()
    }
}
