use std::collections::BTreeSet;

use super::*;
use crate::domain::ReceiptId;
use crate::domain::consent::{ConsentScope, GivenConsent, Notice};
use crate::domain::erasure::RequestedErasure;
use crate::domain::quarantine::{QuarantineCause, QuarantineReason, RecordOrigin};
use crate::domain::record::RecordState;
use crate::domain::record::tests::make_record;
use crate::domain::{RecordId, Timing};

const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn day(number: u32) -> Time {
    Time::from_millis(1_000_000_000).plus(DAY * number)
}

fn notice() -> ConsentRule {
    ConsentRule::Notice(Notice::parse("1", SHA, "https://app.example.test/notice").unwrap())
}

/// A root whose consent has these scopes.
fn consenting(scopes: &[ConsentScope]) -> PersonRoot {
    let given = GivenConsent {
        scopes: scopes.iter().copied().collect(),
        notice_version: "1".to_owned(),
        notice_sha256: SHA.to_owned(),
        locale: "en".to_owned(),
    };
    PersonRoot::default().give(given, day(0)).unwrap()
}

fn without_keep() -> PersonRoot {
    consenting(&[ConsentScope::Pull])
}

fn held() -> PersonRoot {
    without_keep().hold(Some(day(1))).unwrap()
}

fn erasing() -> PersonRoot {
    PersonRoot {
        erasure: Some(RequestedErasure {
            receipt: ReceiptId::new(uuid::Uuid::nil()),
            requested_at: day(1),
        }),
        ..without_keep()
    }
}

fn quarantined() -> PersonRoot {
    let cause = QuarantineCause {
        record: RecordId::UNUSED,
        origin: RecordOrigin::default(),
        reasons: BTreeSet::from([QuarantineReason::OtherPerson]),
    };
    let root = without_keep().quarantine_for(&cause, day(1), Timing::default());
    root.unwrap()
}

fn ended(state: RecordState, at: Time) -> Record {
    Record {
        state,
        ended_at: Some(at),
        ..make_record()
    }
}

fn ends(root: &PersonRoot, record: &Record, now: Time) -> bool {
    let consent = &notice();
    RetentionRule { consent, days: 90 }.ends(record, root, now)
}

fn next(root: &PersonRoot, records: &[Record], now: Time) -> Time {
    let consent = &notice();
    RetentionRule { consent, days: 90 }.next_check(records, root, now)
}

#[test]
fn record_ends_after_its_days_unless_it_is_kept() {
    let record = ended(RecordState::Available, day(1));
    assert!(!ends(&without_keep(), &record, day(91).minus(Duration::from_millis(1))));
    assert!(ends(&without_keep(), &record, day(91)));
    assert!(ends(&without_keep(), &ended(RecordState::Failed, day(1)), day(91)));
    assert!(ends(&PersonRoot::default(), &record, day(91)), "without any consent");
    assert!(!ends(&consenting(&ConsentScope::ALL), &record, day(1_000)));
    assert!(!ends(&without_keep(), &make_record(), day(1_000)), "not ended");
    let consent = &ConsentRule::KeptElsewhere;
    let rule = RetentionRule { consent, days: 90 };
    assert!(!rule.ends(&record, &without_keep(), day(1_000)));
}

#[test]
fn hold_erasure_and_quarantine_keep_a_record() {
    let record = ended(RecordState::Available, day(2));
    for root in [held(), erasing(), quarantined()] {
        assert!(!ends(&root, &record, day(1_000)), "{root:?}");
    }
    assert!(
        ends(&quarantined(), &ended(RecordState::Failed, day(2)), day(1_000)),
        "the operator has no use for a record without data"
    );
}

#[test]
fn next_check_is_due_at_the_first_end() {
    let (first, second) = (ended(RecordState::Available, day(5)), ended(RecordState::Empty, day(9)));
    let records = [second.clone(), first, make_record()];
    assert_eq!(next(&without_keep(), &records, day(10)), day(95));
    assert_eq!(next(&without_keep(), &[make_record()], day(10)), day(100));
    assert_eq!(next(&consenting(&ConsentScope::ALL), &[second], day(10)), day(100));
    assert_eq!(next(&without_keep(), &[], day(10)), day(100));
}

#[test]
fn check_that_may_not_delete_is_repeated_after_a_day() {
    let records = [ended(RecordState::Available, day(2))];
    for root in [held(), erasing(), quarantined()] {
        assert_eq!(next(&root, &records, day(200)), day(201), "{root:?}");
    }
    assert_eq!(next(&held(), &[], day(10)), day(11));
    assert_eq!(
        next(&quarantined(), &records, day(10)),
        day(92),
        "its end has not passed"
    );
}

#[test]
fn check_is_claimed_once_and_repeated_if_it_breaks_off() {
    let first = RetentionCheck::first(day(0));
    assert_eq!(first.claim(day(1).minus(Duration::from_millis(1))), None);
    let claimed = first.claim(day(1)).unwrap();
    assert_eq!(claimed.version, 2);
    assert_eq!(claimed.claim(day(1)), None, "a duplicate");
    assert!(claimed.claim(day(1).plus(REPEAT_AFTER)).is_some());
    let stored = serde_json::to_value(claimed.finish(Time::from_millis(7))).unwrap();
    assert_eq!(stored, serde_json::json!({ "dueAt": 7, "version": 3 }));
}
