use proptest::prelude::*;

use super::*;
use crate::domain::{SourceKind, SourceStatus};

const RUN: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
const T0: Time = Time::from_millis(1_000_000);

fn request(n: u8) -> UpstreamRequestId {
    UpstreamRequestId::parse(format!("request-{n}")).unwrap()
}
fn spare(n: u8) -> RecordId {
    RecordId::parse(&format!("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c{n:02x}")).unwrap()
}
fn accepted(kinds: &[SourceKind]) -> Run {
    let new = NewRun {
        id: RunId::parse(RUN).unwrap(),
        patient: PatientId::parse("p1").unwrap(),
        sources: Sources::pending(kinds.iter().copied()).unwrap(),
    };
    Run::accept(new, T0, Timing::default())
}
fn after(run: &Run, event: RunEvent) -> Run {
    at(run, event, T0)
}
fn at(run: &Run, event: RunEvent, now: Time) -> Run {
    run.apply(&event, now, Timing::default(), spare(1))
        .map_or_else(|| run.clone(), |change| change.run)
}
/// The change that an event makes at `T0`, if any.
fn apply(run: &Run, event: &RunEvent, spare: RecordId) -> Option<Change> {
    run.apply(event, T0, Timing::default(), spare)
}
fn started(run: &Run) -> Run {
    let run = after(run, RunEvent::StartClaimed);
    after(
        &run,
        RunEvent::Started {
            request: request(1),
            report: QueryReport::default(),
        },
    )
}
fn reported(source: SourceKind, status: SourceOutcome) -> RunEvent {
    RunEvent::SourceReported {
        source,
        status,
        request: Some(request(1)),
    }
}

#[test]
fn ordinary_pull_makes_a_record_after_hie_and_at_the_end() {
    let run = started(&accepted(&SourceKind::ALL));
    assert_eq!(run.state, RunState::Running);
    let hie = apply(&run, &reported(SourceKind::Hie, SourceOutcome::Completed), spare(1)).unwrap();
    assert_eq!(hie.record, Some((spare(1), RecordPhase::Hie)));
    let run = after(&hie.run, reported(SourceKind::Pharmacy, SourceOutcome::Completed));
    let last = apply(&run, &reported(SourceKind::Lab, SourceOutcome::Completed), spare(2)).unwrap();
    assert_eq!(last.record, Some((spare(2), RecordPhase::Final)));
    assert_eq!(last.run.state, RunState::Consolidating);
    let end = apply(&last.run, &RunEvent::RecordEnded { available: true }, spare(3)).unwrap();
    assert_eq!(
        (end.run.state, end.unlocks, end.run.due_at),
        (RunState::Completed, true, None)
    );
}

#[test]
fn pull_of_hie_alone_makes_one_record() {
    let run = started(&accepted(&[SourceKind::Hie]));
    let change = apply(&run, &reported(SourceKind::Hie, SourceOutcome::Completed), spare(1)).unwrap();
    assert_eq!(change.record, Some((spare(1), RecordPhase::Final)));
    assert_eq!(change.run.hie_record, None);
}

#[test]
fn duplicate_events_change_nothing() {
    let run = after(
        &started(&accepted(&SourceKind::ALL)),
        reported(SourceKind::Hie, SourceOutcome::Completed),
    );
    assert_eq!(
        apply(&run, &reported(SourceKind::Hie, SourceOutcome::Completed), spare(2)),
        None
    );
    assert_eq!(
        apply(&run, &reported(SourceKind::Hie, SourceOutcome::Failed), spare(2)),
        None
    );
    assert_eq!(apply(&run, &RunEvent::StartClaimed, spare(2)), None);
}

#[test]
fn run_with_sources_not_started_ends_partial() {
    let run = after(&accepted(&SourceKind::ALL), RunEvent::StartClaimed);
    let failed = |source| Reported {
        source,
        outcome: Some(SourceOutcome::Failed),
        http_status: Some(400),
    };
    let report = QueryReport {
        overall: None,
        is_final: false,
        sources: vec![failed(SourceKind::Pharmacy), failed(SourceKind::Lab)],
    };
    let run = after(
        &run,
        RunEvent::Started {
            request: request(1),
            report,
        },
    );
    assert_eq!(run.state, RunState::Running);
    let run = after(&run, reported(SourceKind::Hie, SourceOutcome::Completed));
    let run = after(&run, RunEvent::RecordEnded { available: true });
    assert_eq!(run.state, RunState::Partial);
}

/// Metriport may retry a failed source while its query runs.
#[test]
fn retried_source_completes_while_the_pull_is_open() {
    let run = after(
        &started(&accepted(&SourceKind::ALL)),
        reported(SourceKind::Pharmacy, SourceOutcome::Failed),
    );
    assert_eq!(run.sources.status(SourceKind::Pharmacy), Some(SourceStatus::Failed));
    let polled = |outcome| RunEvent::Polled {
        report: QueryReport {
            overall: None,
            is_final: false,
            sources: vec![Reported {
                source: SourceKind::Pharmacy,
                outcome: Some(outcome),
                http_status: None,
            }],
        },
    };
    for answer in [
        reported(SourceKind::Pharmacy, SourceOutcome::Completed),
        polled(SourceOutcome::Completed),
    ] {
        let run = after(&run, answer);
        assert_eq!(run.sources.status(SourceKind::Pharmacy), Some(SourceStatus::Completed));
        let run = after(&run, reported(SourceKind::Pharmacy, SourceOutcome::Failed));
        let run = after(&run, polled(SourceOutcome::Failed));
        let run = after(&run, reported(SourceKind::Hie, SourceOutcome::Completed));
        let run = after(&run, reported(SourceKind::Lab, SourceOutcome::Completed));
        let run = after(&run, RunEvent::RecordEnded { available: true });
        assert_eq!(run.state, RunState::Completed);
    }
}

/// The status may leave out a source that could not start. The overall outcome does not apply to that source.
#[test]
fn overall_outcome_never_completes_a_source_not_started() {
    let run = after(&accepted(&[SourceKind::Hie, SourceKind::Lab]), RunEvent::StartClaimed);
    let lab = Reported {
        source: SourceKind::Lab,
        outcome: Some(SourceOutcome::Failed),
        http_status: Some(400),
    };
    let report = QueryReport {
        sources: vec![lab],
        ..QueryReport::default()
    };
    let run = after(
        &run,
        RunEvent::Started {
            request: request(1),
            report,
        },
    );
    let report = QueryReport {
        overall: Some(SourceOutcome::Completed),
        is_final: true,
        sources: Vec::new(),
    };
    let run = after(&run, RunEvent::Polled { report });
    assert_eq!(run.sources.status(SourceKind::Hie), Some(SourceStatus::Completed));
    assert_eq!(run.sources.status(SourceKind::Lab), Some(SourceStatus::Failed));
    let run = after(&run, RunEvent::RecordEnded { available: true });
    assert_eq!(run.state, RunState::Partial);
}

/// A run that waited for a status would block other pulls of the person until midnight, when the day's quota returns,
/// or for two days.
#[test]
fn ended_sources_settle_the_run_without_a_status() {
    let open = started(&accepted(&[SourceKind::Hie, SourceKind::Lab]));
    let open = after(&open, reported(SourceKind::Hie, SourceOutcome::Completed));
    let open = after(&open, reported(SourceKind::Lab, SourceOutcome::Failed));
    assert_eq!(open.state, RunState::Running);
    let until = open.expires_at;
    let unread = after(&open, RunEvent::PollFailed { until });
    assert_eq!(unread.state, RunState::Consolidating);
    // The status is final and lists no source.
    let report = QueryReport {
        is_final: true,
        ..QueryReport::default()
    };
    assert_eq!(after(&open, RunEvent::Polled { report }).state, RunState::Consolidating);
}

/// Only Metriport's status shows whether a failure is final, so the run reads the status at once.
#[test]
fn failed_source_is_final_only_after_metriport_confirms_it() {
    let later = Time::from_millis(T0.millis() + 1);
    let open = after(
        &started(&accepted(&[SourceKind::Hie, SourceKind::Lab])),
        reported(SourceKind::Hie, SourceOutcome::Completed),
    );
    let run = at(&open, reported(SourceKind::Lab, SourceOutcome::Failed), later);
    assert_eq!((run.state, run.step(later)), (RunState::Running, Step::Poll));
    assert_eq!(run.due_seq, open.due_seq + 1, "a message goes out");
    let duplicate = run.apply(
        &reported(SourceKind::Lab, SourceOutcome::Failed),
        run.expires_at,
        Timing::default(),
        spare(2),
    );
    assert_eq!(duplicate, None);
    let polled = |lab| RunEvent::Polled {
        report: QueryReport {
            overall: None,
            is_final: false,
            sources: [
                (SourceKind::Hie, Some(SourceOutcome::Completed)),
                (SourceKind::Lab, lab),
            ]
            .map(|(source, outcome)| Reported {
                source,
                outcome,
                http_status: None,
            })
            .into(),
        },
    };
    let retried = at(&run, polled(None), later);
    assert_eq!(retried.state, RunState::Running, "it is being tried again");
    let answered = at(&retried, reported(SourceKind::Lab, SourceOutcome::Completed), later);
    assert!(answered.state == RunState::Consolidating && answered.all_answered);
    let given_up = at(&retried, polled(Some(SourceOutcome::Failed)), later);
    assert!(given_up.state == RunState::Consolidating && !given_up.all_answered);
    let late = at(&retried, RunEvent::DeadlinePassed, retried.expires_at);
    assert_eq!(late.state, RunState::Consolidating);
    // An ended run does not accept a late answer.
    let ended = at(&given_up, RunEvent::RecordEnded { available: true }, later);
    assert_eq!(ended.state, RunState::Partial);
    let answer = reported(SourceKind::Lab, SourceOutcome::Completed);
    assert_eq!(ended.apply(&answer, later, Timing::default(), spare(3)), None);
    let open = at(&given_up, answer, later);
    assert_eq!(open.sources.status(SourceKind::Lab), Some(SourceStatus::Completed));
}

#[test]
fn unknown_start_is_never_repeated() {
    let run = after(
        &after(&accepted(&[SourceKind::Hie]), RunEvent::StartClaimed),
        RunEvent::StartUnknown,
    );
    let wait = T0.plus(Timing::default().ambiguous_wait());
    assert_eq!(run.step(Time::from_millis(wait.millis() - 1)), Step::Wait(wait));
    assert_eq!(run.step(wait), Step::Apply(RunEvent::StartStayedUnknown));
    let given_up = run
        .apply(&RunEvent::StartStayedUnknown, wait, Timing::default(), spare(1))
        .unwrap();
    assert!(given_up.frees_session && given_up.record.is_some());
    let ended = at(&given_up.run, RunEvent::RecordEnded { available: true }, wait);
    assert_eq!(
        (ended.state, ended.reason),
        (RunState::Unconfirmed, Some(FailureReason::StartUnknown))
    );
}

#[test]
fn webhook_proves_a_start_after_a_lost_answer() {
    let run = after(
        &after(&accepted(&SourceKind::ALL), RunEvent::StartClaimed),
        RunEvent::StartUnknown,
    );
    let change = apply(&run, &reported(SourceKind::Lab, SourceOutcome::Completed), spare(1)).unwrap();
    assert_eq!(
        (change.run.state, change.binds.clone()),
        (RunState::Running, Some(request(1)))
    );
    assert!(change.frees_session && !change.run.unconfirmed);
    let late = after(
        &change.run,
        RunEvent::Started {
            request: request(1),
            report: QueryReport::default(),
        },
    );
    assert_eq!(late.sources.status(SourceKind::Lab), Some(SourceStatus::Completed));
}

#[test]
fn event_of_another_query_is_ignored() {
    let run = started(&accepted(&SourceKind::ALL));
    let foreign = RunEvent::SourceReported {
        source: SourceKind::Hie,
        status: SourceOutcome::Completed,
        request: Some(request(9)),
    };
    assert_eq!(apply(&run, &foreign, spare(1)), None);
}

#[test]
fn late_report_still_changes_an_expired_run() {
    let run = started(&accepted(&[SourceKind::Hie, SourceKind::Lab]));
    let late = run.expires_at;
    assert_eq!(run.shown_state(late), RunState::Expired);
    let expired = at(&run, RunEvent::DeadlinePassed, late);
    assert_eq!((expired.state, expired.due_at), (RunState::Expired, None));
    let run = at(&expired, reported(SourceKind::Hie, SourceOutcome::Completed), late);
    assert_eq!((run.state, run.reason), (RunState::Consolidating, None));
    assert_eq!(
        at(&run, RunEvent::RecordEnded { available: true }, late).state,
        RunState::Partial
    );
}

#[test]
fn session_ended_before_the_start_fails_the_run() {
    let run = accepted(&[SourceKind::Hie]);
    assert_eq!(run.step(run.start_by), Step::Apply(RunEvent::StartTooLate));
    assert_eq!(run.shown_state(run.start_by), RunState::Failed);
    let change = run
        .apply(&RunEvent::StartTooLate, run.start_by, Timing::default(), spare(1))
        .unwrap();
    assert!(change.frees_session && change.unlocks);
    assert_eq!(change.run.reason, Some(FailureReason::Aal2SessionExpired));
}

fn any_source() -> impl Strategy<Value = SourceKind> {
    prop_oneof![Just(SourceKind::Hie), Just(SourceKind::Pharmacy), Just(SourceKind::Lab)]
}

fn any_outcome() -> impl Strategy<Value = SourceOutcome> {
    prop_oneof![Just(SourceOutcome::Completed), Just(SourceOutcome::Failed)]
}

fn any_report() -> impl Strategy<Value = QueryReport> {
    let http_status = prop::option::of(400u16..430);
    let reported =
        (any_source(), prop::option::of(any_outcome()), http_status).prop_map(|(source, outcome, http_status)| {
            Reported {
                source,
                outcome,
                http_status,
            }
        });
    let of_sources = prop::collection::vec(reported, 0..4);
    (prop::option::of(any_outcome()), any::<bool>(), of_sources).prop_map(|(overall, is_final, sources)| QueryReport {
        overall,
        is_final,
        sources,
    })
}

fn any_event() -> impl Strategy<Value = RunEvent> {
    prop_oneof![
        Just(RunEvent::StartClaimed),
        (1u8..3, any_report()).prop_map(|(n, report)| RunEvent::Started {
            request: request(n),
            report
        }),
        Just(RunEvent::StartDeferred {
            cause: Deferral::RateLimited,
            until: T0
        }),
        Just(RunEvent::StartDeferred {
            cause: Deferral::Budget,
            until: T0
        }),
        Just(RunEvent::StartRefused {
            reason: FailureReason::UpstreamRefused
        }),
        Just(RunEvent::StartUnknown),
        Just(RunEvent::StartStayedUnknown),
        Just(RunEvent::StartTooLate),
        (any_source(), any_outcome(), prop::option::of(1u8..3)).prop_map(|(source, status, n)| {
            RunEvent::SourceReported {
                source,
                status,
                request: n.map(request),
            }
        }),
        any_report().prop_map(|report| RunEvent::Polled { report }),
        Just(RunEvent::PollFailed { until: T0 }),
        Just(RunEvent::DeadlinePassed),
        Just(RunEvent::RecordAwaited { until: T0 }),
        any::<bool>().prop_map(|available| RunEvent::RecordEnded { available }),
    ]
}

#[test]
fn state_codes_equal_the_stored_form() {
    for state in [
        RunState::Queued,
        RunState::Starting,
        RunState::Running,
        RunState::Consolidating,
        RunState::Completed,
        RunState::Partial,
        RunState::Failed,
        RunState::Unconfirmed,
        RunState::Expired,
    ] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

fn rank(state: RunState) -> u8 {
    match state {
        RunState::Queued => 0,
        RunState::Starting => 1,
        RunState::Running => 2,
        RunState::Expired => 3,
        RunState::Consolidating => 4,
        RunState::Completed | RunState::Partial | RunState::Failed | RunState::Unconfirmed => 5,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// For any events in any order, even repeated or missing: no state regresses, except by a start that certainly had
    /// no effect. Terminal states are final and reported once, and every waiting run has a due time. Versions and due
    /// numbers only grow, and the request id never changes.
    #[test]
    fn run_keeps_its_invariants_for_any_events(events in prop::collection::vec(any_event(), 0..40), kinds in 1usize..8) {
        let all = SourceKind::ALL.into_iter().enumerate();
        let asked: Vec<_> = all.filter(|(i, _)| kinds & (1 << i) != 0).map(|(_, k)| k).collect();
        let mut run = accepted(&asked);
        let (mut started_effect, mut ends) = (0, 0);
        for (index, event) in events.into_iter().enumerate() {
            let id = spare(u8::try_from(index).unwrap());
            let Some(change) = run.apply(&event, T0, Timing::default(), id) else { continue };
            let next = change.run;
            let retried = matches!(event, RunEvent::StartDeferred { .. }) && run.state == RunState::Starting;
            prop_assert!(
                retried || rank(next.state) >= rank(run.state),
                "{:?} -> {:?} by {:?}", run.state, next.state, event
            );
            if run.state.is_terminal() {
                prop_assert_eq!(next.state, run.state);
                prop_assert_eq!(next.final_record, run.final_record);
            }
            prop_assert_eq!(next.state.waits(), next.due_at.is_some());
            prop_assert!(next.version == run.version + 1 && next.due_seq >= run.due_seq);
            if let Some(known) = &run.request {
                prop_assert_eq!(next.request.as_ref(), Some(known));
            }
            for (kind, source) in run.sources.iter() {
                let now = next.sources.status(kind).unwrap();
                prop_assert!(now == source.status || source.status.may_become(now));
                let stays = run.state.is_terminal() && source.status == SourceStatus::Failed;
                prop_assert!(!stays || now == source.status);
            }
            started_effect += u32::from(change.binds.is_some());
            prop_assert!(change.unlocks == (run.state.waits() && !next.state.waits()));
            match change.ended {
                Some(state) => prop_assert!(state == next.state && !state.waits()),
                None => prop_assert!(next.state.waits() || next.state == run.state),
            }
            ends += u32::from(change.ended.is_some_and(RunState::is_terminal));
            run = next;
        }
        prop_assert!(started_effect <= 1);
        prop_assert_eq!(ends, u32::from(run.state.is_terminal()));
    }

    /// A timeline keeps the events that changed the run, with their times and records. A replay of them gives the run.
    #[test]
    fn replayed_timeline_gives_the_run(events in prop::collection::vec(any_event(), 0..40)) {
        let accepted = accepted(&SourceKind::ALL);
        let (mut run, mut timeline) = (accepted.clone(), Vec::new());
        for (index, event) in events.into_iter().enumerate() {
            let at = T0.plus(std::time::Duration::from_secs(index as u64));
            let Some(change) = run.apply(&event, at, Timing::default(), spare(u8::try_from(index).unwrap())) else {
                continue;
            };
            timeline.push((event, at, change.record.map(|(id, _)| id)));
            run = change.run;
        }
        let history = timeline.iter().map(|(event, at, record)| (event, *at, *record));
        prop_assert_eq!(accepted.replay(history, Timing::default()), run);
    }

    /// A webhook that is applied twice has one effect.
    #[test]
    fn webhooks_are_idempotent(events in prop::collection::vec(any_event(), 0..20)) {
        let mut run = accepted(&SourceKind::ALL);
        for event in events {
            run = after(&run, event.clone());
            if matches!(event, RunEvent::SourceReported { .. }) {
                prop_assert_eq!(run.apply(&event, T0, Timing::default(), spare(99)), None);
            }
        }
    }
}

#[test]
fn slot_serves_one_start_and_is_shown_before_it() {
    let later = Time::from_millis(T0.millis() + 7_000);
    let run = accepted(&SourceKind::ALL).in_slot(T0);
    assert_eq!((run.step(T0), run.estimated_start(T0)), (Step::Start, Some(T0)));
    let deferred = after(
        &run,
        RunEvent::StartDeferred {
            cause: Deferral::Budget,
            until: later,
        },
    );
    assert_eq!((deferred.state, deferred.start_at), (RunState::Queued, Some(later)));
    assert_eq!((deferred.due_at, deferred.due_seq), (Some(later), run.due_seq + 1));
    assert_eq!(deferred.step(T0), Step::Wait(later));
    let claimed = after(&deferred, RunEvent::StartClaimed);
    assert_eq!((claimed.start_at, claimed.estimated_start(T0)), (None, None));
    // Metriport answers 429 nevertheless. The next attempt has a planned time, but no slot yet.
    let cause = Deferral::RateLimited;
    let again = after(&claimed, RunEvent::StartDeferred { cause, until: later });
    assert_eq!((again.start_at, again.estimated_start(T0)), (None, Some(later)));
    assert_eq!(again.estimated_start(again.start_by), None, "it reads as failed");
}

/// Two messages about one start ask for a slot. The first message gets it and claims the start; the second gets a later
/// slot.
#[test]
fn later_slot_does_not_undo_a_claimed_start() {
    let claimed = after(&accepted(&SourceKind::ALL), RunEvent::StartClaimed);
    let deferred = RunEvent::StartDeferred {
        cause: Deferral::Budget,
        until: T0.plus(std::time::Duration::from_secs(20)),
    };
    assert_eq!(apply(&claimed, &deferred, spare(1)), None);
}
