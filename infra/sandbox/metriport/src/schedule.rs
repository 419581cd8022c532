//! Future events and their due times. `app` keeps one timer, for the earliest event.

use std::collections::BTreeMap;

use sandbox_fhir::Source;

use crate::moment::Moment;

/// An event that happens at its due time. It has no `Debug`, because it holds the token of a hosted page.
#[derive(PartialEq, Eq)]
pub(crate) enum Due {
    /// The webhook of a finished proofing.
    IdentityVerified {
        /// Token of the session.
        token: String,
        /// The identity that the session gave.
        identity_id: String,
    },
    /// The early webhook of an HIE query.
    FirstData {
        /// The network query.
        query_id: String,
    },
    /// One source of a network query ends.
    SourceEnds {
        query_id: String,
        source: Source,
        /// Whether it completes; otherwise it fails.
        completes: bool,
    },
    /// The oldest consolidated query of a patient ends.
    ConsolidatedEnds {
        /// The consolidated query.
        request_id: String,
    },
}

/// Due events, ordered by time and then by arrival.
#[derive(Default)]
pub(crate) struct Schedule {
    entries: BTreeMap<(Moment, u64), Due>,
    arrivals: u64,
}

impl Schedule {
    pub(crate) fn add(&mut self, at: Moment, due: Due) {
        self.arrivals += 1;
        self.entries.insert((at, self.arrivals), due);
    }

    /// The time of the next event.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first event due by `now`, with its due time.
    pub(crate) fn take(&mut self, now: Moment) -> Option<(Moment, Due)> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), due) = entry.remove_entry();
        Some((at, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_by_time_and_then_by_arrival() {
        let mut schedule = Schedule::default();
        let due = |request_id: &str| Due::ConsolidatedEnds {
            request_id: request_id.to_owned(),
        };
        for (at, id) in [(5, "b"), (3, "a"), (5, "c")] {
            schedule.add(Moment::from_millis(at), due(id));
        }
        assert!(schedule.take(Moment::from_millis(2)).is_none());
        let order: Vec<_> = std::iter::from_fn(|| schedule.take(Moment::from_millis(9)))
            .map(|(_, due)| due)
            .collect();
        assert!(order == [due("a"), due("b"), due("c")]);
    }
}
