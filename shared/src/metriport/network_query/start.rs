//! `POST /medical/v1/network/query` (docs.metriport.com, page `network/start-network-query`).

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Serialize;

use super::{NetworkQuery, RequestedSources, StartNetworkQuery, StartTreatmentQuery, reply};
use crate::domain::{Aal2SessionId, PatientId, ProofedIdentityId};
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Metadata, Operation, UpstreamError};

/// A query that a person makes for themselves. It cannot be built without a proofed identity, which shows who they are,
/// and an AAL2 session, which shows that they are present.
#[derive(Debug, Clone)]
pub struct IasStart {
    /// The person's patient.
    pub patient: PatientId,
    /// The result of IAL2 proofing for that patient.
    pub proofed_identity: ProofedIdentityId,
    /// The result of the AAL2 challenge that the person has just passed.
    pub aal2_session: Aal2SessionId,
    /// The sources to ask.
    pub sources: RequestedSources,
    /// Pairs that the webhooks echo.
    pub metadata: Metadata,
}

/// A query that a provider makes for treatment.
#[derive(Debug, Clone)]
pub struct TreatmentStart {
    /// The patient.
    pub patient: PatientId,
    /// The sources to ask.
    pub sources: RequestedSources,
    /// Pairs that the webhooks echo.
    pub metadata: Metadata,
}

/// The purpose is always sent, in lowercase, because Metriport assumes treatment if it is missing.
#[derive(Clone, Copy)]
enum PurposeOfUse {
    Ias,
    Treatment,
}

impl PurposeOfUse {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ias => "ias",
            Self::Treatment => "treatment",
        }
    }
}

/// `sources` is an object with options for each source. Metriport's older format, a list of sources, is not sent.
/// Metriport refuses unknown options.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    sources: BTreeMap<&'static str, SourceOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proofed_identity_id: Option<&'a ProofedIdentityId>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: &'a Metadata,
}

#[derive(Serialize)]
struct SourceOptions {
    enabled: bool,
}

impl<'a> Body<'a> {
    fn new(sources: &RequestedSources, identity: Option<&'a ProofedIdentityId>, metadata: &'a Metadata) -> Self {
        let sources = sources
            .iter()
            .map(|kind| (kind.as_str(), SourceOptions { enabled: true }))
            .collect();
        Self {
            sources,
            proofed_identity_id: identity,
            metadata,
        }
    }
}

impl StartNetworkQuery for Client {
    async fn start_network_query(&self, start: &IasStart) -> Result<NetworkQuery, UpstreamError> {
        let body = Body::new(&start.sources, Some(&start.proofed_identity), &start.metadata);
        send(
            self,
            call(PurposeOfUse::Ias, &start.patient, &body).aal2_session(&start.aal2_session),
        )
        .await
    }
}

impl StartTreatmentQuery for Client {
    async fn start_treatment_query(&self, start: &TreatmentStart) -> Result<NetworkQuery, UpstreamError> {
        let body = Body::new(&start.sources, None, &start.metadata);
        send(self, call(PurposeOfUse::Treatment, &start.patient, &body)).await
    }
}

fn call<'a>(purpose: PurposeOfUse, patient: &'a PatientId, body: &Body<'_>) -> UpstreamCall<'a> {
    UpstreamCall::new(
        Operation::StartNetworkQuery,
        Method::POST,
        ["medical", "v1", "network", "query"],
    )
    .query("patientId", patient.as_str())
    .query("purposeOfUse", purpose.as_str())
    .json(body)
}

async fn send(client: &Client, call: UpstreamCall<'_>) -> Result<NetworkQuery, UpstreamError> {
    reply::started(&client.send(call).await?)
}
