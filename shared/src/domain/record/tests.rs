use proptest::prelude::*;

use super::*;

const T0: Time = Time::from_millis(1_000_000);

fn request(n: u8) -> UpstreamRequestId {
    UpstreamRequestId::parse(format!("request-{n}")).unwrap()
}
fn patient(n: u8) -> PatientId {
    PatientId::parse(format!("patient-{n}")).unwrap()
}
fn asked() -> Record {
    let id = RecordId::parse("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d").unwrap();
    let asked = Asked::parse(
        Conversion::Json,
        &["Observation".into(), "Condition".into()],
        Some("2024-01-01"),
        None,
    );
    let new = NewRecord {
        id,
        run: None,
        phase: RecordPhase::Asked,
        patient: patient(1),
        asked: asked.unwrap(),
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
fn an_ordinary_record_takes_the_lock_and_gives_it_back() {
    let claim = asked().apply(&RecordEvent::Claimed, T0, Timing::default()).unwrap();
    assert!(claim.locks && claim.record.state == RecordState::Starting);
    let record = after(&claim.record, RecordEvent::Started(request(1)));
    let record = after(&record, RecordEvent::Delivered(Delivery::Link, Some(request(1))));
    let record = after(&record, RecordEvent::FetchClaimed);
    let end = record
        .apply(&RecordEvent::Stored(object()), T0, Timing::default())
        .unwrap();
    assert!(end.unlocks && end.record.state == RecordState::Available && end.record.due_at.is_none());
    assert_eq!(end.record.apply(&RecordEvent::FetchBroken, T0, Timing::default()), None);
}

#[test]
fn a_missed_delivery_starts_a_new_query_and_not_for_ever() {
    let mut record = asked();
    for attempt in 1..=ATTEMPTS_MAX {
        record = after(&after(&record, RecordEvent::Claimed), RecordEvent::Started(request(1)));
        assert_eq!(record.attempts, attempt);
        record = after(&record, RecordEvent::Polled(QueryStatus::Completed));
        let missed = RecordEvent::AttemptOver;
        assert_eq!(record.step(record.due_at.unwrap()), RecordStep::Apply(missed.clone()));
        record = after(&record, missed);
    }
    assert_eq!(
        (record.state, record.reason),
        (RecordState::Failed, Some(RecordReason::AttemptsExhausted))
    );
}

#[test]
fn a_start_without_an_answer_keeps_the_lock_and_is_sent_again() {
    let claimed = after(&asked(), RecordEvent::Claimed);
    let change = claimed
        .apply(&RecordEvent::StartUnknown, T0, Timing::default())
        .unwrap();
    let unknown = change.record;
    assert!(unknown.state == RecordState::Starting && !change.unlocks && unknown.attempts == 1);
    assert_eq!(unknown.step(unknown.due_at.unwrap()), RecordStep::Start);
    // A delivery that came before the answer could be written is still ours.
    assert!(unknown.awaits(&delivered(), true));
    let over = unknown.attempt_until.unwrap();
    assert_eq!(unknown.step(over), RecordStep::Apply(RecordEvent::AttemptOver));
}

#[test]
fn only_the_answer_to_our_question_is_taken() {
    let record = after(&after(&asked(), RecordEvent::Claimed), RecordEvent::Started(request(1)));
    assert!(record.awaits(&delivered(), false));
    let cases: [fn(&mut Delivered); 7] = [
        |d| d.request = Some(request(2)),
        |d| d.request = None,
        |d| d.patient = patient(2),
        |d| d.subject = Some(patient(2)),
        |d| d.subject = None,
        |d| drop(d.filters.insert("resources".into(), "Observation".into())),
        |d| drop(d.filters.insert("conversionType".into(), "pdf".into())),
    ];
    for (index, spoil) in cases.into_iter().enumerate() {
        let mut delivery = delivered();
        spoil(&mut delivery);
        assert!(!record.awaits(&delivery, true), "case {index}");
    }
    let starting = after(&asked(), RecordEvent::Claimed);
    assert!(starting.awaits(&delivered(), true) && !starting.awaits(&delivered(), false));
}

#[test]
fn refuses_what_upstream_refuses() {
    let parse = |r: &str, from, to| Asked::parse(Conversion::Pdf, &[r.to_owned()], from, to);
    assert_eq!(parse("observation", None, None), Err(AskedError::Resource(0)));
    assert_eq!(parse("Observation", Some("2024-1-1"), None), Err(AskedError::DateFrom));
    assert_eq!(
        parse("Observation", Some("2024-02-02"), Some("2024-02-01")),
        Err(AskedError::DateTo)
    );
}

fn any_event() -> impl Strategy<Value = RecordEvent> {
    prop_oneof![
        Just(RecordEvent::Claimed),
        Just(RecordEvent::LockBusy),
        (1u8..3).prop_map(|n| RecordEvent::Started(request(n))),
        Just(RecordEvent::StartDeferred(Deferral::NotSent, T0)),
        Just(RecordEvent::StartDeferred(Deferral::Budget, T0)),
        Just(RecordEvent::StartUnknown),
        Just(RecordEvent::StartRefused),
        Just(RecordEvent::AttemptOver),
        prop_oneof![
            Just(QueryStatus::Processing),
            Just(QueryStatus::Completed),
            Just(QueryStatus::Failed)
        ]
        .prop_map(RecordEvent::Polled),
        prop_oneof![Just(Delivery::Link), Just(Delivery::Nothing), Just(Delivery::Failure)]
            .prop_map(|d| RecordEvent::Delivered(d, Some(request(1)))),
        Just(RecordEvent::FetchClaimed),
        Just(RecordEvent::FetchBroken),
        Just(RecordEvent::FetchRefused(RecordReason::NotABundle)),
        Just(RecordEvent::Stored(object())),
        Just(RecordEvent::DeadlinePassed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Any events in any order: terminal states are final, whatever waits has a due time, the lock is taken and given
    /// back in turn, only what was fetched under the lock is ever available, and attempts are bounded.
    #[test]
    fn the_record_keeps_its_rules(events in prop::collection::vec(any_event(), 0..60)) {
        let mut record = asked();
        let mut locked = false;
        for event in events {
            let Some(change) = record.apply(&event, T0, Timing::default()) else { continue };
            prop_assert!(!record.state.is_terminal(), "{:?} left {:?}", event, record.state);
            prop_assert_ne!(change.record.state.is_terminal(), change.record.due_at.is_some());
            prop_assert!(!(change.locks && change.unlocks));
            locked = (locked || change.locks) && !change.unlocks;
            prop_assert_eq!(locked, change.record.state.holds_lock());
            prop_assert!(change.record.attempts <= ATTEMPTS_MAX);
            prop_assert_eq!(change.record.object.is_some(), change.record.state == RecordState::Available);
            prop_assert_eq!(change.record.version, record.version + 1);
            record = change.record;
        }
    }
}
