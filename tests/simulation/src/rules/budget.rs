//! Rule 6: inside the budget. A 429 is waited out for as long as it says, and the looks at one run's status are
//! bounded. The arithmetic of slots and places has tests of its own.

use shared::domain::RunId;

use super::{Violation, broken};
use crate::ids::run_name;
use crate::world::World;

/// Most looks at one run's status: poll gaps grow to two hours, and nothing waits for more than two days and some
/// hours.
const POLLS_MAX: u32 = 64;

/// A start that upstream was too busy for is not sent again before the time it named. Clocks may differ a little.
pub(super) fn starts_again(world: &World, run: RunId) -> Option<Violation> {
    let busy = world.ghost.busy.get(&run)?;
    let now = world.now.plus(std::time::Duration::from_secs(10));
    (now < *busy)
        .then(|| {
            broken(
                6,
                format!("{} is started again although upstream is busy", run_name(run)),
            )
        })
        .flatten()
}

/// The looks that a run has cost.
pub(super) fn at_rest(world: &World) -> Option<Violation> {
    let over = world.store.runs().find(|(_, run)| run.polls > POLLS_MAX);
    over.and_then(|(_, run)| broken(6, format!("{} was looked at {} times", run_name(run.id), run.polls)))
}
