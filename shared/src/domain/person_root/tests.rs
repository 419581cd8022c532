use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::consent::{ConsentScope, Notice};
use crate::domain::record::tests::make_record;

const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}
fn rule(version: &str) -> ConsentRule {
    ConsentRule::Notice(Notice::parse(version, SHA, "https://app.example.test/notice").unwrap())
}
fn given(version: &str, scopes: &[ConsentScope]) -> GivenConsent {
    GivenConsent {
        scopes: scopes.iter().copied().collect(),
        notice_version: version.to_owned(),
        notice_sha256: SHA.to_owned(),
        locale: "en".to_owned(),
    }
}
fn pull(version: &str) -> GivenConsent {
    given(version, &[ConsentScope::Pull])
}
fn keep(version: &str) -> GivenConsent {
    given(version, &ConsentScope::ALL)
}

#[test]
fn consent_covers_until_it_is_withdrawn() {
    let root = PersonRoot::default();
    assert_eq!(root.covering(&rule("1")), Err(ConsentGap::Missing));
    let root = root.give(pull("1"), at(1)).unwrap();
    assert_eq!(root.covering(&rule("1")), Ok(Grant::of(0)));
    assert_eq!(root.give(pull("1"), at(2)), None, "the same consent again");
    let root = root.withdraw(at(3)).unwrap();
    assert_eq!(root.covering(&rule("1")), Err(ConsentGap::Withdrawn));
    assert_eq!((root.withdrawn_at, root.version), (Some(at(3)), 2));
    assert_eq!(root.withdraw(at(4)), None);
}

#[test]
fn new_notice_asks_again() {
    let root = PersonRoot::default().give(pull("1"), at(1)).unwrap();
    assert_eq!(root.covering(&rule("2")), Err(ConsentGap::OtherNotice));
    assert!(root.holds(Grant::of(0)), "open work goes on");
    let root = root.give(pull("2"), at(2)).unwrap();
    assert_eq!(root.covering(&rule("2")), Ok(Grant::of(0)));
}

#[test]
fn stack_whose_app_keeps_consent_asks_for_none() {
    let rule = ConsentRule::KeptElsewhere;
    let root = PersonRoot::default();
    assert_eq!(root.covering(&rule), Ok(Grant::of(0)));
    let withdrawn = root.withdraw(at(1)).unwrap();
    assert!(withdrawn.holds(withdrawn.covering(&rule).unwrap()));
    assert!(!withdrawn.holds(Grant::of(0)));
}

#[test]
fn erasure_ends_the_grant_and_covers_nothing_until_it_is_finished() {
    let receipt = ReceiptId::new(uuid::Uuid::from_u128(7));
    for root in [
        PersonRoot::default(),
        PersonRoot::default().give(keep("1"), at(1)).unwrap(),
    ] {
        let marked = root.begin_erasure(receipt, at(2)).unwrap();
        assert!(!marked.holds(Grant::of(root.grant)));
        for rule in [rule("1"), ConsentRule::KeptElsewhere] {
            assert_eq!(marked.covering(&rule), Err(ConsentGap::Erasing));
        }
        let other = ReceiptId::new(uuid::Uuid::from_u128(8));
        assert_eq!(marked.begin_erasure(other, at(3)), Err(ErasureBar::Unfinished(receipt)));
        let erased = marked.erased();
        assert_eq!((erased.grant, erased.version), (marked.grant, marked.version + 1));
        let numbers = PersonRoot {
            grant: erased.grant,
            version: erased.version,
            ..PersonRoot::default()
        };
        assert_eq!(erased, numbers, "nothing else is left");
        assert_eq!(erased.covering(&rule("1")), Err(ConsentGap::Missing));
        assert!(!erased.holds(Grant::of(root.grant)), "a write of before");
    }
}

#[test]
fn hold_bars_an_erasure_until_it_ends() {
    let receipt = ReceiptId::new(uuid::Uuid::from_u128(7));
    let held = PersonRoot::default().hold(Some(at(1))).unwrap();
    assert_eq!(held.begin_erasure(receipt, at(2)), Err(ErasureBar::Held));
    assert_eq!(held.hold(Some(at(3))), None, "held already");
    let free = held.hold(None).unwrap();
    assert_eq!(free.hold(None), None);
    assert!(free.begin_erasure(receipt, at(4)).is_ok());
}

#[test]
fn record_without_consent_to_keep_it_ends_after_the_days() {
    let day = |n: i64| at(n * 86_400_000);
    let record = Record {
        ended_at: Some(day(10)),
        ..make_record()
    };
    let until = |root: &PersonRoot| root.kept_until(&record, &rule("1"), 90);
    let root = PersonRoot::default().give(keep("1"), day(1)).unwrap();
    assert_eq!(until(&root), None);
    assert_eq!(until(&root.withdraw(day(20)).unwrap()), Some(day(110)));
    let root = root.give(pull("1"), day(30)).unwrap();
    assert_eq!((root.keep_ended_at, until(&root)), (Some(day(30)), Some(day(120))));
    assert_eq!(until(&root.give(keep("1"), day(40)).unwrap()), None);
    let root = PersonRoot::default().give(pull("1"), day(1)).unwrap();
    assert_eq!(until(&root), Some(day(100)));
    assert_eq!(root.kept_until(&make_record(), &rule("1"), 90), None, "not ended");
    assert_eq!(root.kept_until(&record, &ConsentRule::KeptElsewhere, 90), None);
}

#[test]
fn root_is_stored_under_its_names() {
    let root = PersonRoot::default()
        .give(keep("1"), at(1))
        .unwrap()
        .withdraw(at(2))
        .unwrap();
    let root = root.give(pull("1"), at(3)).unwrap();
    let json = serde_json::to_value(&root).unwrap();
    let consent = serde_json::json!({
        "scopes": ["pull"], "noticeVersion": "1", "noticeSha256": SHA, "locale": "en", "givenAt": 3
    });
    let expected = serde_json::json!({
        "grant": 1, "consent": consent, "withdrawnAt": 2, "keepEndedAt": 2, "version": 3
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<PersonRoot>(json).unwrap(), root);
}

proptest! {
    #[test]
    fn grant_of_withdrawn_consent_never_covers_again(steps in proptest::collection::vec((0_u8..2, 1_u8..3), 1..40)) {
        let (mut root, mut ended) = (PersonRoot::default(), BTreeSet::new());
        for (now, (is_withdrawal, version)) in (0..).zip(steps) {
            if is_withdrawal == 0 {
                root = root.give(pull(&version.to_string()), at(now)).unwrap_or(root);
            } else if let Some(withdrawn) = root.withdraw(at(now)) {
                ended.insert(root.grant);
                root = withdrawn;
            }
            prop_assert!(ended.iter().all(|grant| !root.holds(Grant::of(*grant))));
            if let Ok(grant) = root.covering(&rule("1")) {
                prop_assert!(root.holds(grant));
            }
        }
    }
}
