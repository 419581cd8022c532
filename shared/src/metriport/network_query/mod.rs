//! Network queries: what asks the exchanges, pharmacies and labs for a person's records.
//!
//! There are two rails. Individual Access, for the person, needs a proofed identity and an AAL2 session; treatment, for
//! a provider, needs neither. They are two types, two capabilities and one private sender, so that a function which
//! serves persons cannot start a query for treatment by leaving something out.

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
    /// May start queries on the Individual Access rail.
    pub trait StartNetworkQuery via HasUpstream {
        /// Starts a query for the person themselves. Consumes the AAL2 session, whatever the answer.
        ///
        /// # Errors
        /// With [`UpstreamError::mentions_aal2`] or [`UpstreamError::mentions_identity`] when the person has to prove
        /// something again; `Garbage`, with unknown effect, for an answer without a request id; see [`UpstreamError`].
        async fn start_network_query(&self, start: &IasStart) -> Result<NetworkQuery, UpstreamError>;
    }
}

/// May start queries on the treatment rail. No function of a person's may.
pub trait StartTreatmentQuery {
    /// Starts a query for a provider who treats the patient.
    ///
    /// # Errors
    /// `Garbage`, with unknown effect, for an answer without a request id; see [`UpstreamError`].
    fn start_treatment_query(
        &self,
        start: &TreatmentStart,
    ) -> impl Future<Output = Result<NetworkQuery, UpstreamError>> + Send;
}

port! {
    /// May read how a query goes.
    pub trait ReadNetworkQuery via HasUpstream {
        /// Reads the query's state.
        ///
        /// # Errors
        /// `NotFound` for a query of another account; `Garbage` for another query's answer; see [`UpstreamError`].
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

/// The kinds of source a query asks; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedSources(BTreeSet<SourceKind>);

impl RequestedSources {
    /// `None` without any: upstream refuses a query that asks nobody.
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
