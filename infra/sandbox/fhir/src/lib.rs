//! The networks' data about a person: FHIR R4 resources per source, from a sample or a file.
//!
//! This crate knows FHIR R4 resources and Bundles (hl7.org/fhir/R4), but not networks, a clock or Metriport. Seeds and
//! dates are arguments; delivery, timing and signatures belong to the stand-in.
//!
//! A resource is kept as its original text ([`serde_json::value::RawValue`]), so that numbers (`1.50`), key order and
//! escapes reach the app byte for byte.

mod bundle;
mod date_span;
mod entry;
mod filter;
mod lenient;
mod record;
mod references;
mod resource;
mod sample;
mod split;
mod summary;

pub use bundle::{BundleText, CHUNK_BYTES, bundle_text};
pub use date_span::DateSpan;
pub use entry::Entry;
pub use filter::RecordFilter;
pub use record::{NetworkRecord, Source};
pub use resource::{resource_date, resource_type};
pub use sample::adapt_sample;
pub use split::{BundleError, read_entries, split};
pub use summary::{Summary, SummaryError, summary};
