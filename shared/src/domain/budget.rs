//! The rate budget: how many calls of each kind may be made upstream, and when.
//!
//! Metriport limits the calls per minute by kind (docs.metriport.com, page `more-info/limits`) and, at its gateway, the
//! calls per day. The start of its windows is unknown, so no 60 seconds may hold more than 90 % of a limit. All
//! functions share one account, so the state lies in the table. This module only calculates, in three parts:
//!
//! - [`Places`] keep the limit. There are as many places as calls may be made. A call takes a place when it is made,
//!   and holds it until the call has left every window. Without a free place, a call that a person waits for is
//!   refused, and others are put off.
//! - [`Pace`] plans starts of network queries. Starts get slots one after the other, so that each start finds a place
//!   and the person knows its time. A missed slot costs time, never the limit.
//! - [`PersonShares`] limit the part that one person may use, whatever other persons do.

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

/// Length of Metriport's windows.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest time from our decision to the moment at which Metriport counts the call: the writes between and the
/// transport.
const TRAVEL: Duration = Duration::from_secs(2);

/// Calls that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Patient create and update.
    PatientWrites,
    /// Identity sessions and AAL2 challenges. Their limit is not documented; the smallest documented one is assumed.
    Identity,
    /// Network query starts.
    QueryStarts,
    /// Consolidated query starts.
    ConsolidatedStarts,
}

impl Budget {
    /// Every budget.
    pub const ALL: [Self; 4] = [
        Self::PatientWrites,
        Self::Identity,
        Self::QueryStarts,
        Self::ConsolidatedStarts,
    ];

    /// The name in configuration, in the table and in headers.
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

/// The state of a person's share, as headers show it to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The share.
    pub share: ShareName,
    /// Requests in a full share.
    pub quota: u32,
    /// How long an empty share takes to become full.
    pub window: Duration,
    /// Requests that would be served now.
    pub left: u32,
    /// How long until one more request would be served.
    pub reset: Duration,
}

/// The answer to a request for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The call may be made at this time, which is now or later.
    Granted(Time),
    /// No turn comes in time, and nothing was taken. Asking again makes sense from this time on.
    Busy(Time),
    /// The calls of the day are used up until this time.
    DayOver(Time),
}

/// The usable part of a limit: nine tenths, and at least one call.
const fn usable(limit: u32) -> u32 {
    let calls = (limit as u64 * 9 / 10) as u32;
    if calls == 0 { 1 } else { calls }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
