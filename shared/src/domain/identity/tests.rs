use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn patient(n: u8) -> PatientId {
    PatientId::parse(format!("patient-{n}")).unwrap()
}
fn hash(n: u8) -> DemographicsHash {
    DemographicsHash::parse(format!("hash-{n}")).unwrap()
}
fn session_id(n: u8) -> IdentitySessionId {
    IdentitySessionId::parse(format!("ids_{n}")).unwrap()
}
fn session(n: u8) -> OpenSession {
    OpenSession {
        id: session_id(n),
        patient: patient(1),
        demographics: hash(1),
        expires_at: Time::from_millis(1000),
        mark: format!("mark-{n}"),
    }
}
fn make_verification(session: Option<u8>, patient_no: Option<u8>, identity: u8) -> Verification {
    Verification {
        proofed_identity: ProofedIdentityId::parse(format!("pid_{identity}")).unwrap(),
        sessions: session.into_iter().map(session_id).collect(),
        patient: patient_no.map(patient),
        mark: None,
    }
}
const T: Time = Time::from_millis(5);

#[test]
fn event_binds_by_session_or_by_patient() {
    for event in [
        make_verification(Some(1), Some(1), 7),
        make_verification(Some(1), None, 7),
        make_verification(None, Some(1), 7),
    ] {
        let (identity, verdict) = Identity::default().open(session(1)).verify(&event, T);
        assert_eq!(verdict, IdentityVerdict::Bound);
        assert!(matches!(
            identity.standing(&patient(1), &hash(1), T, Timing::default()),
            Standing::Verified(_)
        ));
    }
}

#[test]
fn event_for_another_session_or_patient_never_binds() {
    let open = || Identity::default().open(session(1));
    for (event, expected) in [
        (make_verification(Some(2), Some(1), 7), IdentityVerdict::Superseded),
        (make_verification(Some(1), Some(2), 7), IdentityVerdict::OtherPatient),
        (make_verification(None, Some(2), 7), IdentityVerdict::OtherPatient),
        (make_verification(None, None, 7), IdentityVerdict::Unbound),
    ] {
        assert_eq!(open().verify(&event, T), (open(), expected));
    }
}

#[test]
fn superseded_session_for_other_demographics_never_binds() {
    let other = |n| OpenSession {
        demographics: hash(2),
        ..session(n)
    };
    let identity = Identity::default().open(other(1)).open(session(2));
    assert_eq!(
        identity.clone().verify(&make_verification(Some(1), Some(1), 7), T).1,
        IdentityVerdict::Superseded
    );
    // The event does not bind either after the old demographics are linked again.
    let back = identity.clone().open(other(3));
    assert_eq!(
        back.verify(&make_verification(Some(1), Some(1), 7), T).1,
        IdentityVerdict::Superseded
    );
    let late = Time::from_millis(1000).plus(Duration::from_secs(86_400));
    assert_eq!(
        identity.standing(&patient(1), &hash(1), late, Timing::default()),
        Standing::Expired
    );
    assert_eq!(
        identity.verify(&make_verification(Some(2), Some(1), 7), late).1,
        IdentityVerdict::Bound
    );
}

#[test]
fn superseded_session_for_the_same_demographics_still_binds() {
    let both = || Identity::default().open(session(1)).open(session(2));
    for n in [1, 2] {
        let (identity, verdict) = both().verify(&make_verification(Some(n), Some(1), 7), T);
        assert_eq!(verdict, IdentityVerdict::Bound, "session {n}");
        let standing = identity.standing(&patient(1), &hash(1), T, Timing::default());
        assert!(matches!(standing, Standing::Verified(_)));
        // The person passed the other page, too. Metriport holds the result of the newer page.
        let (after, verdict) = identity.clone().verify(&make_verification(Some(3 - n), Some(1), 8), T);
        if n == 1 {
            assert_eq!((&after.session, verdict), (&None, IdentityVerdict::Bound));
            assert_ne!(after.proofed, identity.proofed);
        } else {
            assert_eq!((after, verdict), (identity, IdentityVerdict::Superseded));
        }
    }
    assert_eq!(
        both().verify(&make_verification(Some(1), Some(2), 7), T).1,
        IdentityVerdict::OtherPatient
    );
    assert_eq!(
        both().verify(&make_verification(Some(3), Some(1), 7), T).1,
        IdentityVerdict::Superseded
    );
    let many = (1..=20).fold(Identity::default(), |identity, n| identity.open(session(n)));
    assert_eq!(many.earlier.len(), EARLIER_MAX);
    assert_eq!(
        many.clone().verify(&make_verification(Some(11), None, 7), T).1,
        IdentityVerdict::Superseded
    );
    assert_eq!(
        many.verify(&make_verification(Some(12), None, 7), T).1,
        IdentityVerdict::Bound
    );
}

#[test]
fn changed_demographics_need_proofing_again() {
    let (identity, _) = Identity::default()
        .open(session(1))
        .verify(&make_verification(Some(1), Some(1), 7), T);
    assert_eq!(
        identity.standing(&patient(1), &hash(2), T, Timing::default()),
        Standing::DemographicsChanged
    );
    assert_eq!(
        identity.standing(&patient(2), &hash(1), T, Timing::default()),
        Standing::DemographicsChanged
    );
}

#[test]
fn rejected_identity_binds_again_after_a_new_proofing() {
    let (identity, _) = Identity::default()
        .open(session(1))
        .verify(&make_verification(Some(1), Some(1), 7), T);
    let (seven, eight) = (
        ProofedIdentityId::parse("pid_7").unwrap(),
        ProofedIdentityId::parse("pid_8").unwrap(),
    );
    assert_eq!(identity.clone().reject(&eight, T), None);
    let identity = identity.reject(&seven, T).unwrap();
    assert_eq!(identity.clone().reject(&seven, T), None);
    assert_eq!(
        identity.standing(&patient(1), &hash(1), T, Timing::default()),
        Standing::Rejected
    );
    // A replay of the old event does not restore the rejected identity. A new session does, even if Metriport returns
    // the same id.
    assert_eq!(
        identity.clone().verify(&make_verification(Some(1), Some(1), 7), T).1,
        IdentityVerdict::Known
    );
    let (identity, verdict) = identity
        .open(session(2))
        .verify(&make_verification(Some(2), Some(1), 7), T);
    assert_eq!(verdict, IdentityVerdict::Bound);
    assert_eq!(
        identity.standing(&patient(1), &hash(1), T, Timing::default()),
        Standing::Verified(seven)
    );
}

#[test]
fn event_without_session_is_unbound_after_other_demographics() {
    let other = OpenSession {
        demographics: hash(2),
        ..session(1)
    };
    let identity = Identity::default().open(other).open(session(2));
    assert_eq!(
        identity.clone().verify(&make_verification(None, Some(1), 7), T).1,
        IdentityVerdict::Unbound
    );
    let marked = |mark: &str| Verification {
        mark: Some(mark.into()),
        ..make_verification(None, Some(1), 7)
    };
    assert_eq!(
        identity.clone().verify(&marked("mark-1"), T).1,
        IdentityVerdict::Superseded
    );
    assert_eq!(identity.verify(&marked("mark-2"), T).1, IdentityVerdict::Bound);
}

/// The person passes the page of a dropped session, whose event names only the patient. A session for other
/// demographics is open when the event comes.
#[test]
fn event_of_a_dropped_session_never_binds() {
    assert_eq!(Identity::default().drop_sessions(), None);
    let other = OpenSession {
        demographics: hash(2),
        ..session(3)
    };
    let dropped = Identity::default().open(session(1)).open(session(2));
    let dropped = dropped.drop_sessions().unwrap();
    for (identity, unnamed) in [
        (dropped.clone(), IdentityVerdict::Superseded),
        (dropped.open(other.clone()), IdentityVerdict::Unbound),
        // The item with the dropped sessions was erased.
        (
            Identity::default().after_forgotten_sessions().open(other),
            IdentityVerdict::Unbound,
        ),
    ] {
        let verdict = |event| identity.clone().verify(&event, T).1;
        assert_eq!(
            verdict(make_verification(Some(1), Some(1), 7)),
            IdentityVerdict::Superseded
        );
        assert_eq!(
            verdict(make_verification(Some(2), Some(1), 7)),
            IdentityVerdict::Superseded
        );
        assert_eq!(verdict(make_verification(None, Some(1), 7)), unnamed);
    }
}

#[test]
fn event_with_contradicting_mark_and_session_never_binds() {
    let both = || Identity::default().open(session(1)).open(session(2));
    let says = |mark: &str, sessions: &[u8]| Verification {
        mark: Some(mark.to_owned()),
        sessions: sessions.iter().copied().map(session_id).collect(),
        ..make_verification(None, Some(1), 7)
    };
    for (event, verdict) in [
        (says("mark-2", &[1]), IdentityVerdict::Unbound),
        (says("mark-1", &[2]), IdentityVerdict::Unbound),
        (says("mark-2", &[9]), IdentityVerdict::Unbound),
        (says("mark-9", &[2]), IdentityVerdict::Unbound),
        (says("mark-2", &[1, 2]), IdentityVerdict::Unbound),
        (says("mark-9", &[9]), IdentityVerdict::Superseded),
        (says("mark-2", &[2]), IdentityVerdict::Bound),
        (says("mark-2", &[9, 2]), IdentityVerdict::Bound),
        (says("mark-1", &[1]), IdentityVerdict::Bound),
    ] {
        assert_eq!(both().verify(&event, T).1, verdict, "{event:?}");
    }
}

#[test]
fn event_with_several_sessions_keeps_only_ours() {
    let event = Verification {
        sessions: vec![session_id(8), session_id(1), session_id(9)],
        ..make_verification(None, Some(1), 7)
    };
    let of = |ours: &[IdentitySessionId]| event.clone().of_ours(ours).map(|event| event.sessions);
    assert_eq!(of(&[]), Some(event.sessions.clone()));
    assert_eq!(of(&[session_id(1)]), Some(vec![session_id(1)]));
    assert_eq!(of(&[session_id(1), session_id(9)]), None);
    assert_eq!(
        Identity::default().open(session(1)).verify(&event, T).1,
        IdentityVerdict::Bound
    );
    // A queued event has a single session as a text, which earlier versions can read.
    let queued = serde_json::to_value(&event).unwrap();
    assert_eq!(queued["session"], serde_json::json!(["ids_8", "ids_1", "ids_9"]));
    assert_eq!(serde_json::from_value::<Verification>(queued).unwrap(), event);
    let one = event.of_ours(&[session_id(1)]).unwrap();
    let queued = serde_json::to_value(&one).unwrap();
    assert_eq!(queued["session"], "ids_1");
    assert_eq!(serde_json::from_value::<Verification>(queued).unwrap(), one);
}

#[test]
fn late_event_never_binds_a_session_for_other_demographics() {
    // The person passes two pages for the same demographics. The event of one page comes while a page for other
    // demographics is open, and names only the patient.
    let one = Identity::default().open(session(1)).open(session(2));
    let (proofed, verdict) = one.verify(&make_verification(None, Some(1), 7), T);
    assert_eq!(verdict, IdentityVerdict::Bound);
    let others = |n| OpenSession {
        demographics: hash(2),
        ..session(n)
    };
    let late = make_verification(None, Some(1), 8);
    let changed = proofed.open(others(3));
    assert_eq!(changed.clone().verify(&late, T).1, IdentityVerdict::Unbound);
    // The event does not bind either after the person has passed a page for the other demographics and opened another.
    let (changed, verdict) = changed.verify(&make_verification(Some(3), Some(1), 9), T);
    assert_eq!(verdict, IdentityVerdict::Bound);
    assert_eq!(changed.open(others(4)).verify(&late, T).1, IdentityVerdict::Unbound);
}

proptest! {
    /// For any events in any order: a bound identity stays bound, versions only grow, and only an event about our own
    /// session and patient binds.
    #[test]
    fn bound_identity_never_regresses(
        events in prop::collection::vec((prop::option::of(1u8..4), prop::option::of(1u8..3), 1u8..4), 0..24),
    ) {
        let mut identity = Identity::default().open(session(1));
        for (s, p, i) in events {
            let (next, verdict) = identity.clone().verify(&make_verification(s, p, i), T);
            prop_assert!(next.version >= identity.version);
            if identity.proofed.is_some() {
                prop_assert!(next.proofed.is_some());
                prop_assert!(next.proofed == identity.proofed || verdict == IdentityVerdict::Bound);
            }
            if verdict == IdentityVerdict::Bound {
                prop_assert!(s.is_none_or(|s| s == 1) && p.is_none_or(|p| p == 1) && (s.is_some() || p.is_some()));
            }
            identity = next;
        }
    }
}
