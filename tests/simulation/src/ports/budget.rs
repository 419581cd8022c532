//! The rate budget, as far as a step sees it.

use std::time::Duration;

use shared::domain::budget::{Allowance, Budget, Turn, midnight_after};

use crate::choice::Fault;
use crate::io::Start;

/// How much later a turn comes where there is none now.
const LATER: Duration = Duration::from_secs(20);
/// The least time that a start needs before the moment by which it must be made.
const MARGIN: Duration = Duration::from_secs(5);

/// How a budget stands that has a place.
pub(crate) const fn free(budget: Budget) -> Allowance {
    Allowance {
        budget,
        quota: 1,
        window: Duration::from_secs(60),
        left: 1,
        reset: Duration::ZERO,
    }
}

/// The turn that a start gets: at once, or by a fault later, not in time, or not on this day.
pub(crate) fn turn(start: Start, fault: Option<Fault>) -> Turn {
    let later = start.now.plus(LATER);
    match fault {
        None if start.now.plus(MARGIN) <= start.by => Turn::Granted(start.now, free(start.budget)),
        Some(Fault::Busy) if later.plus(MARGIN) <= start.by => Turn::Granted(later, free(start.budget)),
        Some(Fault::NotSent) => Turn::DayOver(midnight_after(start.now)),
        _ => Turn::Busy(later, free(start.budget)),
    }
}
