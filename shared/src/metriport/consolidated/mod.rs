//! Consolidated queries: everything retrieved so far, as one document.
//!
//! They return the record that Metriport has stored, retrieved for any purpose, and fetch nothing new. The document's
//! link arrives only in the webhook `medical.consolidated-data`. If that webhook is lost, another query causes a new
//! one.

mod reply;
mod start;

pub use reply::ConsolidatedQuery;

use super::{Client, Metadata, UpstreamError};
use crate::domain::PatientId;
use crate::domain::record::Asked;
use crate::ports::port;

port! {
    /// May start consolidated queries.
    pub trait StartConsolidatedQuery via HasUpstream {
        /// Starts a query, or returns the running one that asks the same: a repetition is harmless.
        ///
        /// # Errors
        /// An answer without a request id, or about another form, is `Garbage`, with unknown effect. See
        /// [`UpstreamError`].
        async fn start_consolidated_query(
            &self,
            patient: &PatientId,
            asked: &Asked,
            metadata: &Metadata,
        ) -> Result<ConsolidatedQuery, UpstreamError>;
    }
}

impl StartConsolidatedQuery for Client {
    async fn start_consolidated_query(
        &self,
        patient: &PatientId,
        asked: &Asked,
        metadata: &Metadata,
    ) -> Result<ConsolidatedQuery, UpstreamError> {
        start::start(self, patient, asked, metadata).await
    }
}
