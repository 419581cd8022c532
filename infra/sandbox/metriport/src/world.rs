//! The whole state of the stand-in. It gets the time as an argument, and has no sockets, clock or tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use sandbox_fhir::NetworkRecord;
use serde_json::json;

use crate::aal2::Aal2;
use crate::api_keys::ApiKeys;
use crate::consolidated::ConsolidatedQuery;
use crate::envelope::Refusal;
use crate::facility::Facility;
use crate::files::Files;
use crate::identity::Identities;
use crate::ids::Ids;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::moment::Moment;
use crate::network_query::NetworkQuery;
use crate::options::StandInOptions;
use crate::patient::Patient;
use crate::records::Holding;
use crate::schedule::{Due, Schedule};
use crate::webhooks::Webhooks;

/// One account at Metriport and the networks behind it.
pub(crate) struct World {
    pub(crate) options: StandInOptions,
    pub(crate) base_url: String,
    pub(crate) account_id: String,
    pub(crate) api_keys: ApiKeys,
    pub(crate) ids: Ids,
    pub(crate) facilities: Vec<Facility>,
    pub(crate) patients: BTreeMap<String, Patient>,
    pub(crate) identities: Identities,
    pub(crate) aal2: Aal2,
    pub(crate) queries: BTreeMap<String, NetworkQuery>,
    /// The record of every patient, if the options give one.
    pub(crate) record: Option<Arc<NetworkRecord>>,
    pub(crate) holdings: BTreeMap<String, Holding>,
    pub(crate) consolidated: Vec<ConsolidatedQuery>,
    pub(crate) consolidated_metadata: BTreeMap<String, Metadata>,
    /// How many of the next consolidated queries fail.
    pub(crate) consolidated_failures: u32,
    pub(crate) files: Files,
    pub(crate) webhooks: Webhooks,
    pub(crate) limits: Limits,
    pub(crate) schedule: Schedule,
}

impl World {
    /// Creates an account with one facility and without patients.
    pub(crate) fn new(mut options: StandInOptions, base_url: String, now: Moment) -> Result<Self, Refusal> {
        let mut ids = Ids::new(options.seed);
        let record = options.record.take().map(Arc::new);
        let mut world = Self {
            base_url,
            account_id: ids.uuid(now),
            api_keys: ApiKeys::default(),
            facilities: Vec::new(),
            patients: BTreeMap::new(),
            identities: Identities::default(),
            aal2: Aal2::default(),
            queries: BTreeMap::new(),
            record,
            holdings: BTreeMap::new(),
            consolidated: Vec::new(),
            consolidated_metadata: BTreeMap::new(),
            consolidated_failures: 0,
            files: Files::new(ids.bytes()),
            webhooks: Webhooks::new(ids.webhook_key()),
            limits: Limits::new(&mut ids, options.limits, options.time_scale),
            schedule: Schedule::default(),
            options,
            ids,
        };
        world.create_facility(now, &first_facility())?;
        Ok(world)
    }

    /// Runs all events that are due by `now`, each at its own time.
    pub(crate) fn advance(&mut self, now: Moment) {
        while let Some((at, due)) = self.schedule.take(now) {
            match due {
                Due::IdentityVerified { token, identity_id } => self.announce_identity(at, &token, &identity_id),
                Due::FirstData { query_id } => self.announce_first_data(at, &query_id),
                Due::SourceEnds {
                    query_id,
                    source,
                    completes,
                } => self.end_source(at, &query_id, source, completes),
                Due::ConsolidatedEnds { request_id } => self.end_consolidated(at, &request_id),
            }
        }
    }

    pub(crate) fn forget_patient(&mut self, patient_id: &str) {
        self.queries.retain(|_, query| query.patient_id != patient_id);
        self.consolidated.retain(|query| query.patient_id() != patient_id);
        self.consolidated_metadata.remove(patient_id);
        self.holdings.remove(patient_id);
        self.files.remove_containing(patient_id);
        self.identities.authenticators.remove(patient_id);
        self.identities
            .proofed
            .retain(|_, identity| identity.patient_id != patient_id);
    }
}

fn first_facility() -> serde_json::Value {
    json!({
        "name": "Stand-in Virtual Facility",
        "npi": "1234567893",
        "address": { "addressLine1": "10 Harbor St", "city": "Columbus", "state": "OH", "zip": "43215" },
    })
}

/// A world for unit tests, with patients.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::options::Delays;
    use serde_json::Value;

    pub(crate) const RETURN_URL: &str = "https://app.example.test/return";

    /// A point in time, in milliseconds after an arbitrary start.
    pub(crate) fn at(ms: i64) -> Moment {
        Moment::from_millis(1_795_345_402_000 + ms)
    }

    /// A world with delays of 100 ms, and its facility.
    pub(crate) fn world() -> (World, String) {
        let options = StandInOptions {
            delays: Delays::all(100),
            redirect_allowlist: vec![RETURN_URL.to_owned()],
            auto_approve: true,
            ..StandInOptions::default()
        };
        let world = World::new(options, "http://127.0.0.1:1".to_owned(), at(0)).unwrap();
        let facility = world.facilities[0].id.clone();
        (world, facility)
    }

    pub(crate) fn patient_body(first_name: &str, external_id: &str) -> Value {
        json!({
            "firstName": first_name, "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F",
            "address": [{ "addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402" }],
            "externalId": external_id,
        })
    }

    pub(crate) fn patient(world: &mut World, facility: &str, first_name: &str) -> String {
        let made = world
            .create_patient(at(0), Some(facility), &patient_body(first_name, "user-1"))
            .unwrap();
        made["id"].as_str().unwrap().to_owned()
    }
}
