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
pub(in crate::domain) fn accepted(kinds: &[SourceKind]) -> Pull {
    let new = NewPull {
        id: PullId::parse(RUN).unwrap(),
        patient: PatientId::parse("p1").unwrap(),
        grant: Grant::of(1),
        sources: Sources::pending(kinds.iter().copied()).unwrap(),
    };
    Pull::accept(new, T0, Timing::default())
}
fn after(pull: &Pull, event: PullEvent) -> Pull {
    at(pull, event, T0)
}
fn at(pull: &Pull, event: PullEvent, now: Time) -> Pull {
    pull.apply(&event, now, Timing::default(), spare(1))
        .map_or_else(|| pull.clone(), |change| change.pull)
}
/// The change that an event makes at `T0`, if any.
fn apply(pull: &Pull, event: &PullEvent, spare: RecordId) -> Option<Change> {
    pull.apply(event, T0, Timing::default(), spare)
}
pub(in crate::domain) fn started(pull: &Pull) -> Pull {
    let pull = after(pull, PullEvent::StartClaimed);
    after(
        &pull,
        PullEvent::Started {
            request: request(1),
            report: QueryReport::default(),
        },
    )
}
fn reported(source: SourceKind, status: SourceOutcome) -> PullEvent {
    PullEvent::SourceReported {
        source,
        status,
        request: Some(request(1)),
    }
}

#[test]
fn ordinary_pull_makes_a_record_after_hie_and_at_the_end() {
    let pull = started(&accepted(&SourceKind::ALL));
    assert_eq!(pull.state, PullState::Running);
    let hie = apply(&pull, &reported(SourceKind::Hie, SourceOutcome::Completed), spare(1)).unwrap();
    assert_eq!(hie.record, Some((spare(1), RecordPhase::Hie)));
    let pull = after(&hie.pull, reported(SourceKind::Pharmacy, SourceOutcome::Completed));
    let last = apply(&pull, &reported(SourceKind::Lab, SourceOutcome::Completed), spare(2)).unwrap();
    assert_eq!(last.record, Some((spare(2), RecordPhase::Final)));
    assert_eq!(last.pull.state, PullState::Consolidating);
    let end = apply(&last.pull, &PullEvent::RecordEnded { available: true }, spare(3)).unwrap();
    assert_eq!(
        (end.pull.state, end.unlocks, end.pull.due_at),
        (PullState::Completed, true, None)
    );
}

#[test]
fn each_start_and_end_of_a_pull_is_one_access() {
    let accesses = |pull: &Pull, event| {
        let change = pull
            .apply(&event, pull.expires_at, Timing::default(), spare(1))
            .unwrap();
        (change.accesses().collect::<Vec<_>>(), change.pull)
    };
    let (none, pull) = accesses(&accepted(&[SourceKind::Lab]), PullEvent::StartClaimed);
    assert_eq!(none, []);
    // The webhook proves the start and ends the pull.
    let failed = PullEvent::SourceReported {
        source: SourceKind::Lab,
        status: SourceOutcome::Failed,
        request: None,
    };
    let both = accesses(&pull, failed).0;
    let ended = |state| (Access::PullEnded, Some(state));
    assert_eq!(both, [(Access::PullStarted, None), ended(PullState::Failed)]);
    // An expired pull may end again.
    let (expired, pull) = accesses(&started(&accepted(&[SourceKind::Lab])), PullEvent::DeadlinePassed);
    assert_eq!(expired, [ended(PullState::Expired)]);
    let late = reported(SourceKind::Lab, SourceOutcome::Completed);
    let (none, pull) = accesses(&pull, late);
    assert_eq!(none, []);
    let again = accesses(&pull, PullEvent::RecordEnded { available: true }).0;
    assert_eq!(again, [ended(PullState::Completed)]);
}

#[test]
fn start_answered_after_the_withdrawal_is_noted() {
    let claim = apply(&accepted(&SourceKind::ALL), &PullEvent::StartClaimed, spare(1)).unwrap();
    assert!(claim.calls);
    let withdrawn = apply(&claim.pull, &PullEvent::ConsentWithdrawn, spare(1)).unwrap();
    // The withdrawal writes the challenge itself.
    assert!(withdrawn.unlocks && !withdrawn.frees_session && !withdrawn.calls);
    assert_eq!(withdrawn.ended, Some(PullState::Withdrawn));
    let answer = PullEvent::Started {
        request: request(1),
        report: QueryReport::default(),
    };
    let noted = apply(&withdrawn.pull, &answer, spare(1)).unwrap();
    assert_eq!(noted.binds, Some(request(1)));
    assert_eq!(noted.accesses().collect::<Vec<_>>(), [(Access::PullStarted, None)]);
    assert_eq!(
        (noted.pull.state, noted.pull.started_at),
        (PullState::Withdrawn, Some(T0))
    );
    assert_eq!(apply(&noted.pull, &answer, spare(1)), None);
    let late = reported(SourceKind::Lab, SourceOutcome::Completed);
    let late = apply(&noted.pull, &late, spare(1)).unwrap().pull;
    assert_eq!(late.sources.status(SourceKind::Lab), Some(SourceStatus::Completed));
    assert_eq!(
        (late.state, late.step(late.expires_at)),
        (PullState::Withdrawn, Step::Nothing)
    );
}

#[test]
fn pull_of_hie_alone_makes_one_record() {
    let pull = started(&accepted(&[SourceKind::Hie]));
    let change = apply(&pull, &reported(SourceKind::Hie, SourceOutcome::Completed), spare(1)).unwrap();
    assert_eq!(change.record, Some((spare(1), RecordPhase::Final)));
    assert_eq!(change.pull.hie_record, None);
}

#[test]
fn duplicate_events_change_nothing() {
    let pull = after(
        &started(&accepted(&SourceKind::ALL)),
        reported(SourceKind::Hie, SourceOutcome::Completed),
    );
    assert_eq!(
        apply(&pull, &reported(SourceKind::Hie, SourceOutcome::Completed), spare(2)),
        None
    );
    assert_eq!(
        apply(&pull, &reported(SourceKind::Hie, SourceOutcome::Failed), spare(2)),
        None
    );
    assert_eq!(apply(&pull, &PullEvent::StartClaimed, spare(2)), None);
}

#[test]
fn pull_with_sources_not_started_ends_partial() {
    let pull = after(&accepted(&SourceKind::ALL), PullEvent::StartClaimed);
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
    let pull = after(
        &pull,
        PullEvent::Started {
            request: request(1),
            report,
        },
    );
    assert_eq!(pull.state, PullState::Running);
    let pull = after(&pull, reported(SourceKind::Hie, SourceOutcome::Completed));
    let pull = after(&pull, PullEvent::RecordEnded { available: true });
    assert_eq!(pull.state, PullState::Partial);
}

/// Metriport may retry a failed source while its query runs.
#[test]
fn retried_source_completes_while_the_pull_is_open() {
    let pull = after(
        &started(&accepted(&SourceKind::ALL)),
        reported(SourceKind::Pharmacy, SourceOutcome::Failed),
    );
    assert_eq!(pull.sources.status(SourceKind::Pharmacy), Some(SourceStatus::Failed));
    let polled = |outcome| PullEvent::Polled {
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
        let pull = after(&pull, answer);
        assert_eq!(pull.sources.status(SourceKind::Pharmacy), Some(SourceStatus::Completed));
        let pull = after(&pull, reported(SourceKind::Pharmacy, SourceOutcome::Failed));
        let pull = after(&pull, polled(SourceOutcome::Failed));
        let pull = after(&pull, reported(SourceKind::Hie, SourceOutcome::Completed));
        let pull = after(&pull, reported(SourceKind::Lab, SourceOutcome::Completed));
        let pull = after(&pull, PullEvent::RecordEnded { available: true });
        assert_eq!(pull.state, PullState::Completed);
    }
}

/// The status may leave out a source that could not start. The overall outcome does not apply to that source.
#[test]
fn overall_outcome_never_completes_a_source_not_started() {
    let pull = after(&accepted(&[SourceKind::Hie, SourceKind::Lab]), PullEvent::StartClaimed);
    let lab = Reported {
        source: SourceKind::Lab,
        outcome: Some(SourceOutcome::Failed),
        http_status: Some(400),
    };
    let report = QueryReport {
        sources: vec![lab],
        ..QueryReport::default()
    };
    let pull = after(
        &pull,
        PullEvent::Started {
            request: request(1),
            report,
        },
    );
    let report = QueryReport {
        overall: Some(SourceOutcome::Completed),
        is_final: true,
        sources: Vec::new(),
    };
    let pull = after(&pull, PullEvent::Polled { report });
    assert_eq!(pull.sources.status(SourceKind::Hie), Some(SourceStatus::Completed));
    assert_eq!(pull.sources.status(SourceKind::Lab), Some(SourceStatus::Failed));
    let pull = after(&pull, PullEvent::RecordEnded { available: true });
    assert_eq!(pull.state, PullState::Partial);
}

/// A pull that waited for a status would block other pulls of the person until midnight, when the day's quota returns,
/// or for two days.
#[test]
fn ended_sources_settle_the_pull_without_a_status() {
    let open = started(&accepted(&[SourceKind::Hie, SourceKind::Lab]));
    let open = after(&open, reported(SourceKind::Hie, SourceOutcome::Completed));
    let open = after(&open, reported(SourceKind::Lab, SourceOutcome::Failed));
    assert_eq!(open.state, PullState::Running);
    let until = open.expires_at;
    let unread = after(&open, PullEvent::PollFailed { until });
    assert_eq!(unread.state, PullState::Consolidating);
    // The status is final and lists no source.
    let report = QueryReport {
        is_final: true,
        ..QueryReport::default()
    };
    assert_eq!(
        after(&open, PullEvent::Polled { report }).state,
        PullState::Consolidating
    );
}

/// Only Metriport's status shows whether a failure is final, so the pull reads the status at once.
#[test]
fn failed_source_is_final_only_after_metriport_confirms_it() {
    let later = Time::from_millis(T0.millis() + 1);
    let open = after(
        &started(&accepted(&[SourceKind::Hie, SourceKind::Lab])),
        reported(SourceKind::Hie, SourceOutcome::Completed),
    );
    let pull = at(&open, reported(SourceKind::Lab, SourceOutcome::Failed), later);
    assert_eq!((pull.state, pull.step(later)), (PullState::Running, Step::Poll));
    assert_eq!(pull.due_seq, open.due_seq + 1, "a message goes out");
    let duplicate = pull.apply(
        &reported(SourceKind::Lab, SourceOutcome::Failed),
        pull.expires_at,
        Timing::default(),
        spare(2),
    );
    assert_eq!(duplicate, None);
    let polled = |lab| PullEvent::Polled {
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
    let retried = at(&pull, polled(None), later);
    assert_eq!(retried.state, PullState::Running, "it is being tried again");
    let answered = at(&retried, reported(SourceKind::Lab, SourceOutcome::Completed), later);
    assert!(answered.state == PullState::Consolidating && answered.all_answered);
    let given_up = at(&retried, polled(Some(SourceOutcome::Failed)), later);
    assert!(given_up.state == PullState::Consolidating && !given_up.all_answered);
    let late = at(&retried, PullEvent::DeadlinePassed, retried.expires_at);
    assert_eq!(late.state, PullState::Consolidating);
    // An ended pull does not accept a late answer.
    let ended = at(&given_up, PullEvent::RecordEnded { available: true }, later);
    assert_eq!(ended.state, PullState::Partial);
    let answer = reported(SourceKind::Lab, SourceOutcome::Completed);
    assert_eq!(ended.apply(&answer, later, Timing::default(), spare(3)), None);
    let open = at(&given_up, answer, later);
    assert_eq!(open.sources.status(SourceKind::Lab), Some(SourceStatus::Completed));
}

#[test]
fn unknown_start_is_never_repeated() {
    let pull = after(
        &after(&accepted(&[SourceKind::Hie]), PullEvent::StartClaimed),
        PullEvent::StartUnknown,
    );
    let wait = T0.plus(Timing::default().ambiguous_wait());
    assert_eq!(pull.step(Time::from_millis(wait.millis() - 1)), Step::Wait(wait));
    assert_eq!(pull.step(wait), Step::Apply(PullEvent::StartStayedUnknown));
    let given_up = pull
        .apply(&PullEvent::StartStayedUnknown, wait, Timing::default(), spare(1))
        .unwrap();
    assert!(given_up.frees_session && given_up.record.is_some());
    let ended = at(&given_up.pull, PullEvent::RecordEnded { available: true }, wait);
    assert_eq!(
        (ended.state, ended.reason),
        (PullState::Unconfirmed, Some(FailureReason::StartUnknown))
    );
}

#[test]
fn webhook_proves_a_start_after_a_lost_answer() {
    let pull = after(
        &after(&accepted(&SourceKind::ALL), PullEvent::StartClaimed),
        PullEvent::StartUnknown,
    );
    let change = apply(&pull, &reported(SourceKind::Lab, SourceOutcome::Completed), spare(1)).unwrap();
    assert_eq!(
        (change.pull.state, change.binds.clone()),
        (PullState::Running, Some(request(1)))
    );
    assert!(change.frees_session && !change.pull.unconfirmed);
    let late = after(
        &change.pull,
        PullEvent::Started {
            request: request(1),
            report: QueryReport::default(),
        },
    );
    assert_eq!(late.sources.status(SourceKind::Lab), Some(SourceStatus::Completed));
}

#[test]
fn event_of_another_query_is_ignored() {
    let pull = started(&accepted(&SourceKind::ALL));
    let foreign = PullEvent::SourceReported {
        source: SourceKind::Hie,
        status: SourceOutcome::Completed,
        request: Some(request(9)),
    };
    assert_eq!(apply(&pull, &foreign, spare(1)), None);
}

#[test]
fn late_report_still_changes_an_expired_pull() {
    let pull = started(&accepted(&[SourceKind::Hie, SourceKind::Lab]));
    let late = pull.expires_at;
    assert_eq!(pull.shown_state(late), PullState::Expired);
    let expired = at(&pull, PullEvent::DeadlinePassed, late);
    assert_eq!((expired.state, expired.due_at), (PullState::Expired, None));
    let pull = at(&expired, reported(SourceKind::Hie, SourceOutcome::Completed), late);
    assert_eq!((pull.state, pull.reason), (PullState::Consolidating, None));
    assert_eq!(
        at(&pull, PullEvent::RecordEnded { available: true }, late).state,
        PullState::Partial
    );
}

#[test]
fn sources_of_a_pull_past_its_deadline_are_shown_as_expired() {
    let pull = started(&accepted(&[SourceKind::Hie, SourceKind::Lab]));
    let pull = after(&pull, reported(SourceKind::Lab, SourceOutcome::Failed));
    let shown = |time| SourceKind::ALL.map(|kind| Some(pull.shown_source(pull.sources.status(kind)?, time)));
    let lab = Some(SourceStatus::Failed);
    assert_eq!(shown(T0), [Some(SourceStatus::Processing), None, lab]);
    assert_eq!(shown(pull.expires_at), [Some(SourceStatus::Expired), None, lab]);
}

#[test]
fn session_ended_before_the_start_fails_the_pull() {
    let pull = accepted(&[SourceKind::Hie]);
    assert_eq!(pull.step(pull.start_by), Step::Apply(PullEvent::StartTooLate));
    assert_eq!(pull.shown_state(pull.start_by), PullState::Failed);
    let change = pull
        .apply(&PullEvent::StartTooLate, pull.start_by, Timing::default(), spare(1))
        .unwrap();
    assert!(change.frees_session && change.unlocks);
    assert_eq!(change.pull.reason, Some(FailureReason::Aal2SessionExpired));
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

fn any_event() -> impl Strategy<Value = PullEvent> {
    prop_oneof![
        Just(PullEvent::StartClaimed),
        (1u8..3, any_report()).prop_map(|(n, report)| PullEvent::Started {
            request: request(n),
            report
        }),
        Just(PullEvent::StartDeferred {
            cause: Deferral::RateLimited,
            until: T0
        }),
        Just(PullEvent::StartDeferred {
            cause: Deferral::Budget,
            until: T0
        }),
        Just(PullEvent::StartRefused {
            reason: FailureReason::UpstreamRefused
        }),
        Just(PullEvent::StartUnknown),
        Just(PullEvent::StartStayedUnknown),
        Just(PullEvent::StartTooLate),
        (any_source(), any_outcome(), prop::option::of(1u8..3)).prop_map(|(source, status, n)| {
            PullEvent::SourceReported {
                source,
                status,
                request: n.map(request),
            }
        }),
        any_report().prop_map(|report| PullEvent::Polled { report }),
        Just(PullEvent::PollFailed { until: T0 }),
        Just(PullEvent::DeadlinePassed),
        Just(PullEvent::RecordAwaited { until: T0 }),
        any::<bool>().prop_map(|available| PullEvent::RecordEnded { available }),
        Just(PullEvent::ConsentWithdrawn),
        Just(PullEvent::RecordsPurged),
    ]
}

/// A webhook that comes after the purge must not bring the deleted data back.
#[test]
fn expired_pull_makes_no_record_after_a_purge() {
    let running = started(&accepted(&[SourceKind::Lab]));
    assert!(apply(&running, &PullEvent::RecordsPurged, spare(1)).is_none());
    let expired = after(&running, PullEvent::DeadlinePassed);
    assert_eq!(expired.state, PullState::Expired);
    let late = reported(SourceKind::Lab, SourceOutcome::Completed);
    assert!(apply(&expired, &late, spare(1)).unwrap().record.is_some());
    let purged = after(&expired, PullEvent::RecordsPurged);
    let end = (purged.state, purged.reason);
    assert_eq!(end, (PullState::Failed, Some(FailureReason::SourcesSilent)));
    let change = apply(&purged, &late, spare(1)).unwrap();
    assert_eq!((change.pull.state, change.record), (PullState::Failed, None));
}

#[test]
fn state_codes_equal_the_stored_form() {
    for state in [
        PullState::Queued,
        PullState::Starting,
        PullState::Running,
        PullState::Consolidating,
        PullState::Completed,
        PullState::Partial,
        PullState::Failed,
        PullState::Unconfirmed,
        PullState::Expired,
        PullState::Withdrawn,
    ] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

fn rank(state: PullState) -> u8 {
    match state {
        PullState::Queued => 0,
        PullState::Starting => 1,
        PullState::Running => 2,
        PullState::Expired => 3,
        PullState::Consolidating => 4,
        PullState::Completed
        | PullState::Partial
        | PullState::Failed
        | PullState::Unconfirmed
        | PullState::Withdrawn => 5,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// For any events in any order, even repeated or missing: no state regresses, except by a start that certainly had
    /// no effect. Terminal states are final and reported once, and every waiting pull has a due time. Versions and due
    /// numbers only grow, and the request id never changes.
    #[test]
    fn invariants_hold_for_any_events(events in prop::collection::vec(any_event(), 0..40), kinds in 1usize..8) {
        let all = SourceKind::ALL.into_iter().enumerate();
        let sources: Vec<_> = all.filter(|(i, _)| kinds & (1 << i) != 0).map(|(_, k)| k).collect();
        let mut pull = accepted(&sources);
        let (mut started_effect, mut starts, mut ends) = (0, 0, 0);
        for (index, event) in events.into_iter().enumerate() {
            let id = spare(u8::try_from(index).unwrap());
            let Some(change) = pull.apply(&event, T0, Timing::default(), id) else { continue };
            let next = change.pull;
            let retried = matches!(event, PullEvent::StartDeferred { .. }) && pull.state == PullState::Starting;
            prop_assert!(
                retried || rank(next.state) >= rank(pull.state),
                "{:?} -> {:?} by {:?}", pull.state, next.state, event
            );
            if pull.state.is_terminal() {
                prop_assert_eq!(next.state, pull.state);
                prop_assert_eq!(next.final_record, pull.final_record);
            }
            prop_assert_eq!(next.state.waits(), next.due_at.is_some());
            prop_assert!(next.version == pull.version + 1 && next.due_seq >= pull.due_seq);
            if let Some(known) = &pull.request {
                prop_assert_eq!(next.request.as_ref(), Some(known));
            }
            for (kind, source) in pull.sources.iter() {
                let now = next.sources.status(kind).unwrap();
                prop_assert!(now == source.status || source.status.may_become(now));
                let stays = pull.state.is_terminal() && source.status == SourceStatus::Failed;
                prop_assert!(!stays || now == source.status);
            }
            started_effect += u32::from(change.binds.is_some());
            starts += u32::from(change.started);
            prop_assert!(change.unlocks == (pull.state.waits() && !next.state.waits()));
            match change.ended {
                Some(state) => prop_assert!(state == next.state && !state.waits()),
                None => prop_assert!(next.state.waits() || next.state == pull.state),
            }
            ends += u32::from(change.ended.is_some_and(PullState::is_terminal));
            pull = next;
        }
        prop_assert!(started_effect <= 1);
        prop_assert_eq!(starts, u32::from(pull.started_at.is_some()));
        prop_assert_eq!(ends, u32::from(pull.state.is_terminal()));
    }

    /// A withdrawn pull notes a start that was claimed before, and reports of sources. It never makes a record, and
    /// nothing is due.
    #[test]
    fn withdrawn_pull_keeps_its_state_under_any_event(
        before in prop::collection::vec(any_event(), 0..10),
        events in prop::collection::vec(any_event(), 0..20),
    ) {
        let pull = before.into_iter().fold(accepted(&SourceKind::ALL), |pull, event| after(&pull, event));
        let mut pull = after(&pull, PullEvent::ConsentWithdrawn);
        prop_assert!(pull.state.is_terminal());
        for event in events {
            let Some(change) = apply(&pull, &event, spare(1)) else { continue };
            let next = &change.pull;
            prop_assert_eq!((next.state, next.due_at, next.due_seq), (pull.state, None, pull.due_seq));
            prop_assert_eq!((next.ended_at, next.reason), (pull.ended_at, pull.reason));
            prop_assert!(change.record.is_none() && change.ended.is_none() && !change.calls);
            prop_assert!(!change.frees_session && !change.unlocks);
            pull = change.pull;
        }
    }

    /// A timeline keeps the events that changed the pull, with their times and records. A replay of them gives the
    /// pull.
    #[test]
    fn replayed_timeline_gives_the_pull(events in prop::collection::vec(any_event(), 0..40)) {
        let accepted = accepted(&SourceKind::ALL);
        let (mut pull, mut timeline) = (accepted.clone(), Vec::new());
        for (index, event) in events.into_iter().enumerate() {
            let at = T0.plus(std::time::Duration::from_secs(index as u64));
            let Some(change) = pull.apply(&event, at, Timing::default(), spare(u8::try_from(index).unwrap())) else {
                continue;
            };
            timeline.push((event, at, change.record.map(|(id, _)| id)));
            pull = change.pull;
        }
        let history = timeline.iter().map(|(event, at, record)| (event, *at, *record));
        prop_assert_eq!(accepted.replay(history, Timing::default()), pull);
    }

    /// A webhook that is applied twice has one effect.
    #[test]
    fn webhooks_are_idempotent(events in prop::collection::vec(any_event(), 0..20)) {
        let mut pull = accepted(&SourceKind::ALL);
        for event in events {
            pull = after(&pull, event.clone());
            if matches!(event, PullEvent::SourceReported { .. }) {
                prop_assert_eq!(pull.apply(&event, T0, Timing::default(), spare(99)), None);
            }
        }
    }
}

#[test]
fn slot_serves_one_start_and_is_shown_before_it() {
    let later = Time::from_millis(T0.millis() + 7_000);
    let pull = accepted(&SourceKind::ALL).in_slot(T0);
    assert_eq!((pull.step(T0), pull.estimated_start(T0)), (Step::Start, Some(T0)));
    let deferred = after(
        &pull,
        PullEvent::StartDeferred {
            cause: Deferral::Budget,
            until: later,
        },
    );
    assert_eq!((deferred.state, deferred.start_at), (PullState::Queued, Some(later)));
    assert_eq!((deferred.due_at, deferred.due_seq), (Some(later), pull.due_seq + 1));
    assert_eq!(deferred.step(T0), Step::Wait(later));
    let claimed = after(&deferred, PullEvent::StartClaimed);
    assert_eq!((claimed.start_at, claimed.estimated_start(T0)), (None, None));
    // Metriport answers 429 nevertheless. The next attempt has a planned time, but no slot yet.
    let cause = Deferral::RateLimited;
    let again = after(&claimed, PullEvent::StartDeferred { cause, until: later });
    assert_eq!((again.start_at, again.estimated_start(T0)), (None, Some(later)));
    assert_eq!(again.estimated_start(again.start_by), None, "it reads as failed");
}

/// Two messages about one start ask for a slot. The first message gets it and claims the start; the second gets a later
/// slot.
#[test]
fn later_slot_does_not_undo_a_claimed_start() {
    let claimed = after(&accepted(&SourceKind::ALL), PullEvent::StartClaimed);
    let deferred = PullEvent::StartDeferred {
        cause: Deferral::Budget,
        until: T0.plus(std::time::Duration::from_secs(20)),
    };
    assert_eq!(apply(&claimed, &deferred, spare(1)), None);
}
