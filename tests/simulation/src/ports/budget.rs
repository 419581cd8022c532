//! The steps' view of the rate budget and of persons' shares.

use std::time::Duration;

use shared::domain::Time;
use shared::domain::budget::{PersonShares, Turn, midnight_after};

use crate::Sabotage;
use crate::choice::Fault;
use crate::io::{ShareAnswer, ShareRequest, Start};
use crate::people;

/// The delay of a turn that is not granted now.
const LATER: Duration = Duration::from_secs(20);
/// The time that must be left between a turn and the latest time for the start.
const MARGIN: Duration = Duration::from_secs(5);

/// The turn of a start. Without a fault it is now. A fault makes it later, too late, or not on this day.
pub(crate) fn turn(start: Start, fault: Option<Fault>) -> Turn {
    let later = start.now.plus(LATER);
    let fits = |at: Time| start.by.is_none_or(|by| at.plus(MARGIN) <= by);
    match fault {
        None if fits(start.now) => Turn::Granted(start.now),
        Some(Fault::Busy) if fits(later) => Turn::Granted(later),
        Some(Fault::NotSent) => Turn::DayOver(midnight_after(start.now)),
        _ => Turn::Busy(later),
    }
}

/// The answer to the request of a person with the shares `before`, and the person's shares after it. A fault means that
/// other persons have the places, or that the day is over; the share is then given back.
pub(crate) fn share(
    before: &PersonShares,
    share: &ShareRequest,
    fault: Option<Fault>,
    sabotage: Option<Sabotage>,
) -> (ShareAnswer, PersonShares) {
    let (ask, now, rules) = (share.ask, share.now, people::rules());
    let mut forgotten = PersonShares::default();
    forgotten.version = before.version;
    let known = match sabotage {
        Some(Sabotage::ShareForgotten) => &forgotten,
        _ => before,
    };
    match known.take(ask, &rules, now) {
        Err(refusal) => (ShareAnswer::Beyond(refusal.retry_at), before.clone()),
        Ok(taken) if fault.is_some() && ask.budget().is_some() => {
            let back = taken.give_back(ask, &rules, now);
            let until = match fault {
                Some(Fault::NotSent) => midnight_after(now),
                _ => now.plus(LATER),
            };
            (ShareAnswer::Busy(until), back)
        }
        Ok(taken) => (ShareAnswer::Taken(taken.allowance(ask.kind(), &rules, now)), taken),
    }
}
