use proptest::prelude::*;

use super::*;
use crate::domain::input::{self, InputError};

const T0: Time = Time::from_millis(1_000_000);

fn request(n: u8) -> UpstreamRequestId {
    UpstreamRequestId::parse(format!("request-{n}")).unwrap()
}
fn patient(n: u8) -> PatientId {
    PatientId::parse(format!("patient-{n}")).unwrap()
}
pub(in crate::domain) fn make_record() -> Record {
    let id = RecordId::parse("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d").unwrap();
    let query = RecordQuery {
        resources: ["Observation".to_owned(), "Condition".to_owned()].into(),
        date_from: Some("2024-01-01".to_owned()),
        ..RecordQuery::default()
    };
    let new = NewRecord {
        id,
        pull: None,
        phase: RecordPhase::Asked,
        patient: patient(1),
        grant: Grant::of(1),
        query,
    };
    Record::ask(new, T0, Timing::default())
}
fn after(record: &Record, event: RecordEvent) -> Record {
    record
        .apply(&event, T0, Timing::default())
        .map_or_else(|| record.clone(), |change| change.record)
}
fn object() -> StoredObject {
    StoredObject {
        key: "k".into(),
        sha256: "s".into(),
        bytes: 1,
        counts: BTreeMap::new(),
        comparison: PatientComparison::NotComparable,
    }
}
fn delivered() -> Delivered {
    let filters = [
        ("resources", "Observation, Condition"),
        ("dateFrom", "2024-01-01"),
        ("dateTo", ""),
        ("conversionType", "json"),
    ];
    Delivered {
        request: Some(request(1)),
        patient: patient(1),
        subject: Some(patient(1)),
        filters: filters.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        has_link: true,
    }
}

#[test]
fn ordinary_record_takes_and_releases_the_lock() {
    let claim = make_record()
        .apply(&RecordEvent::Claimed, T0, Timing::default())
        .unwrap();
    assert!(claim.locks && claim.record.state == RecordState::Starting);
    let record = after(&claim.record, RecordEvent::Started(request(1)));
    let record = after(&record, RecordEvent::Delivered(RecordDelivery::Link, Some(request(1))));
    let record = after(&record, RecordEvent::FetchClaimed);
    let end = record
        .apply(&RecordEvent::Stored(object()), T0, Timing::default())
        .unwrap();
    assert!(end.unlocks && end.record.state == RecordState::Available && end.record.due_at.is_none());
    assert_eq!((claim.access(), end.access()), (None, Some(Access::RecordStored)));
    assert_eq!(end.record.apply(&RecordEvent::FetchBroken, T0, Timing::default()), None);
}

/// A record whose query has begun and has a known id.
pub(in crate::domain) fn processing() -> Record {
    after(
        &after(&make_record(), RecordEvent::Claimed),
        RecordEvent::Started(request(1)),
    )
}
/// A record that repeats its start.
fn looking() -> Record {
    let record = processing();
    assert_eq!(record.step(record.due_at.unwrap()), RecordStep::Repeat);
    after(&record, RecordEvent::Repeated)
}
fn put_off() -> RecordEvent {
    RecordEvent::StartDeferred(T0.plus(std::time::Duration::from_secs(9)))
}

#[test]
fn missed_deliveries_start_new_queries_up_to_the_limit() {
    let mut record = after(&make_record(), RecordEvent::Claimed);
    for n in 1..=u8::try_from(ATTEMPTS_MAX).unwrap() {
        // Metriport names another query, so the awaited query ended without a delivery.
        record = after(&record, RecordEvent::Started(request(n)));
        assert_eq!((record.attempts, record.state), (n.into(), RecordState::Processing));
        assert_eq!(record.request, Some(request(n)));
        if record.attempts < ATTEMPTS_MAX {
            assert_eq!(record.step(record.due_at.unwrap()), RecordStep::Repeat);
            record = after(&record, RecordEvent::Repeated);
        }
    }
    // The record waits for the last query as long as that query may take. A repeated start could begin another query.
    assert_eq!(record.due_at, record.attempt_until);
    let over = RecordEvent::AttemptOver;
    assert_eq!(record.step(record.due_at.unwrap()), RecordStep::Apply(over.clone()));
    record = after(&record, over);
    assert_eq!(
        (record.state, record.reason),
        (RecordState::Failed, Some(RecordReason::AttemptsExhausted))
    );
}

#[test]
fn running_query_is_checked_less_and_less_often() {
    let mut record = processing();
    let mut wait = T0.until(record.due_at.unwrap());
    for looks in 1..=3 {
        record = after(&after(&record, RecordEvent::Repeated), RecordEvent::Started(request(1)));
        assert_eq!(
            (record.state, record.attempts, record.looks),
            (RecordState::Processing, 1, looks)
        );
        let next = T0.until(record.due_at.unwrap());
        assert!(next > wait, "{next:?}");
        wait = next;
    }
    let over = record.attempt_until.unwrap();
    assert_eq!(record.step(over), RecordStep::Apply(RecordEvent::AttemptOver));
}

/// After a repeated start that had no effect, the record keeps the lock and accepts the delivery of its query.
#[test]
fn repeated_start_without_effect_keeps_query_and_lock() {
    for event in [RecordEvent::StartRefused, put_off()] {
        let change = looking().apply(&event, T0, Timing::default()).unwrap();
        assert!(!change.unlocks && change.record.attempts == 1, "{event:?}");
        assert_eq!(
            (change.record.state, change.record.request.clone()),
            (RecordState::Processing, Some(request(1)))
        );
        assert!(change.record.awaits(&delivered(), false));
    }
}

#[test]
fn unanswered_start_accepts_only_a_correlated_delivery() {
    let looking = looking();
    // This delivery belongs to the query before the repeated start. Another query may have begun since, and the record
    // waits for the delivery of that query.
    assert!(!looking.awaits(&delivered(), false));
    assert!(looking.awaits(&delivered(), true));
    let link = RecordEvent::Delivered(RecordDelivery::Link, Some(request(2)));
    let offered = after(&looking, link);
    assert_eq!(
        (offered.state, offered.request.clone()),
        (RecordState::Offered, Some(request(2)))
    );
    assert_eq!(after(&offered, RecordEvent::Started(request(2))), offered);
    // If several starts are unanswered, the last query is unknown.
    let twice = after(&after(&looking, RecordEvent::StartUnknown), RecordEvent::Repeated);
    assert!(!twice.awaits(&delivered(), true) && !twice.awaits(&delivered(), false));
    assert!(after(&twice, RecordEvent::Started(request(1))).awaits(&delivered(), false));
}

/// The query of the given-up start may end late. If the record accepted the delivery of that query, it would release
/// the lock during the next start.
#[test]
fn delivery_of_a_given_up_start_is_refused_by_the_next_attempt() {
    let unknown = after(&after(&make_record(), RecordEvent::Claimed), RecordEvent::StartUnknown);
    assert!(unknown.awaits(&delivered(), true));
    let next = after(&after(&unknown, RecordEvent::AttemptOver), RecordEvent::Claimed);
    assert_eq!(
        (next.state, next.unanswered, next.unheard),
        (RecordState::Starting, 1, 1)
    );
    assert!(!next.awaits(&delivered(), true));
    let started = after(&next, RecordEvent::Started(request(1)));
    assert!(started.awaits(&delivered(), false) && started.unheard == 1);
}

/// The first start began a query and got no answer, the second start got one. The delivery of the first query comes
/// during a third start. If it counted, the record would release the lock while the query of the third start runs.
#[test]
fn delivery_of_a_start_before_the_answer_is_refused_by_the_next() {
    let claimed = after(&make_record(), RecordEvent::Claimed);
    for unanswered in [after(&claimed, RecordEvent::StartUnknown), claimed] {
        let twice = after(&unanswered, RecordEvent::Repeated);
        let started = after(&twice, RecordEvent::Started(request(2)));
        assert_eq!((started.unanswered, started.unheard), (0, 1));
        let third = after(&started, RecordEvent::Repeated);
        assert!(!third.awaits(&delivered(), true));
        // The delivery that the answers name counts.
        let known = after(&third, RecordEvent::Started(request(1)));
        assert!(known.awaits(&delivered(), false) && known.unheard == 1);
    }
}

#[test]
fn unanswered_repeated_start_keeps_the_lock_for_a_query_s_life() {
    let late = T0.plus(std::time::Duration::from_secs(1100));
    let crashed = looking()
        .apply(&RecordEvent::Repeated, late, Timing::default())
        .unwrap()
        .record;
    let unheard = looking()
        .apply(&RecordEvent::StartUnknown, late, Timing::default())
        .unwrap()
        .record;
    for unknown in [crashed, after(&unheard, RecordEvent::Repeated)] {
        assert_eq!((unknown.state, unknown.request.clone()), (RecordState::Starting, None));
        assert_eq!(
            unknown.attempt_until,
            Some(late.plus(Timing::default().consolidated_life()))
        );
        for event in [RecordEvent::StartRefused, put_off()] {
            let change = unknown.apply(&event, late, Timing::default()).unwrap();
            assert!(
                !change.unlocks && change.record.state == RecordState::Starting,
                "{event:?}"
            );
        }
        let known = after(&unknown, RecordEvent::Started(request(2)));
        assert_eq!(
            (known.state, known.request),
            (RecordState::Processing, Some(request(2)))
        );
    }
}

#[test]
fn expired_record_with_a_running_query_lets_the_lock_expire() {
    let over = RecordEvent::DeadlinePassed;
    for (record, unlocks) in [
        (processing(), false),
        (looking(), false),
        (
            after(
                &processing(),
                RecordEvent::Delivered(RecordDelivery::Link, Some(request(1))),
            ),
            true,
        ),
    ] {
        let end = record.expires_at;
        let change = record.apply(&over, end, Timing::default()).unwrap();
        assert_eq!((change.record.state, change.unlocks), (RecordState::Failed, unlocks));
        assert!(record.lock_until(Timing::default()) >= end.plus(Timing::default().consolidated_life()));
    }
}

#[test]
fn withdrawn_record_leaves_the_lock_to_its_running_query() {
    let withdrawn = RecordEvent::ConsentWithdrawn;
    let offered = after(
        &processing(),
        RecordEvent::Delivered(RecordDelivery::Link, Some(request(1))),
    );
    let query_end = processing().attempt_until;
    for (record, unlocks, shortens) in [
        (make_record(), false, None),
        (processing(), false, query_end),
        (looking(), false, Some(T0.plus(Timing::default().consolidated_life()))),
        (offered.clone(), true, None),
        (after(&offered, RecordEvent::FetchClaimed), true, None),
    ] {
        let change = record.apply(&withdrawn, T0, Timing::default()).unwrap();
        assert_eq!(
            (change.unlocks, change.shortens),
            (unlocks, shortens),
            "{:?}",
            record.state
        );
        let reason = Some(RecordReason::ConsentWithdrawn);
        assert_eq!(
            (change.record.state, change.record.reason),
            (RecordState::Failed, reason)
        );
        for late in [
            RecordEvent::Started(request(1)),
            RecordEvent::Stored(object()),
            withdrawn.clone(),
        ] {
            assert_eq!(change.record.apply(&late, T0, Timing::default()), None);
        }
    }
    assert!(query_end.is_some_and(|end| end < processing().lock_until(Timing::default())));
}

#[test]
fn only_starts_and_transfers_need_the_grant() {
    let claim = make_record().apply(&RecordEvent::Claimed, T0, Timing::default());
    let repeat = processing().apply(&RecordEvent::Repeated, T0, Timing::default());
    let delivered = RecordEvent::Delivered(RecordDelivery::Link, Some(request(1)));
    let fetch = after(&processing(), delivered).apply(&RecordEvent::FetchClaimed, T0, Timing::default());
    assert!([claim, repeat, fetch].into_iter().all(|change| change.unwrap().calls));
    let over = processing().apply(&RecordEvent::AttemptOver, T0, Timing::default());
    assert!(!over.unwrap().calls);
}

#[test]
fn record_deferred_for_a_place_releases_lock_and_attempt() {
    let (claimed, later) = (
        after(&make_record(), RecordEvent::Claimed),
        T0.plus(std::time::Duration::from_secs(9)),
    );
    let change = claimed.apply(&put_off(), T0, Timing::default()).unwrap();
    let waiting = change.record;
    assert!(change.unlocks && waiting.state == RecordState::Waiting && waiting.attempts == 0);
    assert_eq!((waiting.due_at, waiting.step(later)), (Some(later), RecordStep::Claim));
    let fresh = Record {
        due_at: make_record().due_at,
        due_seq: 1,
        version: 1,
        attempt_until: None,
        ..waiting
    };
    assert_eq!(fresh, make_record(), "nothing of the attempt is left but its due time");
    // A record that defers its repeated start keeps the lock, because its earlier query may still run.
    let change = looking().apply(&put_off(), T0, Timing::default()).unwrap();
    assert!(!change.unlocks && change.record.step(later) == RecordStep::Repeat);
}

#[test]
fn unanswered_start_keeps_the_lock_and_is_sent_again() {
    let claimed = after(&make_record(), RecordEvent::Claimed);
    let change = claimed
        .apply(&RecordEvent::StartUnknown, T0, Timing::default())
        .unwrap();
    let unknown = change.record;
    assert!(unknown.state == RecordState::Starting && !change.unlocks && unknown.attempts == 1);
    assert_eq!(unknown.step(unknown.due_at.unwrap()), RecordStep::Repeat);
    // A delivery that came before the answer to the start is accepted, if our metadata names the record.
    assert!(unknown.awaits(&delivered(), true));
    let over = unknown.attempt_until.unwrap();
    assert_eq!(unknown.step(over), RecordStep::Apply(RecordEvent::AttemptOver));
    // A start that was not made does not release the lock if an earlier start may have begun a query.
    let crashed = after(&claimed, RecordEvent::Repeated);
    for before in [after(&unknown, RecordEvent::Repeated), crashed] {
        let change = before.apply(&put_off(), T0, Timing::default()).unwrap();
        assert!(!change.unlocks && change.record.state == RecordState::Starting);
    }
    let change = claimed.apply(&put_off(), T0, Timing::default()).unwrap();
    assert!(change.unlocks && change.record.attempts == 0);
}

#[test]
fn delivery_must_match_request_patient_and_filters() {
    let record = processing();
    assert!(record.awaits(&delivered(), false));
    let cases: [fn(&mut Delivered); 9] = [
        |d| d.request = Some(request(2)),
        |d| d.request = None,
        |d| d.patient = patient(2),
        |d| d.subject = Some(patient(2)),
        |d| d.subject = None,
        |d| drop(d.filters.insert("resources".into(), "Observation".into())),
        |d| drop(d.filters.insert("resources".into(), "true".into())),
        |d| drop(d.filters.insert("conversionType".into(), "pdf".into())),
        |d| drop(d.filters.insert("dateTo".into(), "2024-12-31".into())),
    ];
    for (index, spoil) in cases.into_iter().enumerate() {
        let mut delivery = delivered();
        spoil(&mut delivery);
        assert!(!record.awaits(&delivery, true), "case {index}");
    }
    let starting = after(&make_record(), RecordEvent::Claimed);
    assert!(starting.awaits(&delivered(), true) && !starting.awaits(&delivered(), false));
}

#[test]
fn absent_or_empty_filter_agrees_with_the_request() {
    let record = after(
        &after(&make_record(), RecordEvent::Claimed),
        RecordEvent::Started(request(1)),
    );
    let silent: [fn(&mut Delivered); 4] = [
        |d| d.filters.clear(),
        |d| drop(d.filters.remove("conversionType")),
        |d| d.filters.values_mut().for_each(String::clear),
        |d| drop(d.filters.insert("generateAiBrief".into(), "true".into())),
    ];
    for (index, silence) in silent.into_iter().enumerate() {
        let mut delivery = delivered();
        silence(&mut delivery);
        assert!(record.awaits(&delivery, false), "case {index}");
        delivery.request = Some(request(9));
        assert!(!record.awaits(&delivery, false), "case {index}: the request decides");
    }
}

#[test]
fn request_is_refused_if_metriport_would_refuse_it() {
    let faults = |body: &str| match input::read(body.as_bytes(), RecordQuery::read) {
        Err(InputError::Faults(errors)) => errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let late = r#"{"conversionType":"pdf","dateFrom":"2024-02-02","dateTo":"2024-02-01"}"#;
    assert_eq!(faults(late), ["/dateTo"]);
    let all =
        r#"{"conversionType":"JSON","resources":["Observation","observation",7],"dateFrom":"2024-1-1","dateTo":1}"#;
    let expected = [
        "/conversionType",
        "/resources/1",
        "/resources/2",
        "/dateFrom",
        "/dateTo",
    ];
    assert_eq!(faults(all), expected);
    assert_eq!(faults(r#"["json"]"#), [""]);
    assert_eq!(faults(r#"{"conversionType":"json","resources":null}"#), ["/resources"]);
}

#[test]
fn state_codes_equal_the_stored_form() {
    for state in [
        RecordState::Waiting,
        RecordState::Starting,
        RecordState::Processing,
        RecordState::Offered,
        RecordState::Fetching,
        RecordState::Available,
        RecordState::Empty,
        RecordState::Failed,
    ] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

fn any_event() -> impl Strategy<Value = RecordEvent> {
    prop_oneof![
        Just(RecordEvent::Claimed),
        Just(RecordEvent::Repeated),
        Just(RecordEvent::LockBusy),
        (1u8..3).prop_map(|n| RecordEvent::Started(request(n))),
        Just(RecordEvent::StartDeferred(T0)),
        Just(RecordEvent::StartUnknown),
        Just(RecordEvent::StartRefused),
        Just(RecordEvent::AttemptOver),
        prop_oneof![
            Just(RecordDelivery::Link),
            Just(RecordDelivery::Nothing),
            Just(RecordDelivery::Failure)
        ]
        .prop_map(|d| RecordEvent::Delivered(d, Some(request(1)))),
        Just(RecordEvent::FetchClaimed),
        Just(RecordEvent::FetchBroken),
        Just(RecordEvent::FetchRefused(RecordReason::NotABundle)),
        Just(RecordEvent::Stored(object())),
        Just(RecordEvent::DeadlinePassed),
        Just(RecordEvent::ConsentWithdrawn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// For any events in any order: terminal states are final, and every other state has a due time. The lock is taken
    /// and released in turn. Only an available record has an object, and the attempts stay within `ATTEMPTS_MAX`.
    #[test]
    fn record_keeps_its_invariants_for_any_events(events in prop::collection::vec(any_event(), 0..60)) {
        let mut record = make_record();
        let mut locked = false;
        for event in events {
            let Some(change) = record.apply(&event, T0, Timing::default()) else { continue };
            prop_assert!(!record.state.is_terminal(), "{:?} left {:?}", event, record.state);
            prop_assert_ne!(change.record.state.is_terminal(), change.record.due_at.is_some());
            prop_assert!(!(change.locks && change.unlocks));
            locked = (locked || change.locks) && !change.unlocks;
            let may_run = matches!(record.state, RecordState::Starting | RecordState::Processing);
            let ends = matches!(event, RecordEvent::DeadlinePassed | RecordEvent::ConsentWithdrawn);
            let lapses = ends && may_run;
            let withdrawn = event == RecordEvent::ConsentWithdrawn;
            prop_assert_eq!(change.shortens.is_some(), withdrawn && may_run);
            prop_assert!(locked == change.record.state.holds_lock() || lapses);
            prop_assert!(change.record.attempts <= ATTEMPTS_MAX);
            prop_assert_eq!(change.record.object.is_some(), change.record.state == RecordState::Available);
            prop_assert_eq!(change.record.version, record.version + 1);
            record = change.record;
        }
    }
}

#[test]
fn withdrawn_record_may_arrive_until_its_transfer_has_ended() {
    let (timing, ended) = (Timing::default(), Time::from_millis(5_000));
    let record = |state| Record {
        state,
        ended_at: Some(ended),
        ..make_record()
    };
    let last = ended.plus(timing.transfer());
    let before = Time::from_millis(last.millis() - 1);
    let withdrawn = record(RecordState::Failed);
    assert!(withdrawn.may_arrive(before, timing) && !withdrawn.may_arrive(last, timing));
    assert!(!record(RecordState::Available).may_arrive(ended, timing));
    assert!(record(RecordState::Fetching).may_arrive(last, timing));
}
