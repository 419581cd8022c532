//! Starts network queries for the purposes of use `ias` and `treatment` (docs.metriport.com, page
//! `network/start-network-query`).
//!
//! As in Metriport's public code, the HIE source is skipped silently while another query of the patient runs it, and
//! then stays `processing`. Otherwise its start deletes the cached record.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbox_fhir::Source;
use serde_json::{Value, json};

use crate::envelope::Refusal;
use crate::faults::RefusedSources;
use crate::limits::Budget;
use crate::metadata::{self, Metadata};
use crate::moment::Moment;
use crate::network_query::{NetworkQuery, Progress, State};
use crate::network_request::{self, Purpose};
use crate::options::SLOW_FACTOR;
use crate::patient::Patient;
use crate::personas::Persona;
use crate::schedule::Due;
use crate::world::World;

/// The planned course of a source.
enum Course {
    Completes(Duration),
    Fails(Duration),
    Refused { http_status: u16, message: &'static str },
    Skipped,
}

pub(crate) struct Start<'a> {
    pub(crate) patient_id: Option<&'a str>,
    pub(crate) purpose_of_use: Option<&'a str>,
    pub(crate) aal2_session: Option<&'a str>,
    pub(crate) body: &'a Value,
    /// Sources that a fault refuses.
    pub(crate) refused: Option<&'a RefusedSources>,
}

impl World {
    /// `POST /medical/v1/network/query?patientId=&purposeOfUse=`. A refused start does not use the AAL2 session.
    pub(crate) fn start_network_query(&mut self, now: Moment, start: &Start<'_>) -> Result<Value, Refusal> {
        let patient_id = start
            .patient_id
            .ok_or_else(|| Refusal::invalid("Required, on [patientId]"))?;
        let purpose = Purpose::read(start.purpose_of_use)?;
        let sources = network_request::sources(start.body)?;
        let metadata = metadata::read(start.body, usize::MAX)?;
        self.patient(patient_id)?;
        if purpose == Purpose::Ias {
            self.authorize_ias(now, patient_id, start)?;
        }
        Ok(self.open_query(now, patient_id, purpose, metadata, &sources, start.refused))
    }

    /// The statuses and texts of these refusals are assumptions, because no page names them.
    fn authorize_ias(&mut self, now: Moment, patient_id: &str, start: &Start<'_>) -> Result<(), Refusal> {
        let missing = || Refusal::unauthorized("AAL2 session is required for purposeOfUse=ias");
        let session = start
            .aal2_session
            .filter(|session| !session.is_empty())
            .ok_or_else(missing)?;
        let identity_id = start.body.get("proofedIdentityId").and_then(Value::as_str);
        let identity_id = identity_id.ok_or_else(|| Refusal::invalid("Required, on [proofedIdentityId]"))?;
        let identity = self.identities.proofed.get(identity_id);
        if !identity.is_some_and(|identity| identity.active && identity.patient_id == patient_id) {
            return Err(Refusal::forbidden(
                "Proofed identity is not an active identity of this patient",
            ));
        }
        self.check_aal2(now, session, identity_id)?;
        self.spend_aal2(session);
        Ok(())
    }

    fn open_query(
        &mut self,
        now: Moment,
        patient_id: &str,
        purpose: Purpose,
        metadata: Option<Metadata>,
        sources: &BTreeSet<Source>,
        refused: Option<&RefusedSources>,
    ) -> Value {
        let id = self.ids.uuid(now);
        let courses: Vec<_> = sources
            .iter()
            .map(|source| {
                let on_purpose = refused.and_then(|refused| refused.refusal(*source));
                let course = match on_purpose {
                    Some((http_status, message)) => Course::Refused { http_status, message },
                    None => self.course(now, patient_id, *source),
                };
                (*source, course)
            })
            .collect();
        let mut query = NetworkQuery {
            id: id.clone(),
            patient_id: patient_id.to_owned(),
            purpose,
            metadata,
            started_at: now,
            progress: Vec::new(),
            errors: Vec::new(),
        };
        for (source, course) in courses {
            self.set_off(now, &mut query, source, course);
        }
        let view = query.view();
        self.queries.insert(id, query);
        view
    }

    fn course(&mut self, now: Moment, patient_id: &str, source: Source) -> Course {
        let persona = self
            .patients
            .get(patient_id)
            .map_or(Persona::Ordinary, Patient::persona);
        let limited = self.options.rate_limits && self.options.per_source_rate_limits;
        if limited && !self.limits.spend(Budget::PerSource(source), now).allowed {
            return Course::Refused {
                http_status: 429,
                message: "source rate limit exceeded",
            };
        }
        if persona == Persona::SandboxSources && source != Source::Hie {
            return Course::Refused {
                http_status: 400,
                message: "source is not supported in this environment",
            };
        }
        let delay = self.source_delay(persona, source);
        match source {
            Source::Hie if self.patients.get(patient_id).is_some_and(|patient| patient.hie_opt_out) => {
                Course::Refused {
                    http_status: 500,
                    message: "unexpected error",
                }
            }
            Source::Hie if self.hie_is_running(patient_id) => Course::Skipped,
            Source::Pharmacy if persona == Persona::SilentSource => Course::Fails(delay),
            Source::Hie | Source::Pharmacy | Source::Lab => Course::Completes(delay),
        }
    }

    fn source_delay(&self, persona: Persona, source: Source) -> Duration {
        let delays = &self.options.delays;
        match source {
            Source::Hie => self.options.delay(delays.hie_ms),
            Source::Pharmacy => self.options.delay(delays.pharmacy_ms),
            Source::Lab if persona == Persona::SlowSource => self.options.delay(delays.lab_ms) * SLOW_FACTOR,
            Source::Lab => self.options.delay(delays.lab_ms),
        }
    }

    fn set_off(&mut self, now: Moment, query: &mut NetworkQuery, source: Source, course: Course) {
        let mut progress = Progress::new(source);
        let ends = |completes| Due::SourceEnds {
            query_id: query.id.clone(),
            source,
            completes,
        };
        match course {
            Course::Completes(delay) => {
                self.schedule.add(now.plus(delay), ends(true));
                if source == Source::Hie {
                    self.begin_hie(now, query, delay);
                }
            }
            Course::Fails(delay) => self.schedule.add(now.plus(delay), ends(false)),
            Course::Skipped => progress.skipped = true,
            Course::Refused { http_status, message } => {
                progress.state = State::Failed;
                query.errors.push(json!({
                    "source": source.as_str(),
                    "httpStatus": http_status,
                    "message": message,
                    "timestamp": now,
                }));
            }
        }
        query.progress.push(progress);
    }

    fn begin_hie(&mut self, now: Moment, query: &NetworkQuery, delay: Duration) {
        self.drop_cached_record(&query.patient_id);
        if self.options.data_ready_events {
            self.schedule.add(
                now.plus(delay / 2),
                Due::FirstData {
                    query_id: query.id.clone(),
                },
            );
        }
    }

    pub(crate) fn hie_is_running(&self, patient_id: &str) -> bool {
        self.queries
            .values()
            .any(|query| query.patient_id == patient_id && query.runs_hie())
    }

    /// `GET /medical/v1/network/query/{requestId}`.
    pub(crate) fn read_network_query(&self, id: &str) -> Result<Value, Refusal> {
        if uuid::Uuid::parse_str(id).is_err() {
            return Err(Refusal::invalid("Invalid uuid, on [requestId]"));
        }
        let query = self.queries.get(id).map(NetworkQuery::view);
        query.ok_or_else(|| Refusal::not_found("Could not find network query"))
    }
}
