//! Rule 3: nothing regresses, and the timeline is complete.

use shared::domain::SourceStatus;
use shared::domain::record::Record;
use shared::domain::run::{Run, RunEvent, RunState};

use super::{Violation, broken};
use crate::ids::{record_name, run_name};
use crate::io::put_of;
use crate::store::{Item, Key, Write};
use crate::world::World;

/// The first write of an item has version 1, and each later write has the next number.
fn skips_a_version(name: &str, before: Option<u64>, after: u64) -> Option<Violation> {
    match before {
        _ if after == before.unwrap_or_default() + 1 => None,
        None => broken(3, format!("{name} begins with version {after}")),
        Some(before) => broken(3, format!("{name}: version {after} overwrites {before}")),
    }
}

/// Versions are consecutive, an ended run stays as it ended, and known facts are kept.
pub(super) fn run(before: Option<&Run>, after: &Run) -> Option<Violation> {
    let name = run_name(after.id);
    if let Some(skipped) = skips_a_version(&name, before.map(|before| before.version), after.version) {
        return Some(skipped);
    }
    let before = before?;
    let ended = before.state.is_terminal();
    if ended && (after.state, after.final_record, after.reason) != (before.state, before.final_record, before.reason) {
        return broken(
            3,
            format!("{name} ended as {:?}, but became {:?}", before.state, after.state),
        );
    }
    if after.due_seq < before.due_seq || before.request.is_some() && before.request != after.request {
        return broken(3, format!("{name} lost its dueSeq or its request"));
    }
    let regressed = before.sources.iter().find(|(kind, source)| {
        let now = after.sources.status(*kind);
        // A failed source may still answer while the run is open.
        let stays = ended && source.status == SourceStatus::Failed;
        now.is_none_or(|now| now != source.status && (stays || !source.status.may_become(now)))
    });
    regressed.and_then(|(kind, _)| broken(3, format!("{name}: source {} regressed", kind.as_str())))
}

pub(super) fn record(before: Option<&Record>, after: &Record) -> Option<Violation> {
    let name = record_name(after.id);
    if let Some(skipped) = skips_a_version(&name, before.map(|before| before.version), after.version) {
        return Some(skipped);
    }
    let before = before?;
    before
        .state
        .is_terminal()
        .then(|| {
            broken(
                3,
                format!("{name} had ended as {:?}, but was written again", before.state),
            )
        })
        .flatten()
}

/// The events of each run's timeline, applied again, must give the stored run.
pub(super) fn timelines(world: &World) -> Option<Violation> {
    for (owner, run) in world.store.runs() {
        let entries: Vec<_> = (2..=run.version)
            .filter_map(|n| {
                let entry = world.store.get(&Key::Entry(owner.clone(), run.id, n))?.entry()?;
                Some((entry.event.as_ref()?, entry.at, entry.record))
            })
            .collect();
        let new = shared::domain::run::NewRun {
            id: run.id,
            patient: run.patient.clone(),
            sources: shared::domain::Sources::pending(run.sources.kinds())?,
        };
        let replayed = Run::accept(new, run.created_at, world.timing).replay(entries, world.timing);
        if replayed != *run {
            return broken(
                3,
                format!(
                    "the timeline of {} gives another pull: {replayed:?} instead of {run:?}",
                    run_name(run.id)
                ),
            );
        }
    }
    None
}

/// Counts events, so that a report can show that each kind happened.
pub(super) fn count(world: &mut World, writes: &[Write]) {
    for write in writes {
        match put_of(&write.effect).map(AsRef::as_ref) {
            Some(Item::Entry(entry)) => world.count(entry.event.as_ref().map_or("run accepted", event)),
            Some(Item::Record(record)) => world.count(record_state(record)),
            Some(Item::Run(run)) if run.state == RunState::Expired => world.count("run expired by the clock"),
            _ => {}
        }
    }
}

const fn event(event: &RunEvent) -> &'static str {
    match event {
        RunEvent::StartClaimed => "run: start claimed",
        RunEvent::Started { .. } => "run: started",
        RunEvent::StartDeferred { .. } => "run: start deferred",
        RunEvent::StartRefused { .. } => "run: start refused",
        RunEvent::StartUnknown => "run: start unknown",
        RunEvent::StartStayedUnknown => "run: start stayed unknown",
        RunEvent::StartTooLate => "run: start too late",
        RunEvent::SourceReported { .. } => "run: source reported",
        RunEvent::Polled { .. } => "run: polled",
        RunEvent::PollFailed { .. } => "run: poll failed",
        RunEvent::DeadlinePassed => "run: deadline passed",
        RunEvent::RecordAwaited { .. } => "run: record awaited",
        RunEvent::RecordEnded { .. } => "run: record ended",
    }
}

const fn record_state(record: &Record) -> &'static str {
    use shared::domain::record::RecordState;
    match record.state {
        RecordState::Waiting => "record: waiting",
        RecordState::Starting => "record: starting",
        RecordState::Processing => "record: processing",
        RecordState::Offered => "record: offered",
        RecordState::Fetching => "record: fetching",
        RecordState::Available => "record: available",
        RecordState::Empty => "record: empty",
        RecordState::Failed => "record: failed",
    }
}
