//! Rules 1 and 2: waiting work is due, has a deadline and comes to an end; stale messages have no effect.

use std::time::Duration;

use shared::domain::pull::{Pull, PullState};
use shared::domain::record::{Record, RecordReason, RecordState};
use shared::message::Subject;

use super::{Violation, broken};
use crate::functions::Job;
use crate::ids::{pull_name, record_name};
use crate::store::{Item, Key};
use crate::task::Task;
use crate::world::World;

/// Tolerance for clocks that differ between machines.
const SKEW: Duration = Duration::from_secs(10);

/// A message about work that was done or superseded must have no effect.
pub(super) fn acts_on_stale(task: &Task) -> Option<Violation> {
    match task.job {
        Job::Advance(_) | Job::Fetch(_) if task.fresh == Some(false) => {
            broken(1, "a message with a stale dueSeq was acted on")
        }
        _ => None,
    }
}

/// A waiting pull has a due time that is not later than the deadline of its state.
pub(super) fn pull(pull: &Pull, world: &World) -> Option<Violation> {
    let name = pull_name(pull.id);
    let Some(due_at) = pull.due_at else {
        return pull
            .state
            .waits()
            .then(|| broken(1, format!("{name} waits, but is not due")))
            .flatten();
    };
    if !pull.state.waits() {
        return broken(1, format!("{name} is due, but does not wait"));
    }
    let now = world.now.plus(SKEW);
    let latest = match pull.state {
        PullState::Queued => pull.start_by,
        PullState::Starting => now.plus(world.timing.ambiguous_wait()),
        PullState::Running => pull.expires_at,
        _ => now.plus(world.timing.poll_gap(u32::MAX)),
    };
    (due_at > latest)
        .then(|| {
            broken(
                2,
                format!("{name} is {:?}, but due only after its deadline", pull.state),
            )
        })
        .flatten()
}

pub(super) fn record(record: &Record, world: &World) -> Option<Violation> {
    let name = record_name(record.id);
    let Some(due_at) = record.due_at else {
        let waits = !record.state.is_terminal();
        return waits
            .then(|| broken(1, format!("{name} waits, but is not due")))
            .flatten();
    };
    if record.state.is_terminal() {
        return broken(1, format!("{name} is due, but does not wait"));
    }
    let latest = match record.state {
        RecordState::Fetching => world.now.plus(SKEW).plus(world.timing.transfer()),
        _ => record.expires_at,
    };
    (due_at > latest)
        .then(|| {
            broken(
                2,
                format!("{name} is {:?}, but due only after its deadline", record.state),
            )
        })
        .flatten()
}

/// A reader never sees work that waits beyond its deadline, whether or not a process wrote the expiry.
pub(super) fn shown(world: &World) -> Option<Violation> {
    let now = world.now;
    for (_, pull) in world.store.pulls() {
        let heard = pull.sources.count(shared::domain::SourceStatus::Completed) > 0;
        let late = match pull.shown_state(now) {
            PullState::Queued => now >= pull.start_by,
            PullState::Running => now >= pull.expires_at && !heard,
            _ => false,
        };
        if late {
            return broken(
                2,
                format!("{} is shown as waiting after its deadline", pull_name(pull.id)),
            );
        }
    }
    for (_, record) in world.store.records() {
        let shown = record.shown_state(now);
        let waits = !shown.is_terminal() && shown != RecordState::Fetching;
        if waits && now >= record.expires_at {
            return broken(
                2,
                format!("{} is shown as waiting after its deadline", record_name(record.id)),
            );
        }
    }
    None
}

/// After all faults have stopped and time has run on, nothing waits and no lock remains. An expired or withdrawn
/// record may leave its lock to expire, because its last query can run longer than the record waits.
pub(super) fn nothing_waits(world: &World) -> Option<Violation> {
    let pulls = world.store.pulls().find(|(_, pull)| pull.state.waits());
    if let Some((_, pull)) = pulls {
        return broken(1, format!("{} stays {:?} without end", pull_name(pull.id), pull.state));
    }
    let records = world.store.records().find(|(_, record)| !record.state.is_terminal());
    if let Some((_, record)) = records {
        return broken(
            1,
            format!("{} stays {:?} without end", record_name(record.id), record.state),
        );
    }
    let lapses = |item: &Item| {
        let holder = item.lock().map(|lock| &lock.holder);
        let mut records = world.store.records().map(|(_, record)| record);
        let may_leave = [Some(RecordReason::Expired), Some(RecordReason::ConsentWithdrawn)];
        records.any(|record| holder == Some(&Subject::Record(record.id)) && may_leave.contains(&record.reason))
    };
    let left = world.store.iter().find(|(key, item)| match key {
        Key::OpenPull(_) => true,
        Key::OpenConsolidated(_) => !lapses(item),
        _ => false,
    });
    left.and_then(|(key, _)| broken(1, format!("a lock remains: {}", crate::words::key(key))))
}
