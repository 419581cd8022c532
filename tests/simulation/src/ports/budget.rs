//! The rate budget, as far as a step sees it: a turn now, a turn later, or none in time.

use std::time::Duration;

use shared::domain::budget::{Allowance, Budget, Turn};

use crate::io::Start;

/// How much later a turn comes where there is none now.
const LATER: Duration = Duration::from_secs(20);
/// What a start needs before the moment by which it must be made.
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

/// Nobody else wants a place.
pub(crate) fn granted(start: Start) -> Turn {
    Turn::Granted(start.slot.unwrap_or(start.now).max(start.now), free(start.budget))
}

/// Others have taken the places there are.
pub(crate) fn later(start: Start) -> Turn {
    let at = start.now.plus(LATER);
    match at.plus(MARGIN) <= start.by {
        true => Turn::Granted(at, free(start.budget)),
        false => Turn::Busy(at, free(start.budget)),
    }
}
