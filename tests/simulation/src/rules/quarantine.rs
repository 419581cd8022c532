//! Rule 13: after a different record was stored or a person reported a record, no link is made to that record, nor to a
//! record of its pull or of a later one.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use shared::domain::record::Record;
use shared::domain::{OwnerId, PullId, RecordId, Time};

use super::{Violation, broken};
use crate::functions::Job;
use crate::ids::{person, record_name};
use crate::io::put_of;
use crate::store::{Item, Key, Write};
use crate::task::Task;
use crate::world::World;

/// A requested record has no pull. Such a record counts only if it ended later by more than the clocks differ.
const MARGIN: Duration = Duration::from_secs(5);

/// The records of a person that no link may lead to. The simulation never releases records.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Suspected {
    records: BTreeSet<RecordId>,
    /// The first suspected pull, if one of the records has a pull.
    pull: Option<PullId>,
    /// When the first record was suspected.
    at: Option<Time>,
}

impl Suspected {
    fn add(&mut self, id: RecordId, pull: Option<PullId>, now: Time) {
        self.records.insert(id);
        self.pull = [self.pull, pull].into_iter().flatten().min();
        self.at = self.at.or(Some(now));
    }

    fn holds(&self, record: &Record) -> bool {
        let of_pull = self.pull.is_some_and(|first| record.pull >= Some(first));
        let ended_later = self.at.is_some_and(|at| record.ended_at > Some(at.plus(MARGIN)));
        self.records.contains(&record.id) || of_pull || ended_later
    }
}

/// Notes the reported or different record, when it is written.
pub(super) fn note(world: &mut World, task: &Task, writes: &[Write]) {
    for write in writes {
        let found = match (&task.job, &write.key, put_of(&write.effect).map(AsRef::as_ref)) {
            (Job::NotMe { record, .. }, Key::Root(owner), Some(_)) => {
                world.count("record reported");
                let stored = world.store.get(&Key::Record(owner.clone(), *record));
                let pull = stored.and_then(|item| item.record()?.pull);
                Some((person(owner), *record, pull))
            }
            (_, Key::Record(owner, id), Some(Item::Record(record))) if record.differs() => {
                world.count("different record stored");
                Some((person(owner), *id, record.pull))
            }
            _ => None,
        };
        if let Some((of, record, pull)) = found {
            let now = world.now;
            world.facts.suspected.entry(of).or_default().add(record, pull, now);
        }
    }
}

/// Judges a link to a record.
pub(super) fn judge_link(world: &World, owner: &OwnerId, record: RecordId) -> Option<Violation> {
    let suspected = world.facts.suspected.get(&person(owner))?;
    let item = world.store.get(&Key::Record(owner.clone(), record))?;
    let is_suspected = suspected.holds(item.record()?);
    is_suspected
        .then(|| {
            broken(
                13,
                format!("a link leads to {}, which is quarantined", record_name(record)),
            )
        })
        .flatten()
}
