//! Splits a FHIR Bundle, such as one from Synthea, into the sources of a network query.
//!
//! Every resource goes to exactly one source, and keeps its text and `fullUrl`, so that references to it still resolve.
//! The Bundle's own fields and each entry's `request` are dropped.

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::entry::{Entry, name_unnamed};
use crate::lenient::{Lenient, Object};
use crate::record::NetworkRecord;
use crate::resource::{is_readable, source_of};

/// The reason why a Bundle was refused. The error message never quotes the file; it names a line and column, or an
/// index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes are not JSON text in UTF-8.
    #[error(
        "not JSON: reading stopped at line {line}, column {column}; give a FHIR R4 Bundle as uncompressed JSON in UTF-8"
    )]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 is the end of the previous line.
        column: usize,
    },
    /// The JSON is not an object with `resourceType` `Bundle` and an `entry` array of objects.
    #[error("not a FHIR Bundle: give one JSON object with resourceType Bundle and an array named entry")]
    NotABundle,
    /// The Bundle has no entries.
    #[error("the Bundle has no entries: give one that holds at least a Patient")]
    EmptyBundle,
    /// An entry has no resource, as in the response to a transaction.
    #[error("entry {index} (counted from 0) has no resource: remove it, or give a collection or transaction Bundle")]
    EntryWithoutResource {
        /// Index in `entry`, from 0.
        index: usize,
    },
    /// The resource of an entry is not a JSON object with one `resourceType`, or repeats a field that this crate reads.
    #[error(
        "entry {index} (counted from 0) holds no FHIR resource: give it an object with one resourceType and unique names"
    )]
    NotAResource {
        /// Index in `entry`, from 0.
        index: usize,
    },
}

/// Splits a FHIR R4 Bundle of any type by source, and keeps the order within each source.
///
/// MedicationRequest, MedicationDispense, MedicationAdministration, MedicationStatement and Medication go to
/// `pharmacy`; Observation with category `laboratory` and DiagnosticReport with category `LAB` go to `lab`. Everything
/// else goes to `hie`.
///
/// # Errors
/// Fails with a [`BundleError`]; a Bundle is accepted whole or not at all.
pub fn split(bundle_bytes: &[u8]) -> Result<NetworkRecord, BundleError> {
    read_entries(bundle_bytes).map(NetworkRecord::from_iter)
}

/// Reads the entries of a FHIR R4 Bundle of any type, in order. An entry without a `fullUrl` gets the one derived from
/// its id, unless another entry has it.
///
/// # Errors
/// Fails with a [`BundleError`].
pub fn read_entries(bundle_bytes: &[u8]) -> Result<Vec<Entry>, BundleError> {
    let Object(bundle) = read(bundle_bytes)?;
    if bundle.resource_type.get().is_none_or(|name| name != "Bundle") {
        return Err(BundleError::NotABundle);
    }
    let entries = bundle.entry.unwrap_or_default();
    if entries.is_empty() {
        return Err(BundleError::EmptyBundle);
    }
    let entries = entries.into_iter().enumerate();
    let mut entries = entries
        .map(|(index, Object(entry))| take(index, entry))
        .collect::<Result<Vec<_>, _>>()?;
    name_unnamed(&mut entries);
    Ok(entries)
}

fn take(index: usize, entry: WireEntry) -> Result<Entry, BundleError> {
    let resource = entry.resource.ok_or(BundleError::EntryWithoutResource { index })?;
    let entry = Entry::named(resource.to_owned(), entry.full_url.map(ToOwned::to_owned));
    let is_resource = !entry.resource_type().is_empty() && source_of(resource).is_some() && is_readable(resource);
    is_resource.then_some(entry).ok_or(BundleError::NotAResource { index })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    #[serde(default)]
    resource_type: Lenient<String>,
    #[serde(borrow, default)]
    entry: Option<Vec<Object<WireEntry<'a>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEntry<'a> {
    #[serde(borrow, default)]
    full_url: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
}

fn read(bytes: &[u8]) -> Result<Object<Bundle<'_>>, BundleError> {
    // Some tools write a byte order mark, which JSON does not have.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| refusal(&error))
}

fn refusal(error: &serde_json::Error) -> BundleError {
    match error.classify() {
        Category::Data => BundleError::NotABundle,
        Category::Syntax | Category::Eof | Category::Io => BundleError::NotJson {
            line: error.line(),
            column: error.column(),
        },
    }
}
