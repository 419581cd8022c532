//! The record while it is being made up: the dice, the person, and what has been written so far.

use jiff::ToSpan;
use jiff::civil::Date;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::value::to_raw_value;
use uuid::Builder;

use super::fhir::Reference;
use super::person::Person;
use crate::record::{NetworkRecord, Source};

/// One person's record in the making. Everything random comes from [`Chart::draw`], so that a seed determines the
/// bytes.
pub(super) struct Chart<'a> {
    dice: ChaCha8Rng,
    pub person: &'a Person,
    /// The day the record is pulled. Nothing in it is younger.
    pub today: Date,
    record: NetworkRecord,
}

impl<'a> Chart<'a> {
    pub(super) fn open(seed: u64, person: &'a Person, today: Date) -> Self {
        Self {
            dice: dice(seed, person),
            person,
            today,
            record: NetworkRecord::default(),
        }
    }

    pub(super) fn close(self) -> NetworkRecord {
        self.record
    }

    /// A number from `low` to `high`, both inclusive.
    pub(super) fn draw(&mut self, low: i64, high: i64) -> i64 {
        self.dice.random_range(low..=high.max(low))
    }

    /// One of several; `None` only of none.
    pub(super) fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        let last = i64::try_from(of.len()).ok()?.checked_sub(1)?;
        of.get(usize::try_from(self.draw(0, last)).ok()?)
    }

    /// A fresh resource id, shaped as a random UUID.
    pub(super) fn id(&mut self) -> String {
        Builder::from_random_bytes(self.dice.random()).into_uuid().to_string()
    }

    pub(super) fn patient(&self) -> Reference {
        Reference::to("Patient", &self.person.id)
    }

    /// A day some days later, if that is not after today.
    pub(super) fn days_after(&self, date: Date, days: i64) -> Option<Date> {
        let later = date.saturating_add(days.days());
        (later <= self.today).then_some(later)
    }

    /// Writes a resource down.
    #[expect(
        clippy::expect_used,
        reason = "the generator's types have no map keys and no fallible fields: they always serialize"
    )]
    pub(super) fn add(&mut self, source: Source, resource: &impl Serialize) {
        self.record.push(
            source,
            to_raw_value(resource).expect("a generated resource serializes").into(),
        );
    }
}

/// Two people get different records from the same seed: name and birth date are mixed in (FNV-1a,
/// isthe.com/chongo/tech/comp/fnv). The id is not: it may hold the time of day, and the record would differ each time.
fn dice(seed: u64, person: &Person) -> ChaCha8Rng {
    let who = format!("{}\n{}\n{}", person.given, person.family, person.birth_date);
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let person = who.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    ChaCha8Rng::seed_from_u64(seed ^ person)
}

/// A moment in FHIR notation, always in UTC: `2024-10-03T14:30:00Z`.
pub(super) fn moment(date: Date, hour: i64, minute: i64) -> String {
    format!("{date}T{hour:02}:{minute:02}:00Z")
}
