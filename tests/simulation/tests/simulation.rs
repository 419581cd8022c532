//! Runs the simulation at a size for every change, and shows that it can fail. Each deliberate defect is detected
//! within a limited number of steps, by the rule that it breaks, with a short schedule.

use simulation::{Bounds, Options, Sabotage, explore, simulate};

#[test]
fn simulation_keeps_the_rules_and_reaches_every_event() {
    let report = simulate(Options::new(200_000, 20_261_122));
    assert!(report.failure.is_none(), "{}", report.outcome(true).lines.join("\n"));
    assert_eq!(report.missing(), Vec::<&str>::new());
    for end in ["Completed", "Partial", "Failed", "Unconfirmed", "Expired", "Withdrawn"] {
        let rested = report.pulls.iter().filter(|(state, _)| state.ends_with(end));
        assert!(rested.count() > 0, "no pull ended {end}: {:?}", report.pulls);
    }
}

#[test]
fn seed_gives_the_same_history() {
    let (first, again) = (simulate(Options::new(2_000, 7)), simulate(Options::new(2_000, 7)));
    assert_eq!(first.outcome(true), again.outcome(true));
    assert_ne!(first.outcome(true), simulate(Options::new(2_000, 8)).outcome(true));
}

#[test]
fn small_configuration_keeps_the_rules_in_every_history() {
    let explored = explore(Bounds::CRASH, None);
    assert!(explored.failure.is_none(), "{}", explored.outcome().lines.join("\n"));
    assert!(explored.states > 5_000, "{} states", explored.states);
}

#[test]
fn withdrawal_at_any_moment_keeps_the_rules() {
    let explored = explore(Bounds::WITHDRAWAL, None);
    assert!(explored.failure.is_none(), "{}", explored.outcome().lines.join("\n"));
    assert!(explored.states > 5_000, "{} states", explored.states);
}

#[test]
fn erasure_at_any_moment_keeps_the_rules() {
    let explored = explore(Bounds::ERASURE, None);
    assert!(explored.failure.is_none(), "{}", explored.outcome().lines.join("\n"));
    assert!(explored.states > 5_000, "{} states", explored.states);
}

#[test]
fn exhaustive_check_can_fail() {
    for (sabotage, rule) in [
        (Sabotage::AmbiguousStartRepeated, 5),
        (Sabotage::LockKept, 1),
        (Sabotage::NoReconciler, 1),
    ] {
        let failure = explore(Bounds::CRASH, Some(sabotage)).failure;
        let (violation, trace) = failure.unwrap_or_else(|| panic!("{sabotage:?} was not noticed"));
        assert_eq!(violation.rule, rule, "{sabotage:?}: {violation:?}");
        assert!(!trace.is_empty());
    }
}

/// The rules that may break first, and the maximum number of steps that the reduced schedule may need.
const fn noticed_by(sabotage: Sabotage) -> (&'static [u8], usize) {
    match sabotage {
        Sabotage::ClaimWithoutDueSeq => (&[1], 45),
        Sabotage::DedupeDropped => (&[4], 45),
        Sabotage::AmbiguousStartRepeated => (&[5], 45),
        Sabotage::UnconditionalWrite => (&[1, 3, 5, 7, 14], 45),
        Sabotage::TtlAsLock => (&[5], 45),
        Sabotage::LockKept => (&[1], 45),
        Sabotage::NoReconciler => (&[1, 14], 45),
        Sabotage::AnswerBeforeSend => (&[4], 45),
        Sabotage::SessionForgotten => (&[7], 45),
        Sabotage::PatientShared | Sabotage::ClaimAfterUpdate => (&[7], 45),
        Sabotage::AnyDeliveryTaken => (&[5], 45),
        Sabotage::ShareForgotten | Sabotage::OpenRecordsForgotten => (&[11], 45),
        Sabotage::EntrySkipped => (&[13], 45),
        // A record must be pulled, reported or found different, and read.
        Sabotage::QuarantineIgnored => (&[13], 65),
        Sabotage::GrantUnchecked => (&[12, 14], 45),
        Sabotage::SecondSweepSkipped | Sabotage::GrantUncheckedOnInsert => (&[14], 45),
    }
}

#[test]
fn every_sabotage_is_noticed() {
    for sabotage in Sabotage::ALL {
        let sabotaged = Options {
            sabotage: Some(sabotage),
            ..Options::new(60_000, 2)
        };
        let report = simulate(sabotaged);
        let failure = report.failure.unwrap_or_else(|| panic!("{sabotage:?} was not noticed"));
        let (rules, needed) = noticed_by(sabotage);
        assert!(
            rules.contains(&failure.violation.rule),
            "{sabotage:?}: {:?}\n{}",
            failure.violation,
            failure.trace.join("\n")
        );
        let trace = failure.trace.join("\n");
        assert!(
            failure.needed <= needed,
            "{sabotage:?}, {} steps:\n{trace}",
            failure.needed
        );
    }
}
