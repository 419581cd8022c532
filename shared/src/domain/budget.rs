//! The rate budget: how many calls of each kind may be made upstream, and when.
//!
//! Metriport limits the calls per minute by kind (docs.metriport.com, page `more-info/limits`) and, at its gateway, the
//! calls per day. The start of Metriport's one-minute windows is unknown. Every span of 60 seconds must therefore stay
//! within 90 % of a limit. All functions use one Metriport account, so their shared state is stored in the table. This
//! module only calculates, in three parts:
//!
//! - [`Places`] keep the limit. There are as many places as calls may be made in a window. A call takes a place and
//!   holds it until every window that counts the call has passed. If no place is free, a call that a person waits for
//!   is refused, and any other call is deferred.
//! - [`Pace`] plans starts of network queries. Starts get slots one after the other, so that each start finds a place
//!   and the person knows its planned time. A start that misses its slot only waits; the limit is still kept.
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
/// Longest time from our decision to make a call until Metriport counts it. The writes before the call and the network
/// take this time.
const TRAVEL: Duration = Duration::from_secs(2);

/// Calls that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Patient create and update.
    PatientWrites,
    /// Identity sessions and AAL2 challenges. Their limit is not documented; we assume the smallest documented limit.
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

/// The answer to a request for a place or a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// If this time is now, the call may be made. If it is later, the function waits until then and asks again.
    Granted(Time),
    /// Every place is held, or no slot comes in time. Nothing was taken. Another request may succeed from this time on.
    Busy(Time),
    /// The day's quota for such calls is used up until this time.
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
