//! The Metriport Medical API as Individual Access uses it, one endpoint a file.
//!
//! Knows the wire: paths, headers, JSON shapes, odd error bodies, and what a failure says about whether the call took
//! effect. Does not know AWS, budgets, retries, state or what a step does with an answer. Wire types stay in their
//! file; only types of `crate::domain` and of this module leave it. Strict on output, tolerant on input: unknown fields
//! are ignored and unknown words count as "still running", except where a decision about a person hangs on them.
//!
//! What a step may do upstream is what its signature asks for: each capability is a trait beside its adapter
//! ([`CreatePatient`], [`OpenAal2Challenge`], [`StartNetworkQuery`], …), and [`Client`] has them all.
//!
//! Source of the facts: the pages of docs.metriport.com named at each endpoint, and the published npm packages
//! `@metriport/api-sdk` and `@metriport/shared` where the pages are silent.

mod aal2_challenge;
mod api_key;
mod call;
mod client;
mod consolidated;
mod facility;
mod hosted;
mod identity_session;
mod metadata;
mod network_query;
mod patient;
mod refusal;
mod retry_after;
mod send;
mod settings;
mod tolerant;
mod transport;

pub use crate::ports::upstream::{Effect, Mentions, Operation, UpstreamError, UpstreamErrorKind};
pub use crate::ports::{ApiKeyRead, ReadApiKey};
pub use aal2_challenge::{Aal2Challenge, Aal2Method, OpenAal2Challenge};
pub use client::{Client, ClientOptions, ClientOptionsError};
pub use consolidated::{ConsolidatedQuery, StartConsolidatedQuery};
pub use facility::{Facility, FacilityAddress, ManageFacilities, NewFacility, Npi, NpiError};
pub use hosted::{HostedUrl, RedirectUrl, RedirectUrlError};
pub use identity_session::{IdentitySession, IdentitySessionStatus, OpenIdentitySession};
pub use metadata::{Metadata, MetadataError};
pub use network_query::{
    IasStart, NetworkQuery, NetworkQueryStatus, ReadNetworkQuery, RequestedSources, SourceReport, SourceState,
    StartNetworkQuery, StartTreatmentQuery, TreatmentStart,
};
pub use patient::{
    CreatePatient, DeletePatient, FindPatient, ForeignPatient, NewPatient, Patient, PatientDeletion, PatientUpdate,
    UnverifiedPatient, UpdatePatient,
};
pub use settings::{
    Settings, WebhookReplay, WebhookSettings, WebhookStatus, WebhookUrlProblem, refused_webhook_texts,
    webhook_url_problem,
};
pub use transport::{HttpClientError, http_client, http_client_over, tls_config, tls_config_trusting};
