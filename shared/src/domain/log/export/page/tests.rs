use proptest::prelude::*;

use super::*;
use crate::domain::log::export::{LogRange, LogRangeError, LogVerifier, VerifiedLog};
use crate::domain::log::sample::{STACK, SampleLog, day, text};
use crate::domain::log::{LogEntry, leaf};

/// The stored entries of a log: those of sealed days, and those of the tail's first day.
fn stored(counts: &[usize], tail: usize) -> Vec<(String, String)> {
    let days = counts.iter().copied().chain([tail]).enumerate();
    let texts = days.flat_map(|(day, count)| (0..count).map(move |entry| text(day, entry)));
    let keyed = texts.map(|text| (LogEntry::parse(&text).unwrap().sort_key(), text));
    keyed.collect()
}

/// Reads entries as the table does: at most `max`, after a key, and whether others follow.
fn read(
    stored: &[(String, String)],
    position: &ExportPosition,
    from: String,
    until: String,
    max: usize,
) -> (Vec<StoredEntry>, bool) {
    let after = position.after.clone().unwrap_or_default();
    let found = stored
        .iter()
        .filter(|(key, _)| *key >= from && *key > after && *key < until);
    let found: Vec<_> = found.collect();
    let read = found.iter().take(max);
    let entries = read.map(|(key, text)| StoredEntry::new(key.clone(), text.clone()));
    (entries.collect(), found.len() > max)
}

fn sealed_days(log: &SampleLog, counts: &[usize], position: &ExportPosition) -> (Vec<SealedDay>, Option<LogDay>) {
    let (first, _) = position.sealed_range().unwrap();
    let left: Vec<usize> = (0..counts.len()).filter(|number| day(*number) >= first).collect();
    let days = left.iter().take(PAGE_DAYS_MAX).map(|number| {
        let skip = if position.day == Some(day(*number)) {
            position.leaves
        } else {
            0
        };
        let leaves = (0..counts[*number]).map(|entry| leaf(&text(*number, entry)));
        SealedDay {
            day: day(*number),
            proof: log.days[*number].proof(&log.person),
            count: counts[*number] as u64,
            leaves: leaves.skip(skip as usize).take(PAGE_ENTRIES_MAX.into()).collect(),
        }
    });
    (days.collect(), left.get(PAGE_DAYS_MAX).map(|number| day(*number)))
}

/// All pages of the export of a log, of which the table has these entries.
fn pages(log: &SampleLog, counts: &[usize], stored: &[(String, String)]) -> Vec<ExportPage> {
    let (first, last) = (day(0), day(counts.len() + 1));
    let range = LogRange::read(Some(&first.to_string()), None, last, first).unwrap();
    let begin = ExportPosition::begin(range, Some(day(counts.len() - 1)), last.begin());
    let (mut next, mut pages) = (Some(begin), Vec::new());
    while let Some(position) = next {
        let mut page = PageBuilder::new(position.clone());
        if position.sealed_range().is_some() {
            let (days, next) = sealed_days(log, counts, &position);
            let span = (
                days[0].day.begin().to_string(),
                days[days.len() - 1].day.next().begin().to_string(),
            );
            let (entries, more) = read(stored, &position, span.0, span.1, PAGE_ENTRIES_MAX.into());
            page.add_days(days, entries, more, next);
        }
        if let Some(next) = page
            .next()
            .filter(|next| next.day.is_none() && page.room() > 0)
            .cloned()
        {
            let (from, until) = next.tail().unwrap();
            let (entries, more) = read(stored, &next, from.to_string(), until.to_string(), page.room().into());
            page.add_tail(entries, more);
        }
        let (page, after) = page.finish(position.head(&log.person, STACK));
        pages.push(page);
        next = after;
    }
    pages
}

fn verify(log: &SampleLog, pages: Vec<ExportPage>) -> Result<VerifiedLog, String> {
    let verifier = LogVerifier::new(vec![log.signer.key.clone()]);
    let read = pages.into_iter().try_fold(verifier, LogVerifier::read_page);
    read.and_then(|verifier| verifier.finish(None))
        .map_err(|fault| fault.to_string())
}

fn assert_small(pages: &[ExportPage]) {
    for page in pages {
        let days = page.days.iter();
        let (entries, leaves): (Vec<_>, Vec<_>) = days.map(|day| (day.entries.len(), day.leaves.len())).unzip();
        let tail = page.unsealed.as_ref().map_or(0, |tail| tail.entries.len());
        assert!(page.days.len() <= PAGE_DAYS_MAX);
        assert!(entries.iter().sum::<usize>() + tail <= 1_000 && leaves.iter().sum::<usize>() <= 1_000);
    }
}

#[test]
fn large_days_are_divided_and_verified() {
    for (counts, tail, expected) in [
        (&[3, 0, 2][..], 4, 1),
        (&[1_000], 0, 2),
        (&[1_001], 0, 2),
        (&[999, 2, 0], 0, 2),
        (&[0, 2_500, 0, 1_000], 2_500, 6),
    ] {
        let log = SampleLog::new(counts, 0);
        let pages = pages(&log, counts, &stored(counts, tail));
        assert_small(&pages);
        assert_eq!(pages.len(), expected, "{counts:?}");
        let verified = verify(&log, pages).unwrap();
        assert_eq!((verified.entries, verified.unsealed), (counts.iter().sum(), Some(tail)));
    }
}

#[test]
fn page_has_at_most_31_days() {
    let counts = [1; 70];
    let log = SampleLog::new(&counts, 0);
    let pages = pages(&log, &counts, &stored(&counts, 0));
    let days: Vec<_> = pages.iter().map(|page| page.days.len()).collect();
    assert_eq!(days, [31, 31, 8]);
    assert_eq!(verify(&log, pages).unwrap().entries, 70);
}

/// The leaves are those of the seal, so the fault names the entry that is no longer in the table.
#[test]
fn entry_missing_in_the_table_is_named() {
    let counts = [2, 2_000];
    let log = SampleLog::new(&counts, 0);
    let mut kept = stored(&counts, 0);
    kept.remove(2 + 1_500);
    let fault = verify(&log, pages(&log, &counts, &kept)).unwrap_err();
    assert!(
        fault.starts_with("day 2026-11-21, entry 1501 (") && fault.ends_with(": dropped"),
        "{fault}"
    );
    kept.clear();
    let empty = pages(&log, &counts, &kept);
    assert_small(&empty);
    assert_eq!(verify(&log, empty).unwrap_err(), "day 2026-11-20, entry 1: dropped");
}

#[test]
fn entry_that_is_not_json_still_makes_a_page() {
    let counts = [2];
    let log = SampleLog::new(&counts, 0);
    for broken in ["", "{", "{\n}"] {
        let mut changed = stored(&counts, 0);
        changed[1].1 = broken.to_owned();
        let pages = pages(&log, &counts, &changed);
        assert!(!serde_json::to_string(&pages[0]).unwrap().contains('\n'));
        assert_eq!(verify(&log, pages).unwrap_err(), "day 2026-11-20, entry 2: changed");
    }
}

#[test]
fn range_of_an_export_is_checked() {
    let (today, earliest) = (day(1_000), day(10));
    let text = |number: usize| day(number).to_string();
    let read = |from: Option<usize>, to: Option<usize>| {
        let (from, to) = (from.map(text), to.map(text));
        LogRange::read(from.as_deref(), to.as_deref(), today, earliest)
    };
    let begin = |range| {
        let head =
            ExportPosition::begin(range, None, today.begin()).head(&crate::domain::log::sample::owner("nora"), STACK);
        (head.from, head.to)
    };
    assert_eq!(read(None, None).map(begin), Ok((day(970), today)));
    assert_eq!(read(Some(900), Some(2_000)).map(begin), Ok((day(900), today)));
    assert_eq!(read(Some(635), None).map(begin), Ok((day(635), today)));
    assert_eq!(read(Some(0), Some(20)).map(begin), Ok((earliest, day(20))));
    assert_eq!(read(Some(634), None), Err(LogRangeError::TooLong));
    assert_eq!(read(Some(900), Some(899)), Err(LogRangeError::Backwards));
    assert_eq!(read(Some(1_001), Some(1_001)), Err(LogRangeError::Backwards));
    for unreadable in ["", "2026-11-31", "yesterday", "2026-11-25.7of24"] {
        assert_eq!(
            LogRange::read(Some(unreadable), None, today, earliest),
            Err(LogRangeError::From)
        );
        assert_eq!(
            LogRange::read(None, Some(unreadable), today, earliest),
            Err(LogRangeError::To)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_log_is_exported_whole(
        counts in prop::collection::vec(prop_oneof![0_usize..4, 900_usize..2_100], 1..8),
        tail in 0_usize..1_500,
    ) {
        let log = SampleLog::new(&counts, 0);
        let pages = pages(&log, &counts, &stored(&counts, tail));
        assert_small(&pages);
        let verified = verify(&log, pages).unwrap();
        prop_assert_eq!((verified.entries, verified.unsealed), (counts.iter().sum::<usize>(), Some(tail)));
    }
}
