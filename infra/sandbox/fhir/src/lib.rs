//! What the networks know about a person: FHIR R4 resources per source, made up or taken from a file.
//!
//! This crate knows FHIR R4 resources and Bundles (hl7.org/fhir/R4). It knows no network, no clock and no Metriport:
//! seeds, dates and persons are arguments, and delivery, timing and signatures belong to the stand-in that uses it.
//!
//! A resource is kept as the text it came as ([`serde_json::value::RawValue`]), so that number text (`1.50`), key order
//! and escapes reach the reader to the byte: a medical record is passed on, not rewritten.

mod bundle;
mod date_span;
mod entry;
mod filter;
mod generate;
mod lenient;
mod record;
mod references;
mod resource;
mod split;
mod summary;

pub use bundle::{BundleText, CHUNK_BYTES, bundle_text};
pub use date_span::DateSpan;
pub use entry::Entry;
pub use filter::RecordFilter;
pub use generate::{Address, Gender, Person, generate};
pub use record::{NetworkRecord, Source};
pub use resource::{resource_date, resource_type};
pub use split::{BundleError, read_entries, split};
pub use summary::{Summary, SummaryError, summary};
