//! The persons who have entries in the access log within a span of time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::LogDay;
use crate::domain::{ClientHash, OwnerId, Time, Timing};

/// A span of time, both ends included.
#[derive(Debug, Clone, Copy)]
pub struct TouchedSpan {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
}

impl TouchedSpan {
    /// The days of the log that overlap the span.
    pub fn days(self, timing: Timing) -> impl Iterator<Item = LogDay> {
        let (first, last) = (LogDay::of(self.from, timing), LogDay::of(self.to, timing));
        std::iter::successors(Some(first), |day| Some(day.next())).take_while(move |day| *day <= last)
    }
}

/// The entries that count.
#[derive(Debug, Clone)]
pub enum TouchedBy {
    /// All.
    Anyone,
    /// Those of a function or command.
    Via(String),
    /// Those of an app.
    Client(ClientHash),
}

/// The entries of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touches {
    /// Their number.
    pub entries: u64,
    /// The time of the first.
    pub first: Time,
    /// The time of the last.
    pub last: Time,
}

/// Persons with their entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TouchedPersons(BTreeMap<OwnerId, Touches>);

impl TouchedPersons {
    /// Adds one entry.
    pub fn add(&mut self, owner: OwnerId, at: Time) {
        self.add_touches(
            owner,
            Touches {
                entries: 1,
                first: at,
                last: at,
            },
        );
    }

    /// Adds all entries of `others`.
    pub fn extend(&mut self, others: Self) {
        for (owner, touches) in others.0 {
            self.add_touches(owner, touches);
        }
    }

    /// The persons in the order of their owner ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&OwnerId, &Touches)> {
        self.0.iter()
    }

    fn add_touches(&mut self, owner: OwnerId, more: Touches) {
        match self.0.entry(owner) {
            Entry::Vacant(place) => {
                place.insert(more);
            }
            Entry::Occupied(mut place) => {
                let touches = place.get_mut();
                touches.entries = touches.entries.saturating_add(more.entries);
                touches.first = touches.first.min(more.first);
                touches.last = touches.last.max(more.last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    #[test]
    fn span_has_each_day_of_which_it_has_a_part() {
        let days = |from, to, scale| {
            let span = TouchedSpan {
                from: time(from),
                to: time(to),
            };
            let days = span.days(Timing::scaled(scale)).map(|day| day.to_string());
            days.collect::<Vec<_>>()
        };
        let (before, after) = ("2026-11-29T23:59:59.999Z", "2026-12-01T00:00:00.000Z");
        assert_eq!(days(before, after, 1), ["2026-11-29", "2026-11-30", "2026-12-01"]);
        assert_eq!(days(before, before, 24), ["2026-11-29.23of24"]);
        assert!(days(after, before, 1).is_empty());
    }

    #[test]
    fn person_has_the_count_and_the_ends_of_all_their_entries() {
        let [nora, omar] = ["v1.nora", "v1.omar"].map(|owner| OwnerId::parse(owner).unwrap());
        let times = ["2026-11-25T10:00:00Z", "2026-11-25T09:00:00Z", "2026-11-26T08:00:00Z"].map(time);
        let mut persons = TouchedPersons::default();
        persons.add(nora.clone(), times[0]);
        let mut others = TouchedPersons::default();
        others.add(nora.clone(), times[1]);
        others.add(nora.clone(), times[2]);
        others.add(omar.clone(), times[0]);
        persons.extend(others);
        let touches = |entries, first, last| Touches { entries, first, last };
        let expected = [
            (&nora, &touches(3, times[1], times[2])),
            (&omar, &touches(1, times[0], times[0])),
        ];
        assert_eq!(persons.iter().collect::<Vec<_>>(), expected);
    }
}
