//! A stand-in for Metriport's Medical API, over real sockets on 127.0.0.1.
//!
//! It follows Metriport's public contract (docs.metriport.com):
//! - patients, facilities, settings and signed webhooks
//! - hosted identity and AAL2 pages
//! - network queries for the purposes of use `ias` and `treatment`, and consolidated queries with short-lived links
//! - odd error bodies and per-minute limits
//!
//! Each module states its assumptions about facts that are not documented. The stand-in shares no code with the back
//! end under test, so that one misreading of the contract cannot affect both.
//!
//! `World` holds the whole state and gets the time as an argument; axum, the timer and webhook delivery are a thin
//! layer around it.
//!
//! The stand-in does not cover: patient list, opt-out endpoints, `networkQuery` inside patient create, bulk patients,
//! messages, document downloads, and the inline consolidated endpoint.

mod aal2;
mod about;
mod address;
mod api_keys;
mod app;
mod authenticator;
mod calls;
mod clock;
mod coercion;
mod consolidated;
mod consolidated_request;
mod delivery;
mod demographics;
mod documents;
mod email;
mod envelope;
mod etag;
mod facility;
mod faults;
mod fhir_patient;
mod files;
#[cfg(test)]
mod flow_tests;
mod gate;
mod hosted;
mod identity;
mod ids;
mod interception;
mod interceptor;
mod journal;
mod limits;
mod look;
mod message;
mod metadata;
mod moment;
mod network;
mod network_events;
mod network_query;
mod network_request;
mod odd_body;
mod operation;
mod options;
mod pages;
mod patient;
mod personas;
mod records;
mod redirect;
mod routes;
mod schedule;
mod serve;
mod settings;
mod signature;
mod stand_in;
mod variants;
mod webhooks;
mod world;

pub use calls::{Call, OperationStats, Stats};
pub use delivery::DeliveryError;
pub use demographics::takes_demographics;
pub use faults::Failure;
pub use interceptor::{
    CallInfo, DeliveryDecision, DeliveryInfo, DeliveryPlan, FaultCounts, FaultPlan, Interceptor, Passage,
};
pub use limits::PerMinute;
pub use look::QuerySummary;
pub use odd_body::OddBody;
pub use operation::Operation;
pub use options::{Delays, StandInOptions, Wait};
pub use patient::SOMEBODY_ELSES_EXTERNAL_ID;
pub use personas::{Persona, UnknownPersona};
pub use sandbox_fhir::Source;
pub use stand_in::{Replay, StandIn, StartError};
pub use variants::{Variant, Variants};
pub use webhooks::{DeliveryLog, HeldDelivery};
