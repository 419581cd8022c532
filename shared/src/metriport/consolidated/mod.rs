//! Consolidated queries: what was retrieved so far, as one document.
//!
//! They serve the stored record, whichever purpose filled it, and fetch nothing new. The document's link comes in the
//! webhook `medical.consolidated-data` alone; a missed one is made good by another query.

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
        /// Starts one, or gets the running one that asks the same: repeating it is harmless.
        ///
        /// # Errors
        /// `Garbage`, with unknown effect, for an answer without a request id or about another form; see
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
