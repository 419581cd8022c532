//! Rule 6: inside the budget. A 429 is waited out for the time it names, and the polls of one run are bounded. The
//! arithmetic of slots and places has its own tests.

use shared::domain::RunId;

use super::{Violation, broken};
use crate::ids::run_name;
use crate::world::World;

/// Most polls of one run: poll gaps grow to two hours, and nothing waits longer than two days and some hours.
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

/// Finds a run with too many polls.
pub(super) fn at_rest(world: &World) -> Option<Violation> {
    let over = world.store.runs().find(|(_, run)| run.polls > POLLS_MAX);
    over.and_then(|(_, run)| broken(6, format!("{} was polled {} times", run_name(run.id), run.polls)))
}
