use uuid::Uuid;

use super::*;
use crate::domain::Demographics;

fn hash(n: u8) -> DemographicsHash {
    DemographicsHash::parse(format!("hash-{n}")).unwrap()
}
fn external(n: u8) -> ExternalId {
    ExternalId::parse(format!("user-{n}")).unwrap()
}
fn link(n: u8) -> PatientLink {
    PatientLink {
        patient: PatientId::parse("p").unwrap(),
        external_id: external(1),
        demographics: hash(n),
        hie_opt_out: None,
        fingerprint: None,
        created: false,
    }
}
fn begun(slot: &PatientSlot, n: u8, now: i64) -> PatientSlot {
    match slot.begin(
        &external(1),
        (&hash(n), None),
        Time::from_millis(now),
        Timing::default(),
    ) {
        Beginning::Begun(slot) => *slot,
        other => panic!("{other:?}"),
    }
}

#[test]
fn successful_change_is_a_link_or_a_change_of_demographics() {
    let first = begun(&PatientSlot::default(), 1, 0);
    assert_eq!(first.access(&link(1)), Access::Linked);
    let linked = begun(&first.finish(link(1)), 2, 0);
    assert_eq!(linked.access(&link(2)), Access::DemographicsChanged);
    // Metriport had deleted the patient, so a new one was created.
    let anew = PatientLink {
        patient: PatientId::parse("other").unwrap(),
        ..link(2)
    };
    assert_eq!(linked.access(&anew), Access::Linked);
}

#[test]
fn equal_demographics_of_a_settled_link_change_nothing() {
    let slot = begun(&PatientSlot::default(), 1, 0).finish(link(1));
    assert_eq!(
        slot.begin(&external(1), (&hash(1), None), Time::default(), Timing::default()),
        Beginning::Unchanged
    );
    assert_eq!(
        slot.begin(&external(2), (&hash(1), None), Time::default(), Timing::default()),
        Beginning::OtherExternalId
    );
    assert_eq!(slot.settled(), Ok(&link(1)));
}

#[test]
fn unfinished_change_stays_unsettled_until_it_is_sent_again() {
    let slot = begun(&PatientSlot::default(), 1, 0).finish(link(1));
    let changing = begun(&slot, 2, 0);
    assert_eq!(changing.settled(), Err(Unsettled::Changing));
    assert_eq!(
        changing.begin(
            &external(1),
            (&hash(1), None),
            Time::from_millis(59_999),
            Timing::default()
        ),
        Beginning::Busy(Time::from_millis(60_000))
    );
    // Even the old demographics are sent again, because Metriport's data is uncertain.
    assert_eq!(begun(&changing, 1, 60_000).settled(), Err(Unsettled::Changing));
    assert_eq!(changing.clone().cancel(Time::default()).settled(), Ok(&link(1)));
    let open = changing.leave_open(Time::from_millis(5));
    assert_eq!(open.settled(), Err(Unsettled::Changing));
    assert!(begun(&open, 2, 5).version > open.version);
    // A refusal does not prove that the attempt before it had no effect.
    let refused = begun(&open, 1, 5).cancel(Time::from_millis(6));
    assert_eq!(refused.settled(), Err(Unsettled::Changing));
    assert_eq!(begun(&refused, 1, 6).finish(link(1)).settled(), Ok(&link(1)));
}

#[test]
fn refusals_outlive_a_link_and_refuse_the_next_change() {
    let (now, timing) = (Time::from_millis(7), Timing::default());
    let mut slot = PatientSlot::default();
    for _ in 0..REFUSALS_MAX {
        slot = begun(&slot, 1, 7).cancel(now).refuse(now, timing);
    }
    let until = Time::from_millis(3_600_007);
    let begin = |slot: &PatientSlot, n, now| slot.begin(&external(1), (&hash(n), None), now, timing);
    assert_eq!(begin(&slot, 1, now), Beginning::RefusedUntil(until));
    // A request that changes nothing is not refused.
    let linked = slot.clone().finish(link(1));
    assert_eq!(begin(&linked, 1, now), Beginning::Unchanged);
    assert_eq!(begin(&linked, 2, now), Beginning::RefusedUntil(until));
    assert_eq!(begin(&linked.unlink(), 1, now), Beginning::RefusedUntil(until));
    assert!(matches!(begin(&slot, 1, until), Beginning::Begun(_)));
}

#[test]
fn released_patient_is_unlinked_and_another_stays() {
    let slot = begun(&PatientSlot::default(), 1, 0).finish(link(1));
    let release = |id| slot.clone().release(&PatientId::parse(id).unwrap());
    assert_eq!(release("p").settled(), Err(Unsettled::NotLinked));
    assert_eq!(release("q").settled(), Ok(&link(1)));
    assert!(["p", "q"].iter().all(|id| release(id).version == slot.version + 1));
    // A release raises the version, so the write that ends an unfinished change fails. The release therefore
    // removes this change, even if the person has no link.
    let first = begun(&PatientSlot::default(), 1, 0);
    assert_eq!(first.release(&PatientId::parse("p").unwrap()).intent, None);
}

#[test]
fn unfinished_first_link_leaves_the_person_unlinked() {
    let slot = begun(&PatientSlot::default(), 1, 0);
    assert_eq!(slot.settled(), Err(Unsettled::NotLinked));
    assert_eq!(slot.unlink().link, None);
}

const FOLDER: RecordFolder = RecordFolder::new(Uuid::from_u128(7));

/// A fingerprint of demographics that Metriport has had since this time.
fn fingerprint(since: i64) -> PatientFingerprint {
    let body = serde_json::json!({
        "firstName": "Nora", "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F",
        "address": {"addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402"},
        "contact": {"phone": "9375550142"}
    });
    let now = Time::parse("2026-01-01T00:00:00Z").unwrap();
    let demographics = Demographics::parse(body.to_string().as_bytes(), now).unwrap();
    let key = FingerprintKey::new([Uuid::from_u128(1), Uuid::from_u128(2)]);
    PatientFingerprint::of(&demographics, key, Time::from_millis(since))
}

#[test]
fn other_opt_out_begins_a_change() {
    let slot = begun(&PatientSlot::default(), 1, 0).finish(PatientLink {
        hie_opt_out: Some(true),
        ..link(1)
    });
    assert_eq!(slot.hie_opt_out(), Some(true));
    let begin = |opt_out| slot.begin(&external(1), (&hash(1), opt_out), Time::default(), Timing::default());
    assert_eq!(begin(Some(true)), Beginning::Unchanged);
    for other in [None, Some(false)] {
        let Beginning::Begun(begun) = begin(other) else {
            panic!("{other:?}")
        };
        let link = PatientLink {
            hie_opt_out: other,
            ..link(1)
        };
        assert_eq!(begun.access(&link), Access::DemographicsChanged);
    }
}

#[test]
fn link_of_an_earlier_version_is_completed_once() {
    let stored = serde_json::json!({
        "link": { "patient": "p", "externalId": "user-1", "demographics": "hash-1" }, "version": 2,
    });
    let slot: PatientSlot = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(slot.settled(), Ok(&link(1)));
    assert_eq!(serde_json::to_value(slot.clone()).unwrap(), stored);
    assert_eq!(
        slot.expected_patient(&link(1).patient, Time::default()).fingerprint,
        None
    );

    let complete = slot.complete(fingerprint(5), FOLDER).unwrap();
    assert_eq!((complete.version, complete.folder), (3, Some(FOLDER)));
    assert_eq!(
        complete.complete(fingerprint(6), RecordFolder::new(Uuid::from_u128(8))),
        None
    );
    assert_eq!(
        complete
            .clone()
            .unlink()
            .in_folder(RecordFolder::new(Uuid::nil()))
            .folder,
        Some(FOLDER)
    );
    assert_eq!(PatientSlot::default().complete(fingerprint(5), FOLDER), None);
    let stored = serde_json::to_value(&complete).unwrap();
    assert_eq!(stored["folder"], "00000000000000000000000000000007");
    assert_eq!(serde_json::from_value::<PatientSlot>(stored).unwrap(), complete);
}

#[test]
fn fingerprint_covers_only_later_records_of_its_patient() {
    let slot = begun(&PatientSlot::default(), 1, 0).finish(PatientLink {
        fingerprint: Some(fingerprint(5)),
        ..link(1)
    });
    let expected = |slot: &PatientSlot, patient: &str, requested_at| {
        let patient = PatientId::parse(patient).unwrap();
        let expected = slot.expected_patient(&patient, Time::from_millis(requested_at));
        assert_eq!(expected.id, patient);
        expected.fingerprint
    };
    assert_eq!(expected(&slot, "p", 5), Some(fingerprint(5)));
    assert_eq!(expected(&slot, "p", 4), None);
    assert_eq!(expected(&slot, "q", 5), None);
    assert_eq!(
        expected(&begun(&slot, 2, 5), "p", 5),
        None,
        "the demographics are changing"
    );
}
