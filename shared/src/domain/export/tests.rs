use std::time::Duration;

use super::*;
use crate::domain::retention::ITEMS;

fn now() -> Time {
    Time::parse("2026-11-28T12:00:00Z").unwrap()
}

fn id(last: u8) -> ExportId {
    ExportId::parse(&format!("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c{last:02x}")).unwrap()
}

fn new(last: u8, now: Time) -> Export {
    match Export::request(id(last), &[], now, Timing::default()) {
        ExportRequest::New(export) => export,
        other => panic!("{other:?}"),
    }
}

fn part(content: PartContent) -> ExportPart {
    ExportPart {
        content,
        lines: 2,
        bytes: 3,
        sha256: "ab".repeat(32),
    }
}

fn complete(export: &Export, now: Time) -> Export {
    export.with_part(part(PartContent::AccessLog), None, now, Timing::default())
}

#[test]
fn unfinished_export_answers_every_request_until_it_expires() {
    let first = new(1, now());
    let ask = |now| Export::request(id(2), std::slice::from_ref(&first), now, Timing::default());
    assert_eq!(ask(now()), ExportRequest::Present(first.clone()));
    assert!(matches!(ask(first.expires_at), ExportRequest::New(_)));
    // The same request finds even its complete export.
    let complete = complete(&first, now());
    let again = Export::request(id(1), std::slice::from_ref(&complete), now(), Timing::default());
    assert_eq!(again, ExportRequest::Present(complete));
}

#[test]
fn fourth_export_waits_for_the_first_to_expire() {
    let hour = Duration::from_secs(3600);
    let at = |hours: u32| now().plus(hour * hours);
    let mut present: Vec<_> = (0_u8..3)
        .map(|n| complete(&new(n, at(n.into())), at(n.into())))
        .collect();
    let ask = |present: &[Export], now| Export::request(id(9), present, now, Timing::default());
    assert_eq!(ask(&present, at(3)), ExportRequest::TooMany(hour * 21));
    assert!(matches!(ask(&present, at(24)), ExportRequest::New(_)));
    present.pop();
    assert!(matches!(ask(&present, at(3)), ExportRequest::New(_)));
}

#[test]
fn steps_follow_the_parts_and_end_with_the_deletion() {
    let timing = Timing::default();
    let first = new(1, now());
    assert_eq!(first.step(now()), ExportStep::Write(PartStart::States(None)));
    let start = PartStart::AccessLog(None);
    let second = first.with_part(part(PartContent::States), Some(start.clone()), now(), timing);
    assert_eq!(second.step(now()), ExportStep::Write(start));
    assert_eq!((second.due_at, second.version), (now().plus(timing.export_lease()), 2));
    let last = complete(&second, now());
    assert_eq!(last.step(now()), ExportStep::Nothing);
    assert_eq!((last.due_at, last.completed_at), (first.expires_at, Some(now())));
    for export in [first, second, last] {
        assert_eq!(export.step(export.expires_at), ExportStep::Delete);
    }
}

/// A lease never reaches beyond the time of deletion.
#[test]
fn late_part_does_not_delay_the_deletion() {
    let export = new(1, now());
    let late = export.expires_at.minus(Duration::from_secs(1));
    let next = Some(PartStart::AccessLog(None));
    let written = export.with_part(part(PartContent::States), next, late, Timing::default());
    assert_eq!(written.due_at, export.expires_at);
}

#[test]
fn withheld_kinds_are_kinds_of_items() {
    for (withheld, why) in WITHHELD {
        assert!(ITEMS.iter().any(|kind| kind.keys == withheld), "{withheld}: {why}");
    }
}
