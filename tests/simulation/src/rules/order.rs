//! Rule 3: nothing regresses, and the timeline is complete.

use shared::domain::SourceStatus;
use shared::domain::erasure::ErasureStage;
use shared::domain::pull::{Pull, PullEvent, PullState};
use shared::domain::record::Record;

use super::{Violation, broken};
use crate::ids::{pull_name, record_name};
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

/// Versions are consecutive, an ended pull stays as it ended, and known facts are kept.
pub(super) fn pull(before: Option<&Pull>, after: &Pull) -> Option<Violation> {
    let name = pull_name(after.id);
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
        // A failed source may still answer while the pull is open.
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

/// The events of each pull's timeline, applied again, must give the stored pull.
pub(super) fn timelines(world: &World) -> Option<Violation> {
    for (owner, pull) in world.store.pulls() {
        let entries: Vec<_> = (2..=pull.version)
            .filter_map(|n| {
                let entry = world.store.get(&Key::Entry(owner.clone(), pull.id, n))?.entry()?;
                Some((entry.event.as_ref()?, entry.at, entry.record))
            })
            .collect();
        let new = shared::domain::pull::NewPull {
            id: pull.id,
            patient: pull.patient.clone(),
            grant: pull.grant,
            sources: shared::domain::Sources::pending(pull.sources.kinds())?,
        };
        let replayed = Pull::accept(new, pull.created_at, world.timing).replay(entries, world.timing);
        if replayed != *pull {
            return broken(
                3,
                format!(
                    "the timeline of {} gives another pull: {replayed:?} instead of {pull:?}",
                    pull_name(pull.id)
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
            Some(Item::Entry(entry)) => world.count(entry.event.as_ref().map_or("pull accepted", event)),
            Some(Item::Record(record)) => world.count(record_state(record)),
            Some(Item::Root(root)) if root.consent.is_some() => world.count("consent given"),
            Some(Item::Root(root)) if root.withdrawn_at.is_some() && root.erasure.is_none() => {
                world.count("consent withdrawn");
            }
            Some(Item::Erasure(job)) if job.version == 1 => world.count("erasure requested"),
            Some(Item::Erasure(job)) if job.stage == ErasureStage::Finished => world.count("erasure finished"),
            Some(Item::Pull(pull)) if pull.state == PullState::Expired => world.count("pull expired by the clock"),
            _ => {}
        }
    }
}

const fn event(event: &PullEvent) -> &'static str {
    match event {
        PullEvent::StartClaimed => "run: start claimed",
        PullEvent::Started { .. } => "run: started",
        PullEvent::StartDeferred { .. } => "run: start deferred",
        PullEvent::StartRefused { .. } => "run: start refused",
        PullEvent::StartUnknown => "run: start unknown",
        PullEvent::StartStayedUnknown => "run: start stayed unknown",
        PullEvent::StartTooLate => "run: start too late",
        PullEvent::SourceReported { .. } => "run: source reported",
        PullEvent::Polled { .. } => "run: polled",
        PullEvent::PollFailed { .. } => "run: poll failed",
        PullEvent::DeadlinePassed => "run: deadline passed",
        PullEvent::RecordAwaited { .. } => "run: record awaited",
        PullEvent::RecordEnded { .. } => "run: record ended",
        PullEvent::ConsentWithdrawn => "run: consent withdrawn",
        PullEvent::RecordsPurged => "run: records purged",
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
