//! The network queries that the stand-in started, for checks by tests.

use std::collections::BTreeMap;

use crate::stand_in::StandIn;

/// One network query that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySummary {
    /// Request id.
    pub id: String,
    /// The patient's `externalId`, if it has one.
    pub external_id: Option<String>,
    /// The metadata of its start.
    pub metadata: BTreeMap<String, String>,
}

impl StandIn {
    /// Every network query that was started, even if the answer was lost.
    #[must_use]
    pub fn network_queries(&self) -> Vec<QuerySummary> {
        self.app().act(|world, _| {
            let queries = world.queries.values().map(|query| QuerySummary {
                id: query.id.clone(),
                external_id: world
                    .patients
                    .get(&query.patient_id)
                    .and_then(|patient| patient.external_id.clone()),
                metadata: query.metadata.clone().unwrap_or_default(),
            });
            queries.collect()
        })
    }
}
