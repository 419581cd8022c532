//! Counts the contents of a record file. The file is read as a stream: only a few fields of one resource are in memory
//! at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};

use jiff::civil::Date;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::lenient::Object;
use crate::resource::Skim;

/// Counts of a record's contents, without clinical values or names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Resources in the record.
    pub total: u64,
    /// Resources per `resourceType`.
    pub by_type: BTreeMap<String, u64>,
    /// Resources per `meta.source`; a resource without `meta.source` is not counted here.
    pub by_source: BTreeMap<String, u64>,
    /// First day of the earliest main date, if any resource has one.
    pub earliest: Option<Date>,
    /// Last day of the latest main date, if any resource has one.
    pub latest: Option<Date>,
}

/// The reason why a record could not be counted. The error message never quotes the file.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// The file could not be read to its end.
    #[error("the record could not be read")]
    Read(#[source] io::Error),
    /// The bytes are not JSON text in UTF-8.
    #[error("not JSON: reading stopped at line {line}, column {column}; is it truncated or compressed?")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 is the end of the previous line.
        column: usize,
    },
    /// The JSON is not an object with `resourceType` `Bundle` and an `entry` array of objects.
    #[error("not a FHIR Bundle: a record is a JSON object with resourceType Bundle and an array named entry")]
    NotABundle,
    /// An entry has no resource.
    #[error("entry {index} (counted from 0) has no resource: this is a response, not a record")]
    EntryWithoutResource {
        /// Index in `entry`, from 0.
        index: u64,
    },
    /// The resource of an entry is not a JSON object with a `resourceType`.
    #[error("entry {index} (counted from 0) holds no FHIR resource: an object with one resourceType")]
    NotAResource {
        /// Index in `entry`, from 0.
        index: u64,
    },
}

/// Counts the resources of a FHIR R4 Bundle. A Bundle without entries is an empty record.
///
/// # Errors
/// Fails with a [`SummaryError`], without partial counts.
pub fn summary(mut reader: impl BufRead) -> Result<Summary, SummaryError> {
    if reader
        .fill_buf()
        .map_err(SummaryError::Read)?
        .starts_with(b"\xEF\xBB\xBF")
    {
        reader.consume(3);
    }
    let mut tally = Tally::default();
    let mut json = serde_json::Deserializer::from_reader(reader);
    match BundleSeed(&mut tally).deserialize(&mut json).and_then(|()| json.end()) {
        Err(error) => Err(tally.refusal(error)),
        Ok(()) if !tally.is_bundle => Err(SummaryError::NotABundle),
        Ok(()) => Ok(tally.summary),
    }
}

/// The counts so far and the reader's position. Both are needed to choose the [`SummaryError`], because a serde error
/// alone does not show it.
#[derive(Default)]
struct Tally {
    summary: Summary,
    is_bundle: bool,
    in_entries: bool,
    resource_missing: bool,
}

impl Tally {
    fn refusal(&self, error: serde_json::Error) -> SummaryError {
        let index = self.summary.total;
        match error.classify() {
            Category::Io => SummaryError::Read(error.into()),
            Category::Syntax | Category::Eof => SummaryError::NotJson {
                line: error.line(),
                column: error.column(),
            },
            Category::Data if self.resource_missing => SummaryError::EntryWithoutResource { index },
            Category::Data if self.in_entries => SummaryError::NotAResource { index },
            Category::Data => SummaryError::NotABundle,
        }
    }

    fn add<E: serde::de::Error>(&mut self, entry: EntrySkim) -> Result<(), E> {
        self.resource_missing = entry.resource.is_none();
        let Object(skim) = entry.resource.ok_or_else(|| E::missing_field("resource"))?;
        let resource_type = skim.resource_type().ok_or_else(|| E::missing_field("resourceType"))?;
        let summary = &mut self.summary;
        summary.total += 1;
        *summary.by_type.entry(resource_type.clone()).or_default() += 1;
        if let Some(source) = skim.meta_source() {
            *summary.by_source.entry(source.clone()).or_default() += 1;
        }
        if let Some(span) = skim.main_date() {
            summary.earliest = Some(summary.earliest.map_or(span.first, |date| date.min(span.first)));
            summary.latest = Some(summary.latest.map_or(span.last, |date| date.max(span.last)));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct EntrySkim {
    #[serde(default)]
    resource: Option<Object<Skim>>,
}

struct BundleSeed<'a>(&'a mut Tally);

impl<'de> DeserializeSeed<'de> for BundleSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BundleSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a FHIR Bundle")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "resourceType" => {
                    self.0.is_bundle = map.next_value::<String>()? == "Bundle";
                    if !self.0.is_bundle {
                        return Err(A::Error::custom("not a Bundle"));
                    }
                }
                "entry" if self.0.summary.total > 0 => return Err(A::Error::duplicate_field("entry")),
                "entry" => map.next_value_seed(EntriesSeed(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct EntriesSeed<'a>(&'a mut Tally);

impl<'de> DeserializeSeed<'de> for EntriesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("the entries of a FHIR Bundle")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.in_entries = true;
        while let Some(Object(entry)) = seq.next_element::<Object<EntrySkim>>()? {
            self.0.add(entry)?;
        }
        self.0.in_entries = false;
        Ok(())
    }
}
