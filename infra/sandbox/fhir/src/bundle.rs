//! A record as the text of one FHIR Bundle, made piece by piece.
//!
//! Knows how the Bundle is written and how long it gets; never holds more of it than one chunk.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use crate::filter::RecordFilter;
use crate::record::{NetworkRecord, Source};
use crate::references::add_referenced;

/// Size of a chunk, in bytes; only the last one is shorter.
pub const CHUNK_BYTES: usize = 64 * 1024;

const FIRST_ENTRY: &[u8] = br#"{"resource":"#;
const NEXT_ENTRY: &[u8] = br#"},{"resource":"#;
const END: &[u8] = b"}]}";
const END_OF_NONE: &[u8] = b"]}";

/// The text of `{"resourceType":"Bundle","type":"collection","total":N,"entry":[{"resource":…},…]}` as an iterator
/// over chunks of [`CHUNK_BYTES`].
pub struct BundleText {
    record: Arc<NetworkRecord>,
    /// Source and place of each resource to be written.
    picks: Vec<(Source, usize)>,
    head: String,
    /// The piece being written, and how many bytes of it are.
    piece: usize,
    offset: usize,
}

/// The consolidated Bundle of the chosen sources: hie, pharmacy, lab in this order, whatever the order of `sources`; a
/// source named twice counts once. Resources are chosen here, their text is copied only as chunks are asked for.
pub fn bundle_text(record: Arc<NetworkRecord>, sources: &[Source], filter: &RecordFilter) -> BundleText {
    let places: Vec<(Source, usize)> = Source::ALL
        .into_iter()
        .filter(|source| sources.contains(source))
        .flat_map(|source| (0..record.part(source).len()).map(move |place| (source, place)))
        .collect();
    let picks = if filter.keeps_all() {
        places
    } else {
        chosen(&record, places, filter)
    };
    let head = format!(
        r#"{{"resourceType":"Bundle","type":"collection","total":{},"entry":["#,
        picks.len()
    );
    BundleText {
        record,
        picks,
        head,
        piece: 0,
        offset: 0,
    }
}

fn chosen(record: &NetworkRecord, places: Vec<(Source, usize)>, filter: &RecordFilter) -> Vec<(Source, usize)> {
    let resources: Vec<&RawValue> = places
        .iter()
        .filter_map(|(source, place)| resource(record, *source, *place))
        .collect();
    let kept = resources
        .iter()
        .enumerate()
        .filter(|(_, resource)| filter.keeps(resource));
    let mut kept: BTreeSet<usize> = kept.map(|(number, _)| number).collect();
    if filter.with_referenced {
        add_referenced(&resources, &mut kept);
    }
    let numbered = places.into_iter().enumerate();
    numbered
        .filter(|(number, _)| kept.contains(number))
        .map(|(_, pick)| pick)
        .collect()
}

fn resource(record: &NetworkRecord, source: Source, place: usize) -> Option<&RawValue> {
    record.part(source).get(place).map(|resource| &**resource)
}

impl BundleText {
    /// How many resources the Bundle holds, which is its `total`.
    pub fn total(&self) -> usize {
        self.picks.len()
    }

    /// The resources of the Bundle, in order.
    pub fn resources(&self) -> impl Iterator<Item = &RawValue> {
        self.picks
            .iter()
            .filter_map(|(source, place)| resource(&self.record, *source, *place))
    }

    /// Length of the whole text in bytes, however much of it has been taken already. Adds up lengths; writes nothing.
    pub fn content_length(&self) -> u64 {
        (0..)
            .map_while(|piece| self.piece(piece))
            .map(|piece| piece.len() as u64)
            .sum()
    }

    /// Writes what is left of the text.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(self, mut out: impl Write) -> io::Result<()> {
        for chunk in self {
            out.write_all(&chunk)?;
        }
        out.flush()
    }

    /// The text is the head, then two pieces per resource, then the end.
    fn piece(&self, number: usize) -> Option<&[u8]> {
        let Some(after_head) = number.checked_sub(1) else {
            return Some(self.head.as_bytes());
        };
        match self.picks.get(after_head / 2) {
            Some(_) if after_head == 0 => Some(FIRST_ENTRY),
            Some(_) if after_head % 2 == 0 => Some(NEXT_ENTRY),
            Some((source, place)) => resource(&self.record, *source, *place).map(|resource| resource.get().as_bytes()),
            None if after_head == 2 * self.picks.len() => Some(if self.picks.is_empty() { END_OF_NONE } else { END }),
            None => None,
        }
    }
}

impl Iterator for BundleText {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        while chunk.len() < CHUNK_BYTES {
            let Some(rest) = self.piece(self.piece).and_then(|piece| piece.get(self.offset..)) else {
                break;
            };
            let (taken, left) = rest.split_at_checked(CHUNK_BYTES - chunk.len()).unwrap_or((rest, &[]));
            chunk.extend_from_slice(taken);
            let (piece, offset) = (self.piece, self.offset + taken.len());
            (self.piece, self.offset) = if left.is_empty() {
                (piece + 1, 0)
            } else {
                (piece, offset)
            };
        }
        (!chunk.is_empty()).then(|| chunk.freeze())
    }
}

/// Counts only: the text is somebody's record.
impl fmt::Debug for BundleText {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("BundleText")
            .field("total", &self.total())
            .finish_non_exhaustive()
    }
}
