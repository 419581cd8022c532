//! The unfinished records that a person has asked for: at most three. A person who repeats a request gets the
//! unfinished record.
//!
//! The end of a record does not update this list. A request that finds the list full reads the listed records and drops
//! the ended ones.

use serde::{Deserialize, Serialize};

use super::{Record, RecordQuery};
use crate::domain::{RecordId, Time};

/// Maximum number of unfinished records of a person.
pub const OPEN_MAX: usize = 3;

/// One unfinished record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRecord {
    /// Its id.
    pub id: RecordId,
    /// The form and the filters it asks for.
    #[serde(rename = "asked")]
    pub query: RecordQuery,
}

/// All unfinished records that a person has asked for, and perhaps some that have ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRecords {
    /// Counts every write.
    pub version: u64,
    /// At most [`OPEN_MAX`].
    pub records: Vec<OpenRecord>,
}

impl OpenRecords {
    /// The newest listed record with an equal request.
    #[must_use]
    pub fn equal(&self, query: &RecordQuery) -> Option<RecordId> {
        self.records
            .iter()
            .rev()
            .find(|record| record.query == *query)
            .map(|record| record.id)
    }

    /// Whether the list is full, ended records included.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.records.len() >= OPEN_MAX
    }

    /// Keeps only the listed records that are stored in `found` and are unfinished there.
    #[must_use]
    pub fn without_ended(&self, found: &[Record], now: Time) -> Self {
        let is_open = |id: RecordId| {
            let mut found = found.iter();
            found.any(|record| record.id == id && !record.shown_state(now).is_terminal())
        };
        let open = self.records.iter().filter(|record| is_open(record.id));
        Self {
            version: self.version,
            records: open.cloned().collect(),
        }
    }

    /// Adds a record. The caller writes the result only if the stored list still has the version that it read.
    #[must_use]
    pub fn with(&self, new: &Record) -> Self {
        let mut next = self.clone();
        next.records.push(OpenRecord {
            id: new.id,
            query: new.query.clone(),
        });
        next.version += 1;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{make_record, processing};
    use super::super::{Conversion, RecordEvent};
    use super::*;
    use crate::domain::Timing;

    const NOW: Time = Time::from_millis(1_000_000);

    fn record(id: u128, conversion: Conversion) -> Record {
        let query = RecordQuery {
            conversion,
            ..RecordQuery::default()
        };
        let id = RecordId::new(uuid::Uuid::from_u128(id));
        Record {
            id,
            query,
            ..processing()
        }
    }

    fn ended(record: &Record) -> Record {
        let over = record.apply(&RecordEvent::DeadlinePassed, NOW, Timing::default());
        over.unwrap().record
    }

    #[test]
    fn ended_records_free_the_list_and_unfinished_ones_stay() {
        let three = [
            record(1, Conversion::Json),
            record(2, Conversion::Pdf),
            record(3, Conversion::Html),
        ];
        let list = three
            .iter()
            .fold(OpenRecords::default(), |list, record| list.with(record));
        assert!(list.is_full() && list.version == 3);
        assert_eq!(list.without_ended(&three, NOW), list);
        // The second record has ended, and the third is not stored.
        let open = list.without_ended(&[three[0].clone(), ended(&three[1])], NOW);
        assert_eq!(
            open.records.iter().map(|record| record.id).collect::<Vec<_>>(),
            [three[0].id]
        );
        // A record whose life is over has ended, although no process wrote that.
        let late = three[0].expires_at;
        assert_eq!(list.without_ended(&three, late).records, []);
    }

    #[test]
    fn newest_of_equal_requests_is_found() {
        let (first, second) = (record(1, Conversion::Pdf), record(2, Conversion::Pdf));
        let list = OpenRecords::default().with(&first);
        assert_eq!(list.equal(&second.query), Some(first.id));
        assert_eq!(list.equal(&make_record().query), None);
        let list = list.with(&second);
        assert_eq!(list.equal(&first.query), Some(second.id));
    }
}
