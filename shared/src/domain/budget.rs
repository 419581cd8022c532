//! The rate budget: how many calls of each kind may be made upstream, and when.
//!
//! Metriport limits calls per minute and kind (docs.metriport.com, page `more-info/limits`), in windows whose start
//! nobody knows, and calls a day (its gateway's quota). So no window of 60 seconds may hold more than 90 % of a limit,
//! wherever it starts. All functions share one account, so the state is shared and lies in the table; here is the
//! arithmetic alone, in three parts:
//!
//! - [`Places`] keep the limit: there are as many as calls may be made, and each call takes one at the moment it is
//!   made and holds it until it has left every window. Whoever finds none free makes no call: what a person waits for
//!   is refused, what can wait is put off.
//! - [`Pace`] plans: starts of network queries get slots one after the other, so that they find a place when they come,
//!   and the person knows when that is. A plan that is not kept costs time, never the limit.
//! - [`PersonShares`] bound what one person takes of all that, whatever the others do.

mod day;
mod limits;
mod pace;
mod places;
mod share_of_person;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::Time;

pub use day::{Share, midnight_after, new_percent};
pub use limits::{Limits, LimitsError};
pub use pace::Pace;
pub use places::Places;
pub use share_of_person::{PersonAsk, PersonRules, PersonShares, ShareKind, ShareName, ShareRefusal};

/// The length of upstream's windows.
const WINDOW: Duration = Duration::from_secs(60);
/// How long a call may take from our decision to the moment upstream counts it: the writes in between, and the way.
const TRAVEL: Duration = Duration::from_secs(2);

/// Calls that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Patient create and update.
    PatientWrites,
    /// Identity sessions and AAL2 challenges. Their limit is not documented; the smallest one that is, is assumed.
    Identity,
    /// Network query starts.
    QueryStarts,
    /// Consolidated query starts.
    ConsolidatedStarts,
}

impl Budget {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::PatientWrites,
        Self::Identity,
        Self::QueryStarts,
        Self::ConsolidatedStarts,
    ];

    /// Its name, in configuration, in the table and in headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PatientWrites => "patient",
            Self::Identity => "identity",
            Self::QueryStarts => "query",
            Self::ConsolidatedStarts => "consolidated",
        }
    }
}

/// How a person's own share stands: what headers say to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Which share.
    pub share: ShareName,
    /// Requests that a share left alone comes to.
    pub quota: u32,
    /// How long a used-up share takes to come to that.
    pub window: Duration,
    /// Requests that would still be served now.
    pub left: u32,
    /// How long until there is one more.
    pub reset: Duration,
}

/// What asking for a turn led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The call may be made at this time, which is now or later.
    Granted(Time),
    /// No turn comes in time; nothing was taken. Asking again makes sense from this time on.
    Busy(Time),
    /// The calls of the day are used up, until then.
    DayOver(Time),
}

/// What may be used of a limit: nine tenths, and at least one call.
const fn usable(limit: u32) -> u32 {
    let calls = (limit as u64 * 9 / 10) as u32;
    if calls == 0 { 1 } else { calls }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
