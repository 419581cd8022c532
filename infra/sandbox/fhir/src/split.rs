//! A FHIR Bundle somebody has at hand (Synthea's, for one), taken apart into the sources a network query has.
//!
//! Every resource goes into exactly one part, with the text and the `fullUrl` it had, so that links to it hold.
//! `request` and the Bundle around it are left behind.

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::entry::{Entry, name_unnamed};
use crate::lenient::{Lenient, Object};
use crate::record::NetworkRecord;
use crate::resource::{is_readable, source_of};

/// Why a Bundle was not taken. No message quotes what the file holds; lines, columns and indexes say where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes are no JSON text in UTF-8.
    #[error(
        "not JSON: reading stopped at line {line}, column {column}; give a FHIR R4 Bundle as uncompressed JSON in UTF-8"
    )]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 is the end of the line before.
        column: usize,
    },
    /// JSON, but no object with `resourceType` `Bundle` and an `entry` array of objects.
    #[error("not a FHIR Bundle: give one JSON object with resourceType Bundle and an array named entry")]
    NotABundle,
    /// A Bundle without entries.
    #[error("the Bundle has no entries: give one that holds at least a Patient")]
    EmptyBundle,
    /// An entry that holds no resource, as in the response to a transaction.
    #[error("entry {index} (counted from 0) has no resource: remove it, or give a collection or transaction Bundle")]
    EntryWithoutResource {
        /// Place in `entry`, from 0.
        index: usize,
    },
    /// An entry whose resource is not a JSON object with one `resourceType`, or has one of the names read here twice.
    #[error(
        "entry {index} (counted from 0) holds no FHIR resource: give it an object with one resourceType, and no name twice"
    )]
    NotAResource {
        /// Place in `entry`, from 0.
        index: usize,
    },
}

/// Takes a FHIR R4 Bundle of any type apart, by source, keeping the order within each.
///
/// MedicationRequest, MedicationDispense, MedicationAdministration, MedicationStatement and Medication go to
/// `pharmacy`; Observation with category `laboratory` and DiagnosticReport with category `LAB` go to `lab`; everything
/// else to `hie`.
///
/// # Errors
/// [`BundleError`]; a Bundle is taken whole or not at all.
pub fn split(bundle_bytes: &[u8]) -> Result<NetworkRecord, BundleError> {
    read_entries(bundle_bytes).map(NetworkRecord::from_iter)
}

/// The entries of a FHIR R4 Bundle of any type, in its order. One without a `fullUrl` gets that which follows from its
/// id, unless another has it.
///
/// # Errors
/// [`BundleError`].
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
