//! The part of the shared calls that one person may use.
//!
//! Each kind of request has a bucket of `burst` requests. A bucket refills at a percentage of the rate for all persons.
//! A count limits the person's calls of a day. The buckets and the count are one item in the person's own partition, so
//! that other persons cannot change them. A request is charged when the person makes it, by the calls that it normally
//! causes (decision 0024).
//!
//! A bucket is stored as one time: when the bucket is full again (the generic cell rate algorithm). A request moves
//! that time on by the time in which one request refills.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::day::midnight_after;
use super::{Allowance, Budget, Limits, WINDOW, millis, usable};
use crate::domain::{Time, Timing};

/// Record links, or pages of the access log, in a full bucket. The bucket refills by as many each minute.
const READS: u32 = 30;
/// Smallest daily number of calls in a person's share, so that a small quota excludes no person. 20 calls suffice for a
/// proofing and four pulls.
const DAY_CALLS_MIN: u32 = 20;
const DAY: Duration = Duration::from_secs(86_400);
/// How long the item is kept after its buckets are full.
const FULL_ITEM_LIFE: Duration = Duration::from_secs(2 * 86_400);

/// Kinds of requests, one bucket each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ShareKind {
    /// Identity sessions and challenges.
    Identity,
    /// Changes of the patient.
    Patient,
    /// Records that the person asks for.
    Consolidated,
    /// Pulls.
    Query,
    /// Links to records.
    Links,
    /// Pages of the access log.
    Log,
}

impl ShareKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Identity,
        Self::Patient,
        Self::Consolidated,
        Self::Query,
        Self::Links,
        Self::Log,
    ];

    /// The name in headers and metrics, and the name of the attribute in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Patient => "patient",
            Self::Consolidated => "consolidated",
            Self::Query => "query",
            Self::Links => "links",
            Self::Log => "log",
        }
    }
}

/// A part of a person's share: a bucket, or the calls of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareName {
    /// The bucket of one kind of requests.
    Bucket(ShareKind),
    /// The calls of the day.
    Day,
}

impl ShareName {
    /// The name in headers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bucket(kind) => kind.name(),
            Self::Day => "day",
        }
    }
}

/// A request of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum PersonAsk {
    /// A hosted identity page.
    IdentitySession,
    /// A challenge, which leads to the start of a query and to two consolidated queries.
    Challenge,
    /// A change of the patient: a search, and a create or an update.
    PatientWrite,
    /// A record: the start of a consolidated query and one repetition of it.
    Record,
    /// A pull. The calls of a pull are charged with its challenge; the pull itself takes a slot for its start.
    Pull,
    /// A link to a record.
    Link,
    /// A page of the access log.
    LogPage,
}

impl PersonAsk {
    /// The bucket of the request.
    #[must_use]
    pub const fn kind(self) -> ShareKind {
        match self {
            Self::IdentitySession | Self::Challenge => ShareKind::Identity,
            Self::PatientWrite => ShareKind::Patient,
            Self::Record => ShareKind::Consolidated,
            Self::Pull => ShareKind::Query,
            Self::Link => ShareKind::Links,
            Self::LogPage => ShareKind::Log,
        }
    }

    /// The rate budget in which the request takes a place at once. A record and a pull take their places later; a link
    /// and a page of the log do not need a place.
    #[must_use]
    pub const fn budget(self) -> Option<Budget> {
        match self {
            Self::IdentitySession | Self::Challenge => Some(Budget::Identity),
            Self::PatientWrite => Some(Budget::PatientWrites),
            Self::Record | Self::Pull | Self::Link | Self::LogPage => None,
        }
    }

    /// Calls of the day that the request normally causes.
    #[must_use]
    pub const fn calls(self) -> u32 {
        match self {
            Self::IdentitySession => 1,
            Self::Challenge => 4,
            Self::PatientWrite | Self::Record => 2,
            Self::Pull | Self::Link | Self::LogPage => 0,
        }
    }
}

/// The size of a person's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonRules {
    /// Requests of a kind that a person may make at once.
    pub burst: u32,
    /// One person's part of the shared rate and of the day, in percent.
    pub percent: u32,
    /// The shared limits.
    pub limits: Limits,
    /// Calls a day that Metriport allows.
    pub daily_quota: u32,
    /// All durations.
    pub timing: Timing,
}

impl PersonRules {
    /// Requests in a full bucket.
    #[must_use]
    pub const fn burst(&self, kind: ShareKind) -> u32 {
        match kind {
            ShareKind::Links | ShareKind::Log => READS,
            ShareKind::Identity | ShareKind::Patient | ShareKind::Consolidated | ShareKind::Query => self.burst,
        }
    }

    /// The time in which one request refills.
    #[must_use]
    pub fn refill(&self, kind: ShareKind) -> Duration {
        let window = millis(self.timing.of(WINDOW));
        let shared = match kind {
            ShareKind::Identity => Budget::Identity,
            ShareKind::Patient => Budget::PatientWrites,
            ShareKind::Consolidated => Budget::ConsolidatedStarts,
            ShareKind::Query => Budget::QueryStarts,
            ShareKind::Links | ShareKind::Log => return Duration::from_millis(window.div_ceil(u64::from(READS))),
        };
        let hundredths = u64::from(usable(self.limits.of(shared))) * u64::from(self.percent);
        Duration::from_millis((window * 100).div_ceil(hundredths.max(1)))
    }

    /// One person's calls of a day.
    #[must_use]
    pub fn day_calls(&self) -> u32 {
        let share = u64::from(self.daily_quota) * u64::from(self.percent) / 100;
        u32::try_from(share).unwrap_or(u32::MAX).max(DAY_CALLS_MIN)
    }

    /// The time until which an item written at `now` is kept. Every bucket is full again before that time.
    #[must_use]
    pub fn expires_at(&self, now: Time) -> Time {
        let spans = ShareKind::ALL.map(|kind| self.refill(kind) * self.burst(kind));
        now.plus(FULL_ITEM_LIFE + spans.into_iter().max().unwrap_or_default())
    }
}

/// A request beyond the person's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareRefusal {
    /// When the request would be served.
    pub retry_at: Time,
    /// The state of the bucket or the day's calls that are used up.
    pub allowance: Allowance,
}

/// The stored use of a person's share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersonShares {
    /// Counts every write.
    pub version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consolidated: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Time>,
    /// The day of the count, `YYYY-MM-DD` in UTC; empty before the first call.
    pub day: String,
    /// Calls charged on that day.
    pub calls: u32,
}

impl PersonShares {
    /// Charges a request to its bucket and to the day.
    ///
    /// # Errors
    /// Returns a refusal, and charges nothing, if the bucket or the day's calls are used up.
    pub fn take(&self, ask: PersonAsk, rules: &PersonRules, now: Time) -> Result<Self, ShareRefusal> {
        let (kind, refill) = (ask.kind(), rules.refill(ask.kind()));
        let full_at = self.full_at(kind).map_or(now, |full_at| full_at.max(now));
        let latest = now.plus(refill * rules.burst(kind).saturating_sub(1));
        if full_at > latest {
            let allowance = self.allowance(kind, rules, now);
            let retry_at = now.plus(latest.until(full_at));
            return Err(ShareRefusal { retry_at, allowance });
        }
        let calls = self.calls_on(now).saturating_add(ask.calls());
        if ask.calls() > 0 && calls > rules.day_calls() {
            return Err(day_over(rules, now));
        }
        let mut next = self.clone();
        *next.full_at_mut(kind) = Some(full_at.plus(refill));
        (next.day, next.calls) = (now.date(), calls);
        next.version += 1;
        Ok(next)
    }

    /// The state of a bucket.
    #[must_use]
    pub fn allowance(&self, kind: ShareKind, rules: &PersonRules, now: Time) -> Allowance {
        let (quota, refill) = (rules.burst(kind), rules.refill(kind));
        let missing = self.full_at(kind).map_or(Duration::ZERO, |full_at| now.until(full_at));
        // Requests that have not completely refilled.
        let taken = millis(missing).div_ceil(millis(refill).max(1));
        let whole = Duration::from_millis(millis(refill) * taken.saturating_sub(1));
        Allowance {
            share: ShareName::Bucket(kind),
            quota,
            window: refill * quota,
            left: quota.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)),
            reset: missing.saturating_sub(whole),
        }
    }

    /// When a bucket is full again; `None` if nothing was ever taken from it.
    #[must_use]
    pub const fn full_at(&self, kind: ShareKind) -> Option<Time> {
        match kind {
            ShareKind::Identity => self.identity,
            ShareKind::Patient => self.patient,
            ShareKind::Consolidated => self.consolidated,
            ShareKind::Query => self.query,
            ShareKind::Links => self.links,
            ShareKind::Log => self.log,
        }
    }

    const fn full_at_mut(&mut self, kind: ShareKind) -> &mut Option<Time> {
        match kind {
            ShareKind::Identity => &mut self.identity,
            ShareKind::Patient => &mut self.patient,
            ShareKind::Consolidated => &mut self.consolidated,
            ShareKind::Query => &mut self.query,
            ShareKind::Links => &mut self.links,
            ShareKind::Log => &mut self.log,
        }
    }

    fn calls_on(&self, now: Time) -> u32 {
        if self.day == now.date() { self.calls } else { 0 }
    }

    /// Gives back the charge of a request that was not carried out. Its calls are given back only on the day on which
    /// they were charged.
    #[must_use]
    pub fn give_back(&self, ask: PersonAsk, rules: &PersonRules, now: Time) -> Self {
        let mut next = self.clone();
        let full_at = next.full_at_mut(ask.kind());
        *full_at = full_at.map(|full_at| full_at.minus(rules.refill(ask.kind())));
        if self.day == now.date() {
            next.calls = self.calls.saturating_sub(ask.calls());
        }
        next.version += 1;
        next
    }
}

fn day_over(rules: &PersonRules, now: Time) -> ShareRefusal {
    let retry_at = midnight_after(now);
    let allowance = Allowance {
        share: ShareName::Day,
        quota: rules.day_calls(),
        window: DAY,
        left: 0,
        reset: now.until(retry_at),
    };
    ShareRefusal { retry_at, allowance }
}
