//! Writes a record as the text of one FHIR Bundle. Only one chunk of the text is in memory at a time.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use crate::entry::Entry;
use crate::filter::RecordFilter;
use crate::record::{NetworkRecord, Source};
use crate::references::add_referenced;

/// Size of a chunk, in bytes; only the last one is shorter.
pub const CHUNK_BYTES: usize = 64 * 1024;

const HEAD: &[u8] = br#"{"resourceType":"Bundle","type":"collection","entry":["#;
const END: &[u8] = b"}]}";
const END_OF_NONE: &[u8] = b"]}";
/// Pieces of one entry's text: the opening, the `fullUrl`, the member name `resource`, and the resource itself.
const PIECES: usize = 4;

/// The text of `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":…,"resource":…},…]}` as an iterator
/// over chunks of [`CHUNK_BYTES`]. It has no `total`, because only searches have one (`bdl-1`,
/// hl7.org/fhir/R4/bundle.html).
pub struct BundleText {
    record: Arc<NetworkRecord>,
    /// Source and index of each resource to write.
    picks: Vec<(Source, usize)>,
    /// Written after the picks.
    patient: Option<Entry>,
    /// The current piece; `offset` counts its bytes that are already written.
    piece: usize,
    offset: usize,
}

/// The consolidated Bundle of the chosen sources, always in the order hie, pharmacy, lab. Repeated sources have no
/// effect. This function chooses the resources; their text is copied only when a chunk is read.
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
    BundleText {
        record,
        picks,
        patient: None,
        piece: 0,
        offset: 0,
    }
}

fn chosen(record: &NetworkRecord, places: Vec<(Source, usize)>, filter: &RecordFilter) -> Vec<(Source, usize)> {
    let entries: Vec<&Entry> = places.iter().filter_map(|pick| held(record, *pick)).collect();
    let matching = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| filter.keeps(entry.resource()));
    let mut numbers: BTreeSet<usize> = matching.map(|(number, _)| number).collect();
    if filter.with_referenced {
        add_referenced(&entries, &mut numbers);
    }
    let numbered = places.into_iter().enumerate();
    numbered
        .filter(|(number, _)| numbers.contains(number))
        .map(|(_, pick)| pick)
        .collect()
}

fn held(record: &NetworkRecord, (source, place): (Source, usize)) -> Option<&Entry> {
    record.part(source).get(place)
}

impl BundleText {
    /// Replaces every Patient in the Bundle by this one, which comes last. A Bundle without resources stays empty.
    #[must_use]
    pub fn with_patient(mut self, patient: Entry) -> Self {
        self.patient = (!self.picks.is_empty()).then_some(patient);
        let record = Arc::clone(&self.record);
        self.picks
            .retain(|pick| held(&record, *pick).is_some_and(|entry| !entry.is_patient()));
        self
    }

    /// Number of resources in the Bundle.
    pub fn total(&self) -> usize {
        self.picks.len() + usize::from(self.patient.is_some())
    }

    /// The resources of the Bundle, in order.
    pub fn resources(&self) -> impl Iterator<Item = &RawValue> {
        (0..self.total()).filter_map(|number| self.entry(number).map(Entry::resource))
    }

    fn entry(&self, number: usize) -> Option<&Entry> {
        match self.picks.get(number) {
            Some(pick) => held(&self.record, *pick),
            None => self.patient.as_ref().filter(|_| number == self.picks.len()),
        }
    }

    /// Length of the whole text in bytes, including chunks that the caller has already read.
    pub fn content_length(&self) -> u64 {
        (0..)
            .map_while(|piece| self.piece(piece))
            .map(|piece| piece.len() as u64)
            .sum()
    }

    /// Writes the rest of the text.
    ///
    /// # Errors
    /// Fails if `out` fails.
    pub fn write_to(self, mut out: impl Write) -> io::Result<()> {
        for chunk in self {
            out.write_all(&chunk)?;
        }
        out.flush()
    }

    /// One piece of the text, which consists of the head, the pieces of each entry, and the end.
    fn piece(&self, number: usize) -> Option<&[u8]> {
        let Some(after_head) = number.checked_sub(1) else {
            return Some(HEAD);
        };
        match self.entry(after_head / PIECES) {
            Some(entry) => Some(entry_piece(entry, after_head)),
            None if after_head == PIECES * self.total() => Some(if self.total() == 0 { END_OF_NONE } else { END }),
            None => None,
        }
    }
}

fn entry_piece(entry: &Entry, number: usize) -> &[u8] {
    let url = entry.full_url_text();
    match (number % PIECES, url) {
        (0, Some(_)) if number == 0 => br#"{"fullUrl":"#,
        (0, Some(_)) => br#"},{"fullUrl":"#,
        (0, None) if number == 0 => b"{",
        (0, None) => b"},{",
        (1, url) => url.unwrap_or_default().as_bytes(),
        (2, Some(_)) => br#","resource":"#,
        (2, None) => br#""resource":"#,
        _ => entry.resource().get().as_bytes(),
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

/// Shows only counts, because the text is a person's record.
impl fmt::Debug for BundleText {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("BundleText")
            .field("total", &self.total())
            .finish_non_exhaustive()
    }
}
