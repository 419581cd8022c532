//! Webhooks of network queries (docs.metriport.com, page `handling-data/webhooks`).
//!
//! As in Metriport's public code, a source that fails sends nothing, unless `failure_events` asks for the documented
//! webhook.

use sandbox_fhir::Source;
use serde_json::{Value, json};

use crate::message::put_external_id;
use crate::moment::Moment;
use crate::network_query::{Progress, State};
use crate::network_request::Purpose;
use crate::schedule::Due;
use crate::variants::Variant;
use crate::world::World;

impl World {
    /// Ends a source: adds its data to the record and reports the end by webhook.
    pub(crate) fn end_source(&mut self, now: Moment, query_id: &str, source: Source, completes: bool) {
        let retries = completes && self.varies(Variant::RetriedSource);
        let Some(query) = self.queries.get_mut(query_id) else {
            return;
        };
        let retries = retries && query.progress.iter().filter(|step| step.source == source).count() == 1;
        let completes = completes && !retries;
        query.end(
            source,
            if completes {
                State::Completed(now)
            } else {
                State::Failed
            },
        );
        let patient_id = query.patient_id.clone();
        if completes {
            self.collect(now, &patient_id, source);
        }
        if completes || retries || self.options.failure_events {
            self.vary_account(now, &patient_id);
            self.announce_source(now, query_id, source, completes);
        }
        if retries {
            self.retry_source(now, query_id, source);
        }
    }

    /// Runs the source again. The query then lists the source twice.
    fn retry_source(&mut self, now: Moment, query_id: &str, source: Source) {
        let delay = self.options.delay(self.options.delays.pharmacy_ms);
        if let Some(query) = self.queries.get_mut(query_id) {
            query.progress.push(Progress::new(source));
        }
        let (query_id, completes) = (query_id.to_owned(), true);
        let ends = Due::SourceEnds {
            query_id,
            source,
            completes,
        };
        self.schedule.add(now.plus(delay), ends);
    }

    fn announce_source(&mut self, now: Moment, query_id: &str, source: Source, completes: bool) {
        let provider = match source {
            Source::Hie => "national-hie",
            Source::Pharmacy => "surescripts",
            Source::Lab => "quest",
        };
        let status = match completes {
            true if self.varies(Variant::SkippedSource) => "skipped",
            true => "completed",
            false => "failed",
        };
        let part = json!({ "type": source.as_str(), "source": provider, "status": status, "completedAt": now });
        self.announce(now, query_id, &format!("network-query.{}", source.as_str()), part);
    }

    /// Reports early data of an HIE query. The source continues to run.
    pub(crate) fn announce_first_data(&mut self, now: Moment, query_id: &str) {
        let part = json!({ "type": "hie", "status": "processing", "firstDataReadyAt": now });
        self.announce(now, query_id, "network-query.hie.first-data-ready", part);
    }

    fn announce(&mut self, now: Moment, query_id: &str, event_type: &str, source: Value) {
        let Some(query) = self.queries.get(query_id) else {
            return;
        };
        let (patient_id, purpose, metadata) = (query.patient_id.clone(), query.purpose, query.metadata.clone());
        let mut payload = json!({
            "patientId": patient_id,
            "consolidatedDataUrl": self.consolidated_record_url(now, &patient_id),
            "source": source,
        });
        let patient = self.patients.get(&patient_id);
        put_external_id(&mut payload, patient.and_then(|patient| patient.external_id.as_deref()));
        if let (Purpose::Ias, Some(fields)) = (purpose, payload.as_object_mut()) {
            fields.insert("purposeOfUse".to_owned(), json!("ias"));
        }
        if self.varies(Variant::ForeignQuery) {
            let foreign = self.ids.uuid(now);
            self.emit(now, event_type, &foreign, None, "payload", payload.clone());
        }
        self.emit(now, event_type, query_id, metadata, "payload", payload);
    }
}
