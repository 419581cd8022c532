use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::log::sample::Signer;
use crate::domain::patient::PatientLink;
use crate::domain::{DemographicsHash, ExternalId};

const NOW: Time = Time::from_millis(1_764_000_000_000);

fn timing() -> Timing {
    Timing::default()
}
fn after(minutes: u64) -> Time {
    NOW.plus(Duration::from_secs(60 * minutes))
}
fn receipt() -> ReceiptId {
    ReceiptId::new(Uuid::from_u128(7))
}
fn requested() -> Erasure {
    Erasure::request(receipt(), OwnerId::parse("v1.nora").unwrap(), NOW, timing())
}
fn patient() -> PatientId {
    PatientId::parse("p-CANARY").unwrap()
}
fn linked(created: bool) -> PatientSlot {
    PatientSlot {
        link: Some(PatientLink {
            patient: patient(),
            external_id: ExternalId::parse("nora").unwrap(),
            demographics: DemographicsHash::parse("hash").unwrap(),
            hie_opt_out: None,
            fingerprint: None,
            created,
        }),
        folder: Some(RecordFolder::new(Uuid::from_u128(9))),
        ..PatientSlot::default()
    }
}
fn sweeping(slot: &PatientSlot) -> Erasure {
    requested().begin_sweep(slot, in_transfer(), NOW, timing())
}
fn in_transfer() -> SweepInput {
    SweepInput {
        may_arrive: true,
        ..SweepInput::default()
    }
}
fn object(key: &str) -> BucketEntry {
    BucketEntry {
        key: key.to_owned(),
        upload: None,
        bytes: 10,
    }
}
fn upload(key: &str) -> BucketEntry {
    BucketEntry {
        upload: Some("u".to_owned()),
        ..object(key)
    }
}

#[test]
fn erasure_sweeps_twice_around_the_longest_transfer() {
    let job = requested();
    assert_eq!(job.next_step(NOW), ErasureStep::EndWork);
    let job = sweeping(&PatientSlot::default());
    assert_eq!(job.next_step(NOW), ErasureStep::Sweep);
    let job = job.end_sweep([], NOW, timing());
    assert_eq!(job.next_step(after(1)), ErasureStep::Wait(after(16)));
    assert_eq!(job.due_at, Some(after(16)), "reconcile continues it");
    assert_eq!(job.next_step(after(16)), ErasureStep::SweepAgain);
    let job = job.sweep_again(after(16), timing());
    assert_eq!(job.next_step(after(16)), ErasureStep::Sweep);
    let job = job.end_sweep([], after(16), timing());
    assert_eq!(job.next_step(after(16)), ErasureStep::Sign);
    let quiet = requested().begin_sweep(&PatientSlot::default(), SweepInput::default(), NOW, timing());
    assert_eq!(
        quiet.wait_until,
        Some(NOW.plus(Duration::from_secs(70))),
        "no transfer can still run"
    );
}

#[test]
fn patient_is_deleted_only_if_it_was_created_here() {
    let job = sweeping(&linked(true));
    assert_eq!(job.next_step(NOW), ErasureStep::DeletePatient(patient()));
    assert_eq!(sweeping(&linked(false)).patient, PatientErasure::NotCreatedHere);
    assert_eq!(sweeping(&PatientSlot::default()).patient, PatientErasure::NotLinked);
    assert!(sweeping(&PatientSlot::default().begin_creation()).uncertain);
}

#[test]
fn sweep_waits_for_a_change_of_the_patient() {
    let job = requested().wait_for_change(after(1), NOW, timing());
    assert_eq!(
        (job.next_step(NOW), job.due_at),
        (ErasureStep::Wait(after(1)), Some(after(1)))
    );
    assert_eq!(job.next_step(after(1)), ErasureStep::EndWork);
}

#[test]
fn sweeps_do_not_wait_for_metriport_but_the_receipt_does() {
    let mut job = sweeping(&linked(true)).retry_patient(NOW, timing());
    assert_eq!(job.next_step(NOW), ErasureStep::Sweep);
    assert_eq!(job.owned_patient(), Some(&patient()), "nobody else may own it");
    job = job.end_sweep([], NOW, timing());
    assert_eq!(job.next_step(NOW), ErasureStep::Wait(after(16)));
    assert_eq!(job.next_step(after(1)), ErasureStep::DeletePatient(patient()));
    let mut now = after(1);
    job = job.retry_patient(now, timing());
    now = after(16);
    job = job.postpone_patient(after(17), now, timing());
    assert_eq!(job.next_step(now), ErasureStep::SweepAgain);
    job = job.sweep_again(now, timing()).end_sweep([], now, timing());
    let mut gaps = Vec::new();
    for _ in 0..9 {
        let ErasureStep::Wait(until) = job.next_step(now) else {
            panic!("{job:?}")
        };
        gaps.push(now.until(until).as_secs() / 60);
        now = until;
        assert_eq!(job.next_step(now), ErasureStep::DeletePatient(patient()));
        job = job.retry_patient(now, timing());
    }
    assert_eq!(gaps, [1, 4, 8, 16, 32, 60, 60, 60, 60]);
    assert!(job.is_late(NOW.plus(LATE_AFTER).plus(Duration::from_millis(1)), timing()));
    assert!(!job.is_late(NOW.plus(LATE_AFTER), timing()));
    job = job.apply_patient_answer(true, now, timing());
    assert_eq!(
        (job.next_step(now), job.owned_patient()),
        (ErasureStep::SweepAgain, None)
    );
    job = job.sweep_again(now, timing()).end_sweep([], now, timing());
    assert_eq!(job.next_step(now), ErasureStep::Sign);
}

#[test]
fn entries_of_the_bucket_are_counted_before_their_deletion() {
    let job = sweeping(&linked(false)).plan(vec![object("a"), object("b"), upload("c")], NOW, timing());
    assert_eq!(
        (job.deleted.objects, job.deleted.bytes, job.deleted.uploads),
        (2, 20, 1)
    );
    assert_eq!(
        job.planned.len(),
        3,
        "the next worker deletes them, and does not count them again"
    );
    let job = job.count(["OWNER#/RUN#", "OWNER#/RUN#", "PATIENT#/OWNER"], NOW, timing());
    assert!(job.planned.is_empty());
    assert_eq!(job.deleted.items["OWNER#/RUN#"], 2);
}

#[test]
fn finished_erasure_names_nothing_of_the_person() {
    let job = sweeping(&linked(true)).plan(vec![object("records/CANARY")], NOW, timing());
    let signed = SignedReceipt {
        statement: "{}".to_owned(),
        signature: String::new(),
    };
    let finished = job.finish(signed);
    let stored = serde_json::to_string(&finished).unwrap();
    for canary in [
        "CANARY",
        "v1.nora",
        &RecordFolder::new(Uuid::from_u128(9)).to_string(),
        &receipt().to_string(),
    ] {
        assert!(!stored.contains(canary), "{canary} in {stored}");
    }
    assert_eq!(finished.next_step(NOW), ErasureStep::Nothing);
    assert_eq!(serde_json::from_str::<Erasure>(&stored).unwrap(), finished);
}

#[test]
fn erasure_is_found_by_its_receipt_id_alone() {
    let id = ErasureId::of(receipt());
    assert_eq!(ErasureId::of_text(&receipt().to_string()), id);
    assert_eq!(ErasureId::parse(&id.to_string()), Some(id));
    for other in [
        "",
        "0",
        &receipt().to_string().to_uppercase(),
        "00000000000000000000000000000008",
    ] {
        assert!(
            ErasureId::of_text(other) != id || other == receipt().to_string(),
            "{other}"
        );
    }
    assert!(!format!("{:?}", receipt()).contains('7'));
}

fn signed() -> (String, Signer) {
    let signer = Signer::new();
    let job = sweeping(&linked(true)).apply_patient_answer(false, NOW, timing());
    let job = job.count(["OWNER#/RUN#"], NOW, timing());
    let context = ReceiptContext {
        stack: "ias",
        key: &signer.key,
        remaining: vec![Remaining {
            store: "access log".to_owned(),
            content: "Entries.".to_owned(),
            until: after(9),
        }],
    };
    let seal = signer.sign(ReceiptStatement::of(&job, context, after(20)).text());
    let receipt = SignedReceipt {
        statement: seal.statement,
        signature: seal.signature,
    };
    (serde_json::to_string(&receipt).unwrap(), signer)
}

#[test]
fn receipt_states_what_was_deleted_and_what_remains() {
    let (text, signer) = signed();
    let statement = verify_receipt(&text, &signer.key).unwrap();
    assert_eq!(statement.erasure, ErasureId::of(receipt()));
    assert_eq!((statement.requested_at, statement.finished_at), (NOW, after(20)));
    assert_eq!(statement.patient, PatientOutcome::Absent);
    assert_eq!(statement.deleted.items["OWNER#/RUN#"], 1);
    assert_eq!(statement.remaining[0].until, after(9));
    assert!(!text.contains("CANARY") && !text.contains("v1.nora"));
    assert_eq!(verify_receipt(&text, &Signer::new().key), Err(ReceiptFault::OtherKey));
    assert_eq!(verify_receipt(&format!("{text}\n"), &signer.key), Ok(statement));
}

/// Every byte, changed to several others, removed and doubled.
#[test]
fn changed_receipt_is_refused() {
    let (text, signer) = signed();
    let bytes = text.as_bytes();
    for at in 0..bytes.len() {
        let others = [b' ', b'0', b'A', b'"', b'\\', bytes[at] ^ 1, bytes[at] ^ 0x20];
        let changed = others.into_iter().filter(|other| *other != bytes[at]).map(|other| {
            let mut changed = bytes.to_vec();
            changed[at] = other;
            changed
        });
        let removed = [&bytes[..at], &bytes[at + 1..]].concat();
        let doubled = [&bytes[..=at], &bytes[at..]].concat();
        for bytes in changed.chain([removed, doubled]) {
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let verified = verify_receipt(&changed, &signer.key);
            assert!(verified.is_err(), "byte {at}: {changed}");
        }
    }
}

proptest! {
    /// Whatever Metriport answers and whenever workers come, the stages only go forward and an erasure ends.
    #[test]
    fn erasure_ends(
        created in any::<bool>(),
        answers in proptest::collection::vec(0_u8..4, 0..12),
        gaps in proptest::collection::vec(0_u64..120, 1..40),
    ) {
        let mut job = requested();
        let (mut now, mut answers, mut gaps) = (NOW, answers.into_iter(), gaps.into_iter().cycle());
        for _ in 0..10_000 {
            let before = job.clone();
            job = match job.next_step(now) {
                ErasureStep::EndWork => job.begin_sweep(&linked(created), in_transfer(), now, timing()),
                ErasureStep::DeletePatient(_) => match answers.next() {
                    Some(0) => job.apply_patient_answer(false, now, timing()),
                    Some(_) => job.retry_patient(now, timing()),
                    None => job.apply_patient_answer(true, now, timing()),
                },
                ErasureStep::Sweep => job.end_sweep([], now, timing()),
                ErasureStep::SweepAgain => job.sweep_again(now, timing()),
                ErasureStep::Wait(until) => {
                    prop_assert_eq!(job.due_at, Some(until));
                    now = until;
                    continue;
                }
                ErasureStep::Sign => {
                    prop_assert!(before.wait_until.is_some_and(|second| second <= now));
                    let due = matches!(job.patient, PatientErasure::Due { .. });
                    prop_assert!(!due);
                    return Ok(());
                }
                ErasureStep::Nothing => unreachable!(),
            };
            prop_assert_eq!(job.version, before.version + 1);
            prop_assert!(job.due_at.is_some());
            now = now.plus(Duration::from_secs(gaps.next().unwrap_or_default()));
        }
        prop_assert!(false, "no end");
    }
}
