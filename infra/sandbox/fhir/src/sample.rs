//! Sample records of two synthetic patients, with different ids and dates for each seed.
//!
//! The module knows how ids and dates are written in the Bundles of `fixtures/`, and their README names the source. The
//! Patient in a sample has only an id, because the caller replaces it
//! ([`BundleText::with_patient`](crate::BundleText::with_patient)).

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::date_span::DateSpan;
use crate::record::NetworkRecord;
use crate::split::split;

static OLDER: LazyLock<Sample> = LazyLock::new(|| Sample::read(include_str!("../fixtures/older.json")));
static YOUNGER: LazyLock<Sample> = LazyLock::new(|| Sample::read(include_str!("../fixtures/younger.json")));

/// Persons born from this year on get the younger patient's record.
const YOUNGER_SINCE: i16 = 1990;

/// Weeks between the last date of a record and the day of the pull.
const WEEKS_AGO: RangeInclusive<i32> = 1..=26;

/// The bits of a UUID that do not encode its version and variant (RFC 9562, section 4).
const ID_BITS: u128 = 0xffff_ffff_ffff_0fff_3fff_ffff_ffff_ffff;

const URN: &str = "urn:uuid:";

/// The networks' data on `today` about a person born on `birth_date`: 176 resources over some 20 years, or 93 for
/// persons born since 1990.
///
/// The same arguments give the same bytes. Each seed gives its own ids, and shifts all dates by one number of weeks.
/// Every reference resolves within the record, possibly to another source. The only Patient is in `hie`. If the person
/// was born after the first date of the record, parts of the record are older than the person.
pub fn adapt_sample(seed: u64, birth_date: Date, today: Date) -> NetworkRecord {
    let sample: &Sample = if birth_date.year() < YOUNGER_SINCE {
        &OLDER
    } else {
        &YOUNGER
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let weeks_since_end = (today - sample.last_day).get_days().div_euclid(7);
    let shift = Shift {
        id_mask: rng.random::<u128>() & ID_BITS,
        span: (weeks_since_end - rng.random_range(WEEKS_AGO)).weeks(),
    };
    let record = sample.record.clone();
    record.map_entries(|entry| entry.change_texts(|text| shift.apply(text)))
}

struct Sample {
    record: NetworkRecord,
    last_day: Date,
}

impl Sample {
    #[expect(
        clippy::expect_used,
        reason = "the Bundles are part of this crate, and its tests read both"
    )]
    fn read(bundle: &str) -> Self {
        Self {
            record: split(bundle.as_bytes()).expect("a sample is a Bundle"),
            last_day: bundle.split('"').filter_map(day).max().expect("a sample has dates"),
        }
    }
}

/// The changes that one seed makes to a sample.
struct Shift {
    /// XORed with each id, so that different ids stay different.
    id_mask: u128,
    /// Added to each date.
    span: Span,
}

impl Shift {
    /// Changes the ids and dates in the text. Each is a whole JSON string; an id may have the prefix `urn:uuid:`.
    fn apply(&self, text: &str) -> String {
        let parts = text.split('"').map(|part| {
            let changed = self.shift_id(part).or_else(|| self.shift_date(part));
            changed.map_or(Cow::Borrowed(part), Cow::Owned)
        });
        parts.collect::<Vec<_>>().join("\"")
    }

    fn shift_id(&self, text: &str) -> Option<String> {
        let (urn, id) = match text.strip_prefix(URN) {
            Some(id) => (URN, id),
            None => ("", text),
        };
        let id = Uuid::try_parse(id).ok()?.as_u128();
        Some(format!("{urn}{}", Uuid::from_u128(id ^ self.id_mask)))
    }

    fn shift_date(&self, text: &str) -> Option<String> {
        let shifted = day(text)?.saturating_add(self.span);
        let time_of_day = text.get("YYYY-MM-DD".len()..)?;
        Some(format!("{shifted}{time_of_day}"))
    }
}

/// The day of a FHIR `date` or `dateTime`; `None` for a month, a year or any other text.
fn day(text: &str) -> Option<Date> {
    let span = DateSpan::parse(text).filter(|span| span.first == span.last)?;
    Some(span.first)
}
