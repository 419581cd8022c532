//! Consolidated queries: what was retrieved so far, as one document.
//!
//! They serve the stored record, whichever purpose filled it, and fetch nothing new. The document's link comes in the
//! webhook `medical.consolidated-data` alone; a missed one is made good by another query.

mod reply;
mod start;
mod status;

use std::future::Future;

pub use reply::{ConsolidatedQuery, ConsolidatedStatus};

use super::{Client, Metadata, UpstreamError};
use crate::domain::record::Asked;
use crate::domain::{PatientId, UpstreamRequestId};
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

/// May read how a consolidated query goes.
pub trait ReadConsolidatedQuery {
    /// Reads the query's state.
    ///
    /// # Errors
    /// `NotFound` if upstream does not know it; `Garbage` for another query's answer; see [`UpstreamError`].
    fn read_consolidated_query(
        &self,
        patient: &PatientId,
        request: &UpstreamRequestId,
    ) -> impl Future<Output = Result<ConsolidatedQuery, UpstreamError>> + Send;
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

impl ReadConsolidatedQuery for Client {
    async fn read_consolidated_query(
        &self,
        patient: &PatientId,
        request: &UpstreamRequestId,
    ) -> Result<ConsolidatedQuery, UpstreamError> {
        status::read(self, patient, request).await
    }
}
