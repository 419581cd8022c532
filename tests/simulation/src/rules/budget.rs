//! Rule 6: calls stay inside the budget. After a 429, a start waits for the time that the 429 names. The number of
//! polls of one pull is limited. The arithmetic of slots and places has its own tests.

use shared::domain::PullId;

use super::{Violation, broken};
use crate::ids::pull_name;
use crate::world::World;

/// Maximum number of polls of one pull. Poll gaps grow to two hours, and a pull never waits longer than two days and
/// some hours.
const POLLS_MAX: u32 = 64;

/// A start that got a 429 is not sent again before the time that the 429 named. The tolerance allows for clocks that
/// differ.
pub(super) fn starts_again(world: &World, pull: PullId) -> Option<Violation> {
    let busy = world.facts.busy.get(&pull)?;
    let now = world.now.plus(std::time::Duration::from_secs(10));
    (now < *busy)
        .then(|| {
            broken(
                6,
                format!("{} is started again before the end of its 429", pull_name(pull)),
            )
        })
        .flatten()
}

pub(super) fn at_rest(world: &World) -> Option<Violation> {
    let over = world.store.pulls().find(|(_, pull)| pull.polls > POLLS_MAX);
    over.and_then(|(_, pull)| broken(6, format!("{} was polled {} times", pull_name(pull.id), pull.polls)))
}
