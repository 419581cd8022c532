//! The sealed days that a page reads. It reads no day that it cannot show.

use super::StoredEntry;
use crate::domain::log::LogDay;

/// Maximum number of persons that a page reads to prove its days, unless its first day has more. With 72 bytes for each
/// person, these are 14 MB.
pub const PAGE_PERSONS_MAX: u64 = 200_000;

/// The days that a page with these entries can show. If other entries follow (`more`), the day of the last entry is the
/// last one.
#[must_use]
pub fn select_days(mut days: Vec<LogDay>, entries: &[StoredEntry], more: bool) -> Vec<LogDay> {
    if let Some(last) = entries.last().filter(|_| more) {
        days.retain(|day| day.begin().to_string() <= last.sort_key);
    }
    days
}

/// How many days a page reads, given the number of persons in the person's shard on each: at least one.
#[must_use]
pub fn count_days(persons: impl IntoIterator<Item = u64>) -> usize {
    let mut read = 0_u64;
    let fitting = persons.into_iter().take_while(|persons| {
        let is_first = read == 0;
        read = read.saturating_add(*persons);
        is_first || read <= PAGE_PERSONS_MAX
    });
    fitting.count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::log::LogEntry;
    use crate::domain::log::sample::{day, text};

    fn entry(of: usize) -> StoredEntry {
        let text = text(of, 0);
        StoredEntry::new(LogEntry::parse(&text).unwrap().sort_key(), text)
    }

    #[test]
    fn days_after_the_last_entry_of_a_full_page_are_not_read() {
        let days: Vec<_> = (0..31).map(day).collect();
        for last in [0, 3, 30] {
            let entries = [entry(0), entry(last)];
            assert_eq!(select_days(days.clone(), &entries, true), days[..=last]);
            assert_eq!(select_days(days.clone(), &entries, false), days);
        }
        assert_eq!(select_days(days.clone(), &[], false), days);
    }

    #[test]
    fn days_of_many_persons_are_read_in_several_pages() {
        assert_eq!(count_days([]), 0);
        assert_eq!(count_days([1_000; 31]), 31);
        assert_eq!(count_days([62_500; 31]), 3);
        assert_eq!(count_days([0, 0, PAGE_PERSONS_MAX, 0, 1]), 4);
        assert_eq!(count_days([PAGE_PERSONS_MAX + 1, 1]), 1);
        assert_eq!(count_days([u64::MAX, u64::MAX]), 1);
    }
}
