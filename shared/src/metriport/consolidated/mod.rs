//! Consolidated queries, which return everything retrieved so far as one document.
//!
//! They return the data that Metriport has stored for the patient, retrieved for any purpose, and fetch nothing new
//! from the networks. The document's link arrives only in the webhook `medical.consolidated-data`. If that webhook is
//! lost, another query causes a new webhook.

mod reply;
mod start;

pub use reply::ConsolidatedQuery;

use super::{Client, Metadata, UpstreamError};
use crate::domain::PatientId;
use crate::domain::record::RecordQuery;
use crate::ports::port;

port! {
    /// Starts consolidated queries.
    pub trait StartConsolidatedQuery via HasUpstream {
        /// Starts a query, or returns the running query that asks for the same. A repetition is therefore harmless.
        ///
        /// # Errors
        /// An answer without a request id, or with another form of the record, is `Garbage`, with unknown effect. See
        /// [`UpstreamError`].
        async fn start_consolidated_query(
            &self,
            patient: &PatientId,
            query: &RecordQuery,
            metadata: &Metadata,
        ) -> Result<ConsolidatedQuery, UpstreamError>;
    }
}

impl StartConsolidatedQuery for Client {
    async fn start_consolidated_query(
        &self,
        patient: &PatientId,
        query: &RecordQuery,
        metadata: &Metadata,
    ) -> Result<ConsolidatedQuery, UpstreamError> {
        start::start(self, patient, query, metadata).await
    }
}
