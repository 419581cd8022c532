use super::*;
use crate::domain::retention::ITEMS;

const TIMING: fn() -> Timing = Timing::default;

fn now() -> Time {
    Time::parse("2026-11-28T12:00:00Z").unwrap()
}

fn id(last: u8) -> ExportId {
    ExportId::parse(&format!("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c{last:02x}")).unwrap()
}

fn ask(last: u8, present: &[Export], now: Time) -> ExportAnswer {
    Export::answer(id(last), present, now, TIMING())
}

fn new(last: u8, present: &[Export], now: Time) -> Export {
    match ask(last, present, now) {
        ExportAnswer::New(export) => export,
        other => panic!("{other:?}"),
    }
}

fn part(content: PartContent) -> Option<ExportPart> {
    Some(ExportPart {
        content,
        lines: 2,
        bytes: 3,
        sha256: "ab".repeat(32),
    })
}

fn complete(export: &Export, now: Time) -> Export {
    export.with_part(part(PartContent::AccessLog), None, now, TIMING())
}

#[test]
fn unfinished_export_answers_every_request_until_it_expires() {
    let first = new(1, &[], now());
    let present = [first.clone()];
    assert_eq!(ask(2, &present, now()), ExportAnswer::Present(first.clone()));
    assert_eq!(new(2, &present, first.expires_at).number, 2);
    // The same request finds its export even if it is complete.
    let complete = complete(&first, now());
    let again = ask(1, std::slice::from_ref(&complete), now());
    assert_eq!(again, ExportAnswer::Present(complete));
    // A failed one answers no other request.
    assert_eq!(new(2, &[first.fail(TIMING())], now()).number, 2);
}

#[test]
fn newest_export_answers_while_no_number_is_free() {
    let mut present: Vec<Export> = Vec::new();
    for n in 1..=EXPORTS_MAX {
        let at = now().plus(TIMING().export_lease() * n.into());
        present.push(complete(&new(n, &present, at), at));
    }
    let newest = present.last().cloned().unwrap();
    // An expired export has its number until it is deleted.
    for at in [newest.requested_at, newest.expires_at] {
        assert_eq!(ask(9, &present, at), ExportAnswer::Present(newest.clone()));
    }
    present.remove(1);
    assert_eq!(new(9, &present, newest.requested_at).number, 2);
}

#[test]
fn only_one_worker_claims_a_due_export() {
    let first = new(1, &[], now());
    let claimed = first.claim(now(), TIMING()).unwrap();
    assert_eq!(claimed.version, first.version + 1);
    assert_eq!(claimed.claim(now(), TIMING()), None);
    let lease = now().plus(TIMING().export_lease());
    assert!(claimed.claim(lease, TIMING()).is_some());
    // A complete or failed export waits for its deletion.
    for waiting in [
        complete(&claimed, now()),
        claimed.fail(TIMING()),
        claimed.await_deletion(TIMING()),
    ] {
        assert_eq!(waiting.due_at, first.expires_at.plus(TIMING().transfer()));
        assert_eq!(waiting.claim(first.expires_at, TIMING()), None);
    }
}

/// Another worker may have claimed the export before, and be late with its part.
#[test]
fn part_may_arrive_until_every_worker_has_ended() {
    let first = new(1, &[], now()).claim(now(), TIMING()).unwrap();
    assert!(!complete(&first, now()).may_arrive(now(), TIMING()));
    let second = first.claim(first.due_at, TIMING()).unwrap();
    let complete = complete(&second, now());
    let ended = now().plus(TIMING().transfer());
    assert!(second.may_arrive(ended, TIMING()) && complete.may_arrive(now(), TIMING()));
    assert!(!complete.may_arrive(ended, TIMING()));
}

#[test]
fn steps_follow_the_parts_and_end_with_the_deletion() {
    let first = new(1, &[], now());
    let step = |export: &Export, now| export.step(now, TIMING());
    assert_eq!(step(&first, now()), ExportStep::Write(PartStart::States(None)));
    let start = PartStart::AccessLog(None);
    let second = first.with_part(None, Some(start.clone()), now(), TIMING());
    assert_eq!(step(&second, now()), ExportStep::Write(start));
    assert_eq!((second.parts.len(), second.status()), (0, ExportStatus::Processing));
    let last = complete(&second, now());
    assert_eq!(
        (step(&last, now()), last.status()),
        (ExportStep::Nothing, ExportStatus::Available)
    );
    let failed = second.fail(TIMING());
    assert_eq!(
        (step(&failed, now()), failed.status()),
        (ExportStep::Nothing, ExportStatus::Failed)
    );
    // No part begins after the export has expired, and a worker that began before has ended when it is deleted.
    let deleted = first.expires_at.plus(TIMING().transfer());
    for export in [first, second, last, failed] {
        assert_eq!(step(&export, export.expires_at), ExportStep::Nothing);
        assert_eq!(step(&export, deleted), ExportStep::Delete);
    }
}

#[test]
fn withheld_kinds_are_kinds_of_items() {
    for (withheld, why) in WITHHELD {
        assert!(ITEMS.iter().any(|kind| kind.keys == withheld), "{withheld}: {why}");
    }
}
