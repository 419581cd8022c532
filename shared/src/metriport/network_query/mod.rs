//! Network queries, which ask the exchanges, pharmacies and labs for a person's records.
//!
//! There are two rails. Individual Access, for the person, needs a proofed identity and an AAL2 session; treatment, for
//! a provider, needs neither. They are two types and two ports over one private sender. So a function that serves
//! persons cannot start a query for treatment by leaving something out.

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
        /// Starts a query for the person themselves. It consumes the AAL2 session, with any answer.
        ///
        /// # Errors
        /// [`UpstreamError::mentions_aal2`] or [`UpstreamError::mentions_identity`] holds when the person has to prove
        /// something again. An answer without a request id is `Garbage`, with unknown effect. See [`UpstreamError`].
        async fn start_network_query(&self, start: &IasStart) -> Result<NetworkQuery, UpstreamError>;
    }
}

/// May start queries on the treatment rail. No function that serves persons has this port.
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
    /// May read the state of a query.
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

/// The kinds of source a query asks; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedSources(BTreeSet<SourceKind>);

impl RequestedSources {
    /// `None` without any kind: Metriport refuses a query without sources.
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
