mod changes;

use std::time::Duration;

use super::*;
use crate::domain::log::SealPublicKey;
use crate::domain::log::sample::{SampleDay, SampleLog, Signer, day, owner, text};
use crate::domain::log::seal::SealHash;

const HOUR: Duration = Duration::from_secs(3600);

fn verify_by(keys: &[&SealPublicKey], pages: Vec<ExportPage>, as_of: Option<Time>) -> Result<VerifiedLog, LogFault> {
    let verifier = LogVerifier::new(keys.iter().copied().cloned().collect());
    pages
        .into_iter()
        .try_fold(verifier, LogVerifier::read_page)?
        .finish(as_of)
}

fn verify(log: &SampleLog, pages: Vec<ExportPage>) -> Result<VerifiedLog, LogFault> {
    verify_by(&[&log.signer.key], pages, None)
}

/// The verdict on pages with the same change in every head.
fn verify_with(log: &SampleLog, change: impl Fn(&mut ExportHead)) -> String {
    let mut pages = log.pages(8);
    pages.iter_mut().for_each(|page| change(&mut page.log));
    render(verify(log, pages))
}

fn render(verdict: Result<VerifiedLog, LogFault>) -> String {
    match verdict {
        Ok(log) => format!("{} to {}", log.first, log.last.day),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn untouched_export_is_verified_in_pages_of_any_size() {
    let log = SampleLog::new(&[5, 0, 7, 12, 1, 6], 3);
    for entries_max in 1..40 {
        let verified = verify(&log, log.pages(entries_max)).unwrap();
        assert_eq!((verified.first, verified.last.day), (day(0), day(5)));
        assert_eq!((verified.entries, verified.unsealed), (31, Some(3)));
        assert_eq!(verified.head, log.head());
    }
}

#[test]
fn page_is_read_back_from_json_and_hides_no_member() {
    let log = SampleLog::new(&[2, 0], 1);
    let texts: Vec<String> = log
        .pages(2)
        .iter()
        .map(|page| serde_json::to_string(page).unwrap())
        .collect();
    let read = |text: &str| serde_json::from_str::<ExportPage>(text);
    let pages = texts.iter().map(|text| read(text).unwrap()).collect();
    assert!(verify(&log, pages).is_ok());
    let with_next = texts[0].replacen('{', r#"{"next":{"action":"continue"},"#, 1);
    assert!(read(&with_next).is_ok());
    for member in ["\"entries\":[],", "\"log\":1,", "\"other\":1,"] {
        let opens: Vec<usize> = texts[0].match_indices('{').map(|(at, _)| at + 1).collect();
        for at in opens.into_iter().take(2) {
            let wrong = format!("{}{member}{}", &texts[0][..at], &texts[0][at..]);
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}

#[test]
fn fault_names_the_entry_with_its_time() {
    let log = SampleLog::new(&[5, 4], 0);
    let change = |change: fn(&mut Vec<Box<serde_json::value::RawValue>>)| {
        let mut pages = log.pages(100);
        change(&mut pages[0].days[1].entries);
        verify(&log, pages).unwrap_err().to_string()
    };
    assert_eq!(
        change(|entries| entries.swap(1, 3)),
        "day 2026-11-21, entry 2 (2026-11-21T00:00:02.100Z): reordered"
    );
    assert_eq!(
        change(|entries| drop(entries.remove(0))),
        "day 2026-11-21, entry 1 (2026-11-21T00:00:00.700Z): dropped"
    );
    assert_eq!(
        change(|entries| drop(entries.pop())),
        "day 2026-11-21, entry 4: dropped"
    );
    let odd = |entries: &mut Vec<_>| entries[2] = serde_json::value::to_raw_value("odd").unwrap();
    assert_eq!(change(odd), "day 2026-11-21, entry 3: changed");
}

#[test]
fn missing_page_is_named_by_its_first_day() {
    let log = SampleLog::new(&[5, 0, 7, 12, 1, 6], 3);
    for entries_max in [1, 2, 3, 5, 8, 13] {
        let pages = log.pages(entries_max);
        for missing in 0..pages.len() - 1 {
            let mut rest = pages.clone();
            let day = rest.remove(missing).days[0].day;
            let fault = verify(&log, rest).unwrap_err().to_string();
            assert!(
                fault.starts_with(&format!("day {day}: ")),
                "{missing} of {entries_max}: {fault}"
            );
        }
        let fault = verify(&log, pages[..pages.len() - 1].to_vec()).unwrap_err().to_string();
        assert_eq!(fault, format!("page {}: missing", pages.len()));
    }
    assert_eq!(verify(&log, Vec::new()).unwrap_err().to_string(), "page 1: missing");
}

#[test]
fn page_out_of_its_place_is_refused() {
    let log = SampleLog::new(&[5, 3], 3);
    let verify_in_order = |order: &[usize]| {
        let pages = log.pages(5);
        render(verify(&log, order.iter().map(|page| pages[*page].clone()).collect()))
    };
    assert_eq!(verify_in_order(&[0, 1, 2]), "2026-11-20 to 2026-11-21");
    assert_eq!(verify_in_order(&[0, 0, 1, 2]), "day 2026-11-20: out of order");
    assert_eq!(verify_in_order(&[1, 0, 2]), "day 2026-11-20: seal missing");
    assert_eq!(verify_in_order(&[0, 2, 1]), "day 2026-11-21: seal missing");
    assert_eq!(verify_in_order(&[0, 1, 2, 2]), "page 4: after the end of the export");
    let mut pages = log.pages(5);
    pages[2].unsealed.as_mut().unwrap().more = true;
    pages.push(pages[1].clone());
    assert_eq!(
        render(verify(&log, pages.clone())),
        "page 4: after the end of the export"
    );
    pages.pop();
    assert_eq!(render(verify(&log, pages)), "page 4: missing");
}

#[test]
fn proofs_fix_the_person_and_the_stack() {
    let log = SampleLog::new(&[5, 0, 3], 0);
    assert_eq!(
        verify_with(&log, |head| head.stack = "other".into()),
        "day 2026-11-20: rewritten (statement)"
    );
    for other in (0..100).map(|n| owner(&format!("other-{n}"))) {
        let fault = verify_with(&log, |head| head.owner = other.clone());
        assert!(fault.starts_with("day 2026-11-20: rewritten ("), "{fault}");
    }
    assert_eq!(verify_with(&log, |head| head.v = 2), "page 1: of an unknown version");
    let mut pages = log.pages(1);
    pages[1].log.exported_at = pages[1].log.exported_at.plus(HOUR);
    assert_eq!(render(verify(&log, pages)), "page 2: of another export");
}

#[test]
fn export_covers_the_days_that_it_states() {
    let log = SampleLog::new(&[5, 0, 3], 0);
    assert_eq!(
        verify_with(&log, |head| head.from = day(1)),
        "day 2026-11-20: out of order"
    );
    assert_eq!(
        verify_with(&log, |head| head.to = day(1)),
        "day 2026-11-22: out of order"
    );
    assert_eq!(
        verify_with(&log, |head| head.sealed_through = Some(day(1))),
        "day 2026-11-22: out of order"
    );
    assert_eq!(
        verify_with(&log, |head| head.sealed_through = Some(day(3))),
        "day 2026-11-23: seal missing"
    );
    let to_last_seal = |pages: &mut Vec<ExportPage>| pages.iter_mut().for_each(|page| page.log.to = day(2));
    let mut pages = log.pages(8);
    to_last_seal(&mut pages);
    assert_eq!(
        render(verify(&log, pages.clone())),
        "page 2: after the end of the export"
    );
    pages.pop();
    assert_eq!(verify(&log, pages).unwrap().unsealed, None);
}

/// The first seal of a stack names no seal before. Only that seal may begin later than the export.
#[test]
fn export_begins_with_its_first_day_or_the_first_seal() {
    let log = SampleLog::new(&[5, 0, 3], 0);
    let before = |head: &mut ExportHead| head.from = LogDay::parse("2026-10-01").unwrap();
    assert_eq!(verify_with(&log, before), "2026-11-20 to 2026-11-22");
    let mut pages = log.pages(8);
    pages[0].days.remove(0);
    assert_eq!(render(verify(&log, pages.clone())), "day 2026-11-20: seal missing");
    pages.iter_mut().for_each(|page| page.log.from = day(1));
    assert_eq!(render(verify(&log, pages)), "2026-11-21 to 2026-11-22");
}

#[test]
fn seal_after_a_gap_is_refused() {
    let mut log = SampleLog::new(&[5, 0, 3], 0);
    let first = SealHash::new(day(0), &log.days[0].seal.statement);
    log.days[2] = SampleDay::new(day(2), &log.person, Vec::new(), Some(first), &log.signer);
    let mut pages = log.pages(8);
    pages[0].days.drain(..2);
    pages.iter_mut().for_each(|page| page.log.from = day(2));
    assert_eq!(render(verify(&log, pages)), "day 2026-11-22: rewritten (chain)");
}

/// A person's blind is absent from the tree of every other day.
#[test]
fn seal_of_another_day_proves_no_absence() {
    let log = SampleLog::new(&[5, 4], 0);
    let mut page = log.pages(100).remove(0);
    page.log.to = day(0);
    page.days.truncate(1);
    page.days[0].proof = log.days[1].proof_as(&log.person, day(0));
    page.days[0].entries.clear();
    page.days[0].leaves.clear();
    assert_eq!(
        render(verify(&log, vec![page])),
        "day 2026-11-20: rewritten (statement)"
    );
}

#[test]
fn seals_may_be_three_days_late() {
    let log = SampleLog::new(&[5, 3], 3);
    let midnight = log.head().exported_at;
    let late = |by: Duration| verify_with(&log, |head| head.exported_at = midnight.plus(by));
    assert_eq!(late(48 * HOUR - Duration::from_millis(1)), "2026-11-20 to 2026-11-21");
    assert_eq!(late(48 * HOUR), "day 2026-11-22: seal missing");
    let as_of = |by: Duration| render(verify_by(&[&log.signer.key], log.pages(8), Some(midnight.plus(by))));
    assert_eq!(as_of(HOUR), "2026-11-20 to 2026-11-21");
    assert_eq!(as_of(60 * HOUR), "day 2026-11-22: seal missing");
}

#[test]
fn export_without_a_sealed_day_verifies_nothing() {
    let log = SampleLog::new(&[1], 3);
    let only_tail = |change: fn(&mut ExportHead)| {
        let mut page = log.pages(8).remove(1);
        change(&mut page.log);
        verify(&log, vec![page])
    };
    assert_eq!(
        only_tail(|head| head.sealed_through = None),
        Err(LogFault::NothingSealed)
    );
    assert_eq!(only_tail(|head| head.from = day(1)), Err(LogFault::NothingSealed));
    assert_eq!(render(only_tail(|_| ())), "day 2026-11-20: seal missing");
}

#[test]
fn day_resealed_with_the_key_breaks_the_chain() {
    let mut log = SampleLog::new(&[5, 4, 3], 0);
    let before = log.days[1].statement.previous;
    log.days[1] = SampleDay::new(day(1), &log.person, vec![text(1, 0)], before, &log.signer);
    assert_eq!(render(verify(&log, log.pages(8))), "day 2026-11-21: rewritten (chain)");
    log.days[2] = SampleDay::new(day(2), &log.person, Vec::new(), None, &log.signer);
    assert_eq!(render(verify(&log, log.pages(8))), "day 2026-11-21: rewritten (chain)");
}

#[test]
fn changed_key_needs_both_keys() {
    let mut log = SampleLog::new(&[2, 2], 0);
    let (next, before) = (Signer::new(), &log.days[1].seal.statement);
    let before = Some(SealHash::new(day(1), before));
    log.days
        .push(SampleDay::new(day(2), &log.person, vec![text(2, 0)], before, &next));
    let keys = [&log.signer.key, &next.key];
    assert!(verify_by(&keys, log.pages(8), None).is_ok());
    let unknown = format!(
        "day 2026-11-22: sealed with an unknown key (SHA-256 {})",
        next.key.fingerprint()
    );
    assert_eq!(render(verify_by(&keys[..1], log.pages(8), None)), unknown);
    assert!(render(verify_by(&[], log.pages(8), None)).starts_with("day 2026-11-20: sealed with an unknown key"));
}

#[test]
fn part_of_a_day_with_another_proof_is_refused() {
    let log = SampleLog::new(&[5, 4], 0);
    let mut pages = log.pages(2);
    pages[1].days[0].proof = log.days[1].proof(&log.person);
    assert_eq!(render(verify(&log, pages)), "day 2026-11-20: rewritten (entries)");
    let mut pages = log.pages(2);
    pages[1].days[0].more = false;
    assert_eq!(render(verify(&log, pages)), "day 2026-11-20: rewritten (entries)");
    let mut pages = log.pages(2);
    pages[2].days[0].more = true;
    assert_eq!(render(verify(&log, pages)), "day 2026-11-20: cut short");
}

#[test]
fn hundred_thousand_entries_are_verified() {
    let log = SampleLog::new(&[40_000, 0, 59_999, 1], 5);
    let verified = verify(&log, log.pages(1000)).unwrap();
    assert_eq!((verified.entries, verified.unsealed), (100_000, Some(5)));
}

#[test]
fn day_with_too_many_entries_is_refused() {
    let log = SampleLog::new(&[1], 0);
    let mut pages = log.pages(1);
    pages[0].days[0].more = true;
    pages[0].days[0].leaves = vec![pages[0].days[0].leaves[0]; 600_000];
    pages.insert(1, pages[0].clone());
    assert_eq!(render(verify(&log, pages)), "day 2026-11-20: more than 1000000 entries");
}
