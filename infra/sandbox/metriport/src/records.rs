//! The data that the networks returned about each patient, and the cached record made from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use sandbox_fhir::{BundleText, Entry, NetworkRecord, RecordFilter, Source, adapt_sample, bundle_text};
use sha2::{Digest as _, Sha256};

use crate::fhir_patient;
use crate::files::Object;
use crate::moment::Moment;
use crate::patient::Patient;
use crate::personas::Persona;
use crate::world::World;

/// A record at the time of a request: the sources that had answered, and the filter.
#[derive(Clone)]
pub(crate) struct View {
    record: Arc<NetworkRecord>,
    sources: Vec<Source>,
    filter: RecordFilter,
    /// Replaces every Patient; `None` keeps the record's own Patients.
    patient: Option<Entry>,
}

impl View {
    /// The record's text, chunk by chunk.
    pub(crate) fn bundle(&self) -> BundleText {
        let bundle = bundle_text(Arc::clone(&self.record), &self.sources, &self.filter);
        match &self.patient {
            Some(patient) => bundle.with_patient(patient.clone()),
            None => bundle,
        }
    }
}

pub(crate) struct Holding {
    /// The networks' data about a patient, including sources that no query has asked yet.
    record: Arc<NetworkRecord>,
    /// The sources that have answered so far.
    collected: BTreeSet<Source>,
    /// Whether the cached record exists. A new HIE query deletes it, and the next answer of a source rebuilds it.
    cached: bool,
}

impl World {
    /// Adds a source's answer to the record.
    pub(crate) fn collect(&mut self, now: Moment, patient_id: &str, source: Source) {
        let patient = self.replacement(patient_id);
        let Some(holding) = self.holding(now, patient_id) else {
            return;
        };
        holding.collected.insert(source);
        holding.cached = true;
        let view = holding.view(RecordFilter::default(), patient);
        if view.bundle().total() > 0 {
            let key = self.record_key(patient_id);
            self.files.put(key, Object::Record(view));
        }
    }

    /// Deletes the cached record at the start of an HIE query.
    pub(crate) fn drop_cached_record(&mut self, patient_id: &str) {
        if let Some(holding) = self.holdings.get_mut(patient_id) {
            holding.cached = false;
        }
        let key = self.record_key(patient_id);
        self.files.remove(&key);
    }

    /// The record as a consolidated query sees it now. It is empty while an HIE query runs and the cached record is
    /// deleted.
    pub(crate) fn consolidated(&mut self, now: Moment, patient_id: &str, filter: RecordFilter) -> View {
        let hie_is_running = self.hie_is_running(patient_id);
        let patient = self.replacement(patient_id);
        match self.holding(now, patient_id) {
            Some(holding) if holding.cached || !hie_is_running => holding.view(filter, patient),
            _ => View {
                record: Arc::new(NetworkRecord::default()),
                sources: Vec::new(),
                filter,
                patient: None,
            },
        }
    }

    /// Link to the whole record, in its state at the time of the download.
    pub(crate) fn consolidated_record_url(&self, now: Moment, patient_id: &str) -> String {
        self.presign(now, &self.record_key(patient_id))
    }

    fn record_key(&self, patient_id: &str) -> String {
        let account = &self.account_id;
        format!("{account}/{account}_{patient_id}_CONSOLIDATED_DATA.json")
    }

    fn holding(&mut self, now: Moment, patient_id: &str) -> Option<&mut Holding> {
        if !self.holdings.contains_key(patient_id) {
            let record = self.what_networks_hold(self.patients.get(patient_id)?, now);
            let holding = Holding {
                record,
                collected: BTreeSet::new(),
                cached: false,
            };
            self.holdings.insert(patient_id.to_owned(), holding);
        }
        self.holdings.get_mut(patient_id)
    }

    fn what_networks_hold(&self, patient: &Patient, now: Moment) -> Arc<NetworkRecord> {
        if patient.persona() == Persona::NoData {
            return Arc::new(NetworkRecord::default());
        }
        let record = match &self.record {
            Some(given) if !self.options.replace_patient => return Arc::clone(given),
            Some(given) => NetworkRecord::clone(given),
            None => {
                let birth_date = patient.demographics.dob.parse().unwrap_or_default();
                adapt_sample(seed(self.options.seed, patient), birth_date, now.date())
            }
        };
        Arc::new(record.with_links_to(&patient.id))
    }

    /// The Patient of a record, made from the present demographics; `None` keeps the record's own Patients.
    fn replacement(&self, patient_id: &str) -> Option<Entry> {
        let replaces = self.record.is_none() || self.options.replace_patient;
        let patient = self.patients.get(patient_id).filter(|_| replaces)?;
        fhir_patient::entry(patient)
    }
}

/// The seed of a person's sample record. A patient who is deleted and created again has the same seed.
fn seed(run: u64, patient: &Patient) -> u64 {
    let who = &patient.demographics;
    let text = format!("{run}\n{}\n{}\n{}", who.first_name, who.last_name, who.dob);
    Sha256::digest(text.as_bytes())
        .iter()
        .take(8)
        .fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

impl Holding {
    fn view(&self, filter: RecordFilter, patient: Option<Entry>) -> View {
        View {
            record: Arc::clone(&self.record),
            sources: self.collected.iter().copied().collect(),
            filter,
            patient,
        }
    }
}
