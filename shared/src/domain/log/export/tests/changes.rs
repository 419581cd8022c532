//! Random changes of an exported log, each with the place that the verifier must name.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use serde_json::value::RawValue;

use super::*;
use crate::domain::log::sample::raw;

const COUNTS: [usize; 6] = [5, 0, 7, 12, 1, 6];
const ENTRIES: usize = 31;

static LOG: LazyLock<SampleLog> = LazyLock::new(|| SampleLog::new(&COUNTS, 3));

/// The sealed entries of the pages, each with its day.
fn entries_of(pages: &mut [ExportPage]) -> Vec<(LogDay, &mut Box<RawValue>)> {
    let parts = pages.iter_mut().flat_map(|page| &mut page.days);
    parts
        .flat_map(|part| part.entries.iter_mut().map(|entry| (part.day, entry)))
        .collect()
}

/// Day and number of the sealed entry with this index.
fn place(index: usize) -> (usize, usize) {
    let mut number = index;
    let day = COUNTS.iter().position(|count| {
        let is_here = number < *count;
        number -= if is_here { 0 } else { *count };
        is_here
    });
    (day.unwrap(), number + 1)
}

fn entry_fault(index: usize, fault: &str) -> String {
    let (number, entry) = place(index);
    format!("day {}, entry {entry}: {fault}", day(number))
}

/// The fault without the time of the entry.
fn without_time(fault: &LogFault) -> String {
    match fault.clone() {
        LogFault::Entry { day, number, fault, .. } => LogFault::Entry {
            day,
            number,
            at: None,
            fault,
        }
        .to_string(),
        other => other.to_string(),
    }
}

/// Changes one digit of an entry.
fn edit(pages: &mut [ExportPage], at: [Index; 3]) -> String {
    let index = at[0].index(ENTRIES);
    let (_, entry) = &mut entries_of(pages)[index];
    let mut text = entry.get().to_owned();
    let digits: Vec<usize> = text
        .match_indices(|c: char| c.is_ascii_digit())
        .map(|(at, _)| at)
        .collect();
    let digit = digits[at[1].index(digits.len())];
    let other = if &text[digit..=digit] == "7" { "8" } else { "7" };
    text.replace_range(digit..=digit, other);
    **entry = RawValue::from_string(text).unwrap();
    entry_fault(index, "changed")
}

fn drop_one(pages: &mut [ExportPage], at: [Index; 3]) -> String {
    let index = at[0].index(ENTRIES);
    let mut before = 0;
    for part in pages.iter_mut().flat_map(|page| &mut page.days) {
        if index < before + part.entries.len() {
            part.entries.remove(index - before);
            break;
        }
        before += part.entries.len();
    }
    entry_fault(index, "dropped")
}

/// Inserts a copy of an entry, or a new one. A copy beside its original is visible only after it.
fn insert(pages: &mut [ExportPage], at: [Index; 3]) -> String {
    let copied = at[1].index(2 * ENTRIES);
    let copy = entries_of(pages).get(copied).map(|(_, entry)| entry.get().to_owned());
    let new = raw(&[copy.unwrap_or_else(|| text(90, copied))]).remove(0);
    let mut parts: Vec<&mut ExportedDay> = pages.iter_mut().flat_map(|page| &mut page.days).collect();
    let part_index = at[0].index(parts.len());
    let day = parts[part_index].day;
    let before: usize = parts[..part_index]
        .iter()
        .filter(|part| part.day == day)
        .map(|part| part.entries.len())
        .sum();
    let entries = &mut parts[part_index].entries;
    let mut place = at[2].index(entries.len() + 1);
    entries.insert(place, new);
    while entries
        .get(place + 1)
        .is_some_and(|next| next.get() == entries[place].get())
    {
        place += 1;
    }
    format!("day {day}, entry {}: inserted", before + place + 1)
}

/// Swaps two entries. Those of two days are unknown in the other day.
fn swap(pages: &mut [ExportPage], at: [Index; 3]) -> String {
    let (one, other) = (at[0].index(ENTRIES), at[1].index(ENTRIES - 1));
    let other = if other >= one { other + 1 } else { other };
    let (first, second) = (one.min(other), one.max(other));
    let mut entries = entries_of(pages);
    let (early, late) = entries.split_at_mut(second);
    let is_one_day = early[first].0 == late[0].0;
    std::mem::swap(early[first].1, late[0].1);
    entry_fault(first, if is_one_day { "reordered" } else { "changed" })
}

/// Cuts pages off at the end, or leaves a day out.
fn truncate(pages: &mut Vec<ExportPage>, at: [Index; 3]) -> String {
    if at[0].index(2) == 0 {
        pages.truncate(at[1].index(pages.len()));
        return format!("page {}: missing", pages.len() + 1);
    }
    let left_out = day(at[1].index(COUNTS.len()));
    for page in pages {
        page.days.retain(|part| part.day != left_out);
    }
    format!("day {left_out}: seal missing")
}

/// Makes a day anew without the key: with other entries, and with as many of the proofs above them as possible.
fn reseal(pages: &mut [ExportPage], at: [Index; 3]) -> String {
    let number = at[0].index(COUNTS.len());
    let forger = Signer::new();
    let key = if at[2].index(2) == 0 {
        &forger.key
    } else {
        &LOG.signer.key
    };
    let before = LOG.days[number].statement.previous;
    let texts: Vec<String> = (0..COUNTS[number] + 1).map(|n| text(number, n + 50)).collect();
    let mut forged = SampleDay::new(day(number), &LOG.person, texts.clone(), before, &forger);
    forged.statement.key = key.fingerprint();
    forged.seal = forger.sign(forged.statement.text());
    let (forged, sealed) = (forged.proof(&LOG.person), LOG.days[number].proof(&LOG.person));
    let level = at[1].index(4);
    let proof = DayProof {
        seal: if level > 2 { forged.seal } else { sealed.seal },
        shard: if level > 1 { forged.shard } else { sealed.shard },
        person: if level > 0 { forged.person } else { sealed.person },
    };
    replace_day(pages, day(number), &proof, &texts);
    let fault = match level {
        0 | 1 => "rewritten (entries)".to_owned(),
        2 => "rewritten (shard)".to_owned(),
        _ if *key == LOG.signer.key => "rewritten (signature)".to_owned(),
        _ => format!("sealed with an unknown key (SHA-256 {})", key.fingerprint()),
    };
    format!("day {}: {fault}", day(number))
}

fn replace_day(pages: &mut [ExportPage], day: LogDay, proof: &DayProof, texts: &[String]) {
    let parts = pages.iter_mut().flat_map(|page| &mut page.days);
    let mut rest = Some(texts);
    for part in parts.filter(|part| part.day == day) {
        let texts = rest.take().unwrap_or_default();
        part.proof = proof.clone();
        part.entries = raw(texts);
        part.leaves = texts.iter().map(|text| crate::domain::log::leaf(text)).collect();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        rng_seed: RngSeed::Fixed(17),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn verifier_finds_each_of_a_thousand_changes(
        kind in 0..6,
        at in any::<[Index; 3]>(),
        entries_max in 1..20_usize,
    ) {
        let mut pages = LOG.pages(entries_max);
        let expected = match kind {
            0 => edit(&mut pages, at),
            1 => drop_one(&mut pages, at),
            2 => insert(&mut pages, at),
            3 => swap(&mut pages, at),
            4 => truncate(&mut pages, at),
            _ => reseal(&mut pages, at),
        };
        let fault = verify(&LOG, pages).unwrap_err();
        prop_assert_eq!(without_time(&fault), expected);
    }
}
