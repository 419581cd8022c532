//! Consolidated queries: the record collected so far, as a file (docs.metriport.com, page
//! `api-reference/fhir/consolidated-data-query-post`).
//!
//! If an equal query is processing, a start returns that query; a different query waits until the earlier queries have
//! ended. As in Metriport's public code, a later query's metadata replaces the patient's earlier metadata, and its file
//! overwrites the earlier file.

use serde_json::{Value, json};

use crate::consolidated_request::{Ask, Conversion};
use crate::documents;
use crate::envelope::Refusal;
use crate::files::Object;
use crate::metadata::{self, Metadata};
use crate::moment::Moment;
use crate::records::View;
use crate::schedule::Due;
use crate::variants::{PADDING_BYTES, Variant};
use crate::world::World;

/// Metadata key that, with the value `true`, switches off the webhook; internal to Metriport.
const NO_WEBHOOK_KEY: &str = "disableWHFlag";

pub(crate) struct ConsolidatedQuery {
    id: String,
    patient_id: String,
    ask: Ask,
    started_at: Moment,
    status: Status,
}

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Processing,
    Completed,
    Failed,
}

impl World {
    /// `POST /medical/v1/patient/{id}/consolidated/query`.
    pub(crate) fn start_consolidated(
        &mut self,
        now: Moment,
        patient_id: &str,
        ask: Ask,
        body: &Value,
    ) -> Result<Value, Refusal> {
        if !body.is_object() {
            return Err(Refusal::invalid("Expected object, on [body]"));
        }
        let metadata = metadata::read(body, metadata::PAIRS_MAX)?;
        self.patient(patient_id)?;
        let waiting = |query: &&ConsolidatedQuery| query.patient_id == patient_id && query.status == Status::Processing;
        if let Some(same) = self.consolidated.iter().filter(waiting).find(|query| query.ask == ask) {
            return Ok(same.view());
        }
        let first_in_line = !self.consolidated.iter().any(|query| waiting(&query));
        let id = self.ids.uuid(now);
        let patient_id = patient_id.to_owned();
        self.replace_metadata(&patient_id, metadata);
        let query = ConsolidatedQuery {
            id,
            patient_id,
            ask,
            started_at: now,
            status: Status::Processing,
        };
        let view = query.view();
        if first_in_line {
            self.schedule_consolidated(now, &query.id);
        }
        self.consolidated.push(query);
        Ok(view)
    }

    fn replace_metadata(&mut self, patient_id: &str, metadata: Option<Metadata>) {
        match metadata {
            Some(metadata) => self.consolidated_metadata.insert(patient_id.to_owned(), metadata),
            None => self.consolidated_metadata.remove(patient_id),
        };
    }

    fn schedule_consolidated(&mut self, now: Moment, request_id: &str) {
        let due = now.plus(self.options.delay(self.options.delays.consolidated_ms));
        self.schedule.add(
            due,
            Due::ConsolidatedEnds {
                request_id: request_id.to_owned(),
            },
        );
    }

    /// `GET /medical/v1/patient/{id}/consolidated/query`.
    pub(crate) fn list_consolidated(&self, patient_id: &str) -> Result<Value, Refusal> {
        self.patient(patient_id)?;
        let mut of_patient = self.consolidated.iter().filter(|query| query.patient_id == patient_id);
        let queries: Vec<Value> = of_patient.clone().map(ConsolidatedQuery::view).collect();
        let last = of_patient.next_back().map(|query| query.status.as_str());
        let queries = if queries.is_empty() {
            Value::Null
        } else {
            Value::Array(queries)
        };
        Ok(json!({ "queries": queries, "status": last, "message": "Data is sent by webhook, not by this endpoint" }))
    }

    /// `GET /medical/v1/patient/{id}/consolidated/query/{requestId}`. The answer has no link.
    pub(crate) fn read_consolidated(&self, patient_id: &str, request_id: &str) -> Result<Value, Refusal> {
        self.patient(patient_id)?;
        let mut queries = self.consolidated.iter();
        let found = queries.find(|query| query.patient_id == patient_id && query.id == request_id);
        found
            .map(ConsolidatedQuery::view)
            .ok_or_else(|| Refusal::not_found("Could not find consolidated query"))
    }

    /// `GET /medical/v1/patient/{id}/consolidated/count`.
    pub(crate) fn count_consolidated(&mut self, now: Moment, patient_id: &str, ask: &Ask) -> Result<Value, Refusal> {
        self.patient(patient_id)?;
        let counts = documents::count(&self.consolidated(now, patient_id, ask.filter()));
        let total: usize = counts.values().sum();
        Ok(json!({ "total": total, "resources": counts, "filter": ask.count_filter() }))
    }

    /// Ends a query: writes its file, sends the webhook, and starts the next query in line.
    pub(crate) fn end_consolidated(&mut self, now: Moment, request_id: &str) {
        let fails = self.consolidated_failures > 0;
        self.consolidated_failures = self.consolidated_failures.saturating_sub(1);
        let Some(query) = self.consolidated.iter_mut().find(|query| query.id == request_id) else {
            return;
        };
        query.status = if fails { Status::Failed } else { Status::Completed };
        let (patient_id, ask) = (query.patient_id.clone(), query.ask.clone());
        let bundle = (!fails).then(|| self.write_consolidated(now, &patient_id, &ask));
        self.announce_consolidated(now, request_id, &patient_id, &ask, bundle);
        let next = |query: &&ConsolidatedQuery| query.patient_id == patient_id && query.status == Status::Processing;
        if let Some(next) = self.consolidated.iter().find(next).map(|query| query.id.clone()) {
            self.schedule_consolidated(now, &next);
        }
    }

    fn write_consolidated(&mut self, now: Moment, patient_id: &str, ask: &Ask) -> Value {
        let view = self.consolidated(now, patient_id, ask.filter());
        if view.bundle().total() == 0 {
            return json!({ "resourceType": "Bundle", "type": "searchset", "total": 0, "entry": [] });
        }
        let stem = format!("{0}/{0}_{patient_id}_MR", self.account_id);
        let padding = if self.varies(Variant::PaddedGzip) {
            PADDING_BYTES
        } else {
            0
        };
        let content: Vec<Value> = converted(ask.conversion, view, padding)
            .into_iter()
            .map(|(suffix, content_type, object)| {
                let key = format!("{stem}{suffix}");
                let url = self.presign(now, &key);
                self.files.put(key, object);
                json!({ "attachment": { "contentType": content_type, "url": url } })
            })
            .collect();
        let subject = format!("Patient/{patient_id}");
        let resource =
            json!({ "resourceType": "DocumentReference", "subject": { "reference": subject }, "content": content });
        json!({ "resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{ "resource": resource }] })
    }

    fn announce_consolidated(
        &mut self,
        now: Moment,
        request_id: &str,
        patient_id: &str,
        ask: &Ask,
        bundle: Option<Value>,
    ) {
        let metadata = self.consolidated_metadata.get(patient_id).cloned();
        if metadata
            .as_ref()
            .and_then(|pairs| pairs.get(NO_WEBHOOK_KEY))
            .is_some_and(|flag| flag == "true")
        {
            return;
        }
        let status = if bundle.is_some() {
            Status::Completed
        } else {
            Status::Failed
        };
        let mut part = json!({ "patientId": patient_id, "status": status.as_str(), "filters": ask.webhook_filters() });
        let patient = self.patients.get(patient_id);
        crate::message::put_external_id(&mut part, patient.and_then(|patient| patient.external_id.as_deref()));
        if let Some(fields) = part.as_object_mut() {
            fields.extend(bundle.map(|bundle| ("bundle".to_owned(), bundle)));
            self.vary_delivery(fields);
        }
        self.emit(
            now,
            "medical.consolidated-data",
            request_id,
            metadata,
            "patients",
            json!([part]),
        );
    }
}

type Converted = (&'static str, &'static str, Object);

/// The files of a conversion: suffix of the key, media type in the webhook, object.
fn converted(conversion: Conversion, view: View, padding: usize) -> Vec<Converted> {
    let counts = || documents::count(&view);
    let document = |content_type, body: Vec<u8>| Object::Document {
        content_type,
        body: body.into(),
    };
    match conversion {
        Conversion::Json => vec![
            (".json", "application/json", Object::Record(view.clone())),
            (".json.gz", "application/gzip", Object::PackedRecord(view, padding)),
        ],
        Conversion::Pdf => {
            vec![(
                ".html.pdf",
                "application/pdf",
                document("application/pdf", documents::pdf(&counts())),
            )]
        }
        Conversion::Html => vec![(".html", "text/html", document("text/html", documents::html(&counts())))],
    }
}

impl ConsolidatedQuery {
    pub(crate) fn patient_id(&self) -> &str {
        &self.patient_id
    }

    fn view(&self) -> Value {
        let mut view = self.ask.view();
        view.insert("requestId".to_owned(), json!(self.id));
        view.insert("status".to_owned(), json!(self.status.as_str()));
        view.insert("startedAt".to_owned(), json!(self.started_at));
        Value::Object(view)
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}
