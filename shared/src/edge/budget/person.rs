//! A person's own share of the limits. A request is charged to it before the request takes a place of the shared
//! budget, which all persons use.
//!
//! A refusal because of the person's share describes that share in its headers and `Retry-After`. A refusal by the
//! shared budget says only when to ask again: the caller must not learn how busy other persons are.

use std::ops::RangeInclusive;

use super::day::quota;
use super::{CountCall, PauseCalls, PlanStart, RateBudget, limits};
use crate::config::{ConfigError, Env};
use crate::domain::budget::{Allowance, Budget, PersonAsk, PersonRules, PersonShares, Share, ShareRefusal, Turn};
use crate::domain::{OwnerId, Time, Timing};
use crate::edge::error::Error;
use crate::edge::http::{Code, Problem};
use crate::metrics::{Metric, Metrics};
use crate::metriport::UpstreamError;
use crate::ports::port;
use crate::store::{Mint, SpendShare, StoreError, Table, Took, WriteMint};

port! {
    /// Charges a person's share with a request that needs no place of the shared budget now.
    pub trait TakeShare via HasBudget {
        /// Charges the person's share with one request. Returns the state of the share.
        ///
        /// # Errors
        /// Fails with `too_many_requests` and `Retry-After` if the share is used up. It also fails if the table fails.
        async fn share(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<Allowance, Error>;
    }
}

port! {
    /// Takes places for calls that a person waits for.
    pub trait TakeTurn via HasBudget {
        /// Charges the person's share with the request, then takes a place of the shared budget, then counts a call of
        /// the day. Returns the state of the person's share.
        ///
        /// # Errors
        /// Fails with `too_many_requests` if the person's share is used up, and with `upstream_busy` if no place is
        /// free or the day's calls are used up. Both have `Retry-After`. It also fails if the table fails.
        async fn place(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<Allowance, Error>;
    }
}

port! {
    /// Charges a person's share with a record link.
    pub trait MintEntry via HasBudget {
        /// The person's shares.
        async fn shares(&self, owner: &OwnerId) -> Result<PersonShares, StoreError>;
        /// Charges the link to the shares as they were read, and writes the link's entry in the access log, in one
        /// transaction. Call this before the link is made. Returns the state of the person's share.
        ///
        /// # Errors
        /// Fails with `too_many_requests` and `Retry-After` if the share is used up. It also fails if the shares or the
        /// root have changed since they were read, if the entry is not new, or if the table fails.
        async fn write_mint(&self, owner: &OwnerId, mint: Mint<'_>, read: &PersonShares) -> Result<Allowance, Error>;
    }
}

/// The shares of persons.
#[derive(Clone)]
pub struct PersonBudget {
    table: Table,
    rules: PersonRules,
    metrics: Metrics,
}

impl PersonBudget {
    /// Reads `PERSON_BURST`, `PERSON_SHARE_PERCENT`, `METRIPORT_LIMITS` and `METRIPORT_DAILY_QUOTA`.
    ///
    /// # Errors
    /// When one of them is missing or malformed.
    pub fn read(table: &Table, env: &Env, timing: Timing, metrics: &Metrics) -> Result<Self, ConfigError> {
        let rules = PersonRules {
            burst: to_a_hundred(env, "PERSON_BURST")?,
            percent: to_a_hundred(env, "PERSON_SHARE_PERCENT")?,
            limits: limits(env)?,
            daily_quota: quota(env)?,
            timing,
        };
        Ok(Self {
            table: table.clone(),
            rules,
            metrics: metrics.clone(),
        })
    }

    /// Charges the person's share with one request. Returns the stored shares, and the state of the share that was
    /// charged.
    async fn take(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<(PersonShares, Allowance), Error> {
        let refusal = match self.table.spend_share(owner, ask, &self.rules, now).await? {
            Took::Yes(shares) => {
                let allowance = shares.allowance(ask.kind(), &self.rules, now);
                return Ok((shares, allowance));
            }
            Took::No(shares) => match shares.take(ask, &self.rules, now) {
                Err(refusal) => refusal,
                // At every attempt, another request of the person wrote first. The next request may succeed at once.
                Ok(_) => ShareRefusal {
                    retry_at: now,
                    allowance: shares.allowance(ask.kind(), &self.rules, now),
                },
            },
        };
        Err(self.refuse(&refusal, now))
    }

    fn refuse(&self, refusal: &ShareRefusal, now: Time) -> Error {
        self.metrics
            .put(&[Metric::share_refused(refusal.allowance.share.as_str())]);
        beyond_share(refusal, now).into()
    }

    /// Gives back the charge of a request that was not made. If that fails, the person has one request less for a
    /// while.
    async fn give_back(&self, owner: &OwnerId, taken: PersonShares, ask: PersonAsk, now: Time) {
        let given = self.table.give_share_back(owner, taken, ask, &self.rules, now).await;
        if let Err(error) = given {
            tracing::warn!(context = %error, "an unused part of a person's share could not be returned");
        }
    }
}

/// Reads a whole number from 1 to 100.
fn to_a_hundred(env: &Env, name: &'static str) -> Result<u32, ConfigError> {
    const RANGE: RangeInclusive<u32> = 1..=100;
    let number = env.required(name)?.parse().ok().filter(|number| RANGE.contains(number));
    number.ok_or(ConfigError {
        name,
        problem: "not a whole number from 1 to 100",
    })
}

fn beyond_share(refusal: &ShareRefusal, now: Time) -> Problem {
    let mut problem = Problem::new(Code::TooManyRequests).retry_after(secs_until(refusal.retry_at, now));
    problem.rate_limit = Some(refusal.allowance);
    problem
}

/// The seconds from `now` to `later`, rounded up, and at least 1.
pub(super) fn secs_until(later: Time, now: Time) -> u64 {
    let secs = now.until(later).as_millis().div_ceil(1000).max(1);
    u64::try_from(secs).unwrap_or(u64::MAX)
}

impl TakeShare for PersonBudget {
    async fn share(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<Allowance, Error> {
        Ok(self.take(owner, ask, now).await?.1)
    }
}

impl MintEntry for PersonBudget {
    async fn shares(&self, owner: &OwnerId) -> Result<PersonShares, StoreError> {
        self.table.shares(owner).await
    }

    async fn write_mint(&self, owner: &OwnerId, mint: Mint<'_>, read: &PersonShares) -> Result<Allowance, Error> {
        let (ask, now) = (PersonAsk::Link, mint.at);
        let charged = read
            .take(ask, &self.rules, now)
            .map_err(|refusal| self.refuse(&refusal, now))?;
        self.table.write_mint(owner, mint, &charged, &self.rules).await?;
        Ok(charged.allowance(ask.kind(), &self.rules, now))
    }
}

/// The budget of calls that a person waits for: the person's share and the shared budget.
#[derive(Clone)]
pub struct CallerBudget {
    shares: PersonBudget,
    rate: RateBudget,
}

impl CallerBudget {
    /// Reads the variables of [`PersonBudget::read`] and [`RateBudget::read`].
    ///
    /// # Errors
    /// When a variable is missing or malformed.
    pub fn read(table: &Table, env: &Env, timing: Timing, metrics: &Metrics) -> Result<Self, ConfigError> {
        Ok(Self {
            shares: PersonBudget::read(table, env, timing, metrics)?,
            rate: RateBudget::read(table, env, timing, metrics)?,
        })
    }
}

impl TakeTurn for CallerBudget {
    async fn place(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<Allowance, Error> {
        let (taken, allowance) = self.shares.take(owner, ask, now).await?;
        let Some(budget) = ask.budget() else {
            return Ok(allowance);
        };
        match self.rate.place(budget, now).await {
            Ok(()) => Ok(allowance),
            Err(refused) => {
                // No call was made, so the person keeps the share.
                self.shares.give_back(owner, taken, ask, now).await;
                Err(refused)
            }
        }
    }
}

impl TakeShare for CallerBudget {
    async fn share(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<Allowance, Error> {
        self.shares.share(owner, ask, now).await
    }
}

impl PlanStart for CallerBudget {
    async fn plan_start(&self, now: Time, by: Time) -> Result<Turn, StoreError> {
        self.rate.plan_start(now, by).await
    }
}

impl PauseCalls for CallerBudget {
    async fn pause_calls(&self, budget: Budget, error: &UpstreamError, now: Time) {
        self.rate.pause_calls(budget, error, now).await;
    }
}

impl CountCall for CallerBudget {
    fn quota(&self) -> u32 {
        self.rate.quota()
    }

    async fn count_call(&self, share: Share, now: Time) -> Result<bool, StoreError> {
        self.rate.count_call(share, now).await
    }

    async fn uncount_call(&self, now: Time) {
        self.rate.uncount_call(now).await;
    }
}
