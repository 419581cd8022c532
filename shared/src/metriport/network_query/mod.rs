//! Network queries, which ask the exchanges, pharmacies and labs for a person's records.
//!
//! A query has one of two purposes. Individual Access, for the person, needs a proofed identity and an AAL2 session;
//! treatment, for a provider, needs neither. Each purpose has its own type and its own port. A function that serves
//! persons therefore cannot start a query for treatment by omitting a field.

mod fold;
mod reply;
mod start;
mod status;

use std::collections::BTreeSet;
use std::future::Future;

pub use reply::{NetworkQuery, NetworkQueryStatus, SourceReport, SourceState};
pub use start::{IasStart, TreatmentStart};

use super::{Client, UpstreamError};
use crate::domain::{SourceKind, UpstreamRequestId};
use crate::ports::port;

port! {
    /// Starts queries for Individual Access.
    pub trait StartNetworkQuery via HasUpstream {
        /// Starts a query for the person themselves. The call consumes the AAL2 session, whatever the answer is.
        ///
        /// # Errors
        /// If the person needs a new challenge, [`UpstreamError::mentions_aal2`] is true. If the refusal mentions their
        /// identity, [`UpstreamError::mentions_identity`] is true. An answer without a request id is `Garbage`, with
        /// unknown effect. See [`UpstreamError`].
        async fn start_network_query(&self, start: &IasStart) -> Result<NetworkQuery, UpstreamError>;
    }
}

/// Starts queries for treatment. No function that serves persons has this port.
pub trait StartTreatmentQuery {
    /// Starts a query for a provider who treats the patient.
    ///
    /// # Errors
    /// An answer without a request id is `Garbage`, with unknown effect. See [`UpstreamError`].
    fn start_treatment_query(
        &self,
        start: &TreatmentStart,
    ) -> impl Future<Output = Result<NetworkQuery, UpstreamError>> + Send;
}

port! {
    /// Reads the state of queries.
    pub trait ReadNetworkQuery via HasUpstream {
        /// Reads the state of one query.
        ///
        /// # Errors
        /// `NotFound` for a query of another account, `Garbage` for an answer about another query. See
        /// [`UpstreamError`].
        async fn read_network_query(
            &self,
            request: &UpstreamRequestId,
        ) -> Result<NetworkQuery, UpstreamError>;
    }
}

impl ReadNetworkQuery for Client {
    async fn read_network_query(&self, request: &UpstreamRequestId) -> Result<NetworkQuery, UpstreamError> {
        status::read(self, request).await
    }
}

/// The kinds of source that a query asks, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedSources(BTreeSet<SourceKind>);

impl RequestedSources {
    /// `None` if `kinds` is empty, because Metriport refuses a query without sources.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = SourceKind>) -> Option<Self> {
        let kinds: BTreeSet<_> = kinds.into_iter().collect();
        (!kinds.is_empty()).then_some(Self(kinds))
    }

    /// The kinds, in order.
    pub fn iter(&self) -> impl Iterator<Item = SourceKind> + '_ {
        self.0.iter().copied()
    }
}
