use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::SourceKind;
use crate::domain::input;
use crate::domain::pull::tests::accepted;
use crate::domain::record::tests::make_record;

const TIMING: fn() -> Timing = Timing::default;

fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}
fn pull_id(n: u128) -> PullId {
    PullId::new(Uuid::from_u128(n))
}
/// A pull that was accepted at one time and ended at another, with an answer of its source.
fn pull(n: u128, created: i64, ended: Option<i64>) -> Pull {
    let mut pull = accepted(&[SourceKind::Lab]);
    pull.sources
        .advance(SourceKind::Lab, SourceStatus::Completed, at(created), None);
    Pull {
        id: pull_id(n),
        created_at: at(created),
        ended_at: ended.map(at),
        ..pull
    }
}
/// A record that is available since a time.
fn record(pull: Option<PullId>, ended: i64) -> Record {
    Record {
        pull,
        state: RecordState::Available,
        ended_at: Some(at(ended)),
        ..make_record()
    }
}
fn cause(origin: RecordOrigin, reason: QuarantineReason) -> QuarantineCause {
    QuarantineCause {
        record: make_record().id,
        origin,
        reasons: [reason].into(),
    }
}
fn origin(n: u128, since: i64) -> RecordOrigin {
    RecordOrigin {
        pull: Some(pull_id(n)),
        since: at(since),
    }
}

#[test]
fn quarantine_hides_each_record_from_its_pull_on() {
    let root = PersonRoot::default();
    let reported = cause(origin(2, 200), QuarantineReason::OtherPerson);
    let root = root.quarantine_for(&reported, at(300), TIMING()).unwrap();
    for (of, ended, hidden) in [
        (Some(1), 150, false),
        (Some(1), 210, true),
        (Some(2), 199, true),
        (Some(3), 400, true),
        (None, 190, false),
        (None, 200, true),
    ] {
        let record = record(of.map(pull_id), ended);
        assert_eq!(root.hides(&record), hidden, "{of:?} {ended}");
    }
    let waiting = make_record();
    assert!(root.active_quarantine().unwrap().covers(&waiting) && !root.hides(&waiting));
    for state in [QuarantineState::Released, QuarantineState::Purged] {
        let ended = root.end_quarantine(state, at(500)).unwrap();
        assert!(!ended.hides(&record(Some(pull_id(2)), 250)));
        assert_eq!(ended.end_quarantine(state, at(501)), None);
    }
}

#[test]
fn quarantine_covers_each_pull_from_its_own_to_its_end() {
    let reported = cause(origin(2, 200), QuarantineReason::OtherPerson);
    let root = PersonRoot::default();
    let root = root.quarantine_for(&reported, at(300), TIMING()).unwrap();
    let purged = root.end_quarantine(QuarantineState::Purged, at(500)).unwrap();
    let (active, purged) = (root.quarantine.unwrap(), purged.quarantine.unwrap());
    for (pull, covered) in [
        (pull(1, 100, Some(150)), false),
        (pull(1, 100, Some(200)), true),
        (pull(1, 100, None), true),
        (pull(2, 200, Some(250)), true),
        (pull(3, 400, Some(450)), true),
    ] {
        assert_eq!(
            (active.covers_pull(&pull), purged.covers_pull(&pull)),
            (covered, covered)
        );
    }
    assert!(!purged.covers_pull(&pull(4, 501, None)));
}

#[test]
fn same_cause_again_changes_nothing_and_keeps_the_deadline() {
    let first = cause(origin(2, 200), QuarantineReason::DifferentName);
    let root = PersonRoot::default().quarantine_for(&first, at(300), TIMING()).unwrap();
    let purge_by = at(300).plus(TIMING().quarantine_max());
    assert_eq!(root.version, 1);
    assert_eq!(root.quarantine_for(&first, at(400), TIMING()), None);
    let later = cause(origin(3, 350), QuarantineReason::DifferentName);
    assert_eq!(root.quarantine_for(&later, at(400), TIMING()), None);
    let reported = cause(origin(1, 100), QuarantineReason::MixedPersons);
    let root = root.quarantine_for(&reported, at(400), TIMING()).unwrap();
    let quarantine = root.active_quarantine().unwrap();
    assert_eq!((quarantine.pull, quarantine.since), (Some(pull_id(1)), at(100)));
    assert_eq!((quarantine.at, quarantine.purge_by), (at(300), purge_by));
    assert_eq!(quarantine.reasons.len(), 2);
    let released = root.end_quarantine(QuarantineState::Released, at(500)).unwrap();
    let again = released.quarantine_for(&reported, at(600), TIMING()).unwrap();
    assert_eq!(again.active_quarantine().unwrap().at, at(600));
}

#[test]
fn quarantine_with_an_unknown_pull_covers_all_and_names_no_pull() {
    let known = cause(origin(2, 200), QuarantineReason::DifferentName);
    let unknown = cause(RecordOrigin::default(), QuarantineReason::DifferentName);
    for (first, further) in [(&known, &unknown), (&unknown, &known)] {
        let root = PersonRoot::default().quarantine_for(first, at(300), TIMING()).unwrap();
        let root = root.quarantine_for(further, at(400), TIMING()).unwrap_or(root);
        let quarantine = root.active_quarantine().unwrap();
        assert_eq!((quarantine.pull, quarantine.since), (None, Time::default()));
        assert!(root.hides(&record(Some(pull_id(1)), 150)) && root.hides(&record(None, 0)));
    }
}

#[test]
fn requested_record_comes_from_the_newest_ended_pull_with_data() {
    let asked = Record {
        created_at: at(500),
        ..make_record()
    };
    let mut silent = pull(4, 440, Some(450));
    silent.sources = accepted(&[SourceKind::Lab]).sources;
    let pulls = [
        pull(6, 600, Some(700)),
        pull(5, 460, None),
        silent,
        pull(3, 300, Some(400)),
        pull(2, 200, Some(250)),
    ];
    assert_eq!(RecordOrigin::of_requested(&asked, &pulls), origin(3, 300));
    assert_eq!(RecordOrigin::of_requested(&asked, &[]), RecordOrigin::default());
}

#[test]
fn report_with_another_reason_is_refused() {
    let read = |text: &str| input::read(text.as_bytes(), NotMeReport::read);
    for reason in NotMeReport::REASONS {
        let body = format!(r#"{{"reason":"{}"}}"#, reason.as_str());
        assert_eq!(read(&body), Ok(NotMeReport(reason)));
    }
    for bad in ["different_name", "Other", "", "other ", "\u{202e}other"] {
        assert!(
            read(&serde_json::json!({ "reason": bad }).to_string()).is_err(),
            "{bad}"
        );
    }
    let twice = r#"{"reason":"other","reason":"other"}"#;
    let more = r#"{"reason":"other","text":"x"}"#;
    for bad in ["{}", twice, more, r#"{"reason":["other"]}"#, r#"{"reason":null}"#] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn quarantine_is_stored_under_its_names() {
    let root = PersonRoot::default()
        .quarantine_for(&cause(origin(2, 200), QuarantineReason::UnknownCare), at(300), TIMING())
        .unwrap();
    let stored = serde_json::to_value(&root).unwrap();
    let expected = serde_json::json!({
        "state": "quarantined", "run": pull_id(2), "since": 200, "record": make_record().id,
        "reasons": ["unknown_care"], "at": 300, "purgeBy": 300 + 30 * 86_400_000_i64,
    });
    assert_eq!(stored["quarantine"], expected);
    assert_eq!(serde_json::from_value::<PersonRoot>(stored).unwrap(), root);
}

proptest! {
    /// A record that one report hides stays hidden after every further report.
    #[test]
    fn hidden_record_stays_hidden_until_an_operator_acts(
        reports in proptest::collection::vec((1_u128..5, 0_i64..500), 1..8), of in 0_u128..6, ended in 0_i64..600,
    ) {
        let record = record((of > 0).then(|| pull_id(of)), ended);
        let (mut root, mut hidden) = (PersonRoot::default(), false);
        for (n, since) in reports {
            let reported = cause(origin(n, since), QuarantineReason::OtherReport);
            root = root.quarantine_for(&reported, at(600), TIMING()).unwrap_or(root);
            prop_assert!(!hidden || root.hides(&record));
            hidden = root.hides(&record);
            prop_assert!(ended < since || hidden);
        }
    }
}
