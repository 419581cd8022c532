//! The Metriport Medical API as Individual Access uses it, one endpoint per file.
//!
//! The module knows the wire: paths, headers, JSON shapes, odd error bodies, and whether a failed call may have taken
//! effect. It does not know AWS, budgets, retries, state, or the use of an answer. Wire types stay in their file; only
//! types of `crate::domain` and of this module leave it. Requests are strict, but answers are read tolerantly: unknown
//! fields are ignored, and an unknown status counts as "still running". If a decision about a person depends on an
//! answer, an unreadable answer is an error.
//!
//! A step's signature names the calls that it makes. Each call is a port, a trait next to its adapter
//! ([`CreatePatient`], [`OpenAal2Challenge`], [`StartNetworkQuery`], …); [`Client`] implements all of them.
//!
//! Sources: the pages of docs.metriport.com named at each endpoint and, where they are silent, the published npm
//! packages `@metriport/api-sdk` and `@metriport/shared`.

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
