//! Rule 6: calls stay inside the budget. After a 429, a start waits for the time that the 429 names. The number of
//! polls of one run is limited. The arithmetic of slots and places has its own tests.

use shared::domain::RunId;

use super::{Violation, broken};
use crate::ids::run_name;
use crate::world::World;

/// Maximum number of polls of one run. Poll gaps grow to two hours, and a run never waits longer than two days and some
/// hours.
const POLLS_MAX: u32 = 64;

/// A start that got a 429 is not sent again before the time that the 429 named. The tolerance allows for clocks that
/// differ.
pub(super) fn starts_again(world: &World, run: RunId) -> Option<Violation> {
    let busy = world.facts.busy.get(&run)?;
    let now = world.now.plus(std::time::Duration::from_secs(10));
    (now < *busy)
        .then(|| {
            broken(
                6,
                format!("{} is started again before the end of its 429", run_name(run)),
            )
        })
        .flatten()
}

pub(super) fn at_rest(world: &World) -> Option<Violation> {
    let over = world.store.runs().find(|(_, run)| run.polls > POLLS_MAX);
    over.and_then(|(_, run)| broken(6, format!("{} was polled {} times", run_name(run.id), run.polls)))
}
