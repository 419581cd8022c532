//! The rate budget as a function uses it: asks for a turn before a call upstream, and says to a caller of ours why
//! there is none.
//!
//! The window comes first and the day second: a call that gets no turn in its window costs nothing of the day. A slot
//! whose call the day refuses is lost; that happens at the end of a day that is used up.

use std::time::Duration;

use crate::clock;
use crate::config::{ConfigError, Env};
use crate::domain::budget::{Allowance, Budget, Limits, Pace, Places, Share, Turn, midnight_after, new_percent};
use crate::domain::{Time, Timing};
use crate::edge::error::Error;
use crate::edge::http::{Code, Problem};
use crate::metrics::{Metric, Metrics};
use crate::metriport::{Effect, UpstreamError};
use crate::ports::{HasBudget, port};
use crate::store::{SpendDay, StoreError, Table, TakePlace, TakeSlot, Took};

/// The calls of the day.
#[derive(Clone)]
pub struct DayBudget {
    table: Table,
    quota: u32,
    metrics: Metrics,
}

/// Counts calls that no limit per minute is known of.
pub trait CountCall {
    /// Calls a day that upstream allows.
    fn quota(&self) -> u32;
    /// Counts one call of the day; `false` when it must not be made.
    fn count_call(&self, share: Share, now: Time) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

impl<T: HasBudget<Adapter: CountCall>> CountCall for T {
    fn quota(&self) -> u32 {
        self.adapter().quota()
    }

    fn count_call(&self, share: Share, now: Time) -> impl Future<Output = Result<bool, StoreError>> + Send {
        self.adapter().count_call(share, now)
    }
}

port! {
    /// Says when the start of a query may be made, which must be before `by`.
    pub trait StartInTurn via HasBudget {
        /// Plans a start: a slot that leaves it room before `by`. The start counts as a call of this day.
        ///
        /// # Errors
        /// When the table fails.
        async fn plan_start(&self, budget: Budget, now: Time, by: Time) -> Result<Turn, StoreError>;
        /// The turn of a start that may have a slot: now, if that has come and there is a place; else a later time,
        /// with a slot of its own. A start that is late takes any place, as its own is free.
        ///
        /// # Errors
        /// When the table fails.
        async fn turn_of_start(
            &self,
            budget: Budget,
            slot: Option<Time>,
            now: Time,
            by: Time,
        ) -> Result<Turn, StoreError>;
    }
}

port! {
    /// Takes places for calls that a person waits for.
    pub trait TakeTurn via HasBudget {
        /// A place, now or not. How the budget stands then.
        ///
        /// # Errors
        /// `upstream_busy` when there is none, with `Retry-After`; and when the table fails.
        async fn place(&self, budget: Budget, now: Time) -> Result<Allowance, Error>;
    }
}

port! {
    /// Lets everybody know what upstream said about its limits.
    pub trait HeedLimits via HasBudget {
        /// Heeds an error that came at `now`. After a 429, no function makes such a call until the time it names. A 429
        /// that names no time comes from the gateway, which counts otherwise, and says nothing about this budget. A
        /// call that could not be sent does not count for the day: an hour without a way to Metriport would use up the
        /// calls of a day.
        async fn heed(&self, budget: Budget, error: &UpstreamError, now: Time) -> ();
    }
}

/// The answer to a call, which came at `now`, once it is heeded.
///
/// # Errors
/// The answer's own.
pub async fn heeded<T>(
    io: &impl HeedLimits,
    budget: Budget,
    answer: Result<T, UpstreamError>,
    now: Time,
) -> Result<T, UpstreamError> {
    if let Err(error) = &answer {
        io.heed(budget, error, now).await;
    }
    answer
}

impl DayBudget {
    /// Reads `METRIPORT_DAILY_QUOTA`.
    ///
    /// # Errors
    /// When it is missing or not a whole number from 1 on.
    pub fn read(table: &Table, env: &Env, metrics: &Metrics) -> Result<Self, ConfigError> {
        const NAME: &str = "METRIPORT_DAILY_QUOTA";
        let quota = env.required(NAME)?.parse().ok().filter(|quota| *quota > 0);
        let (table, metrics) = (table.clone(), metrics.clone());
        let quota = quota.ok_or(ConfigError {
            name: NAME,
            problem: "not a whole number from 1 on",
        })?;
        Ok(Self { table, quota, metrics })
    }
}

impl CountCall for DayBudget {
    fn quota(&self) -> u32 {
        self.quota
    }

    async fn count_call(&self, share: Share, now: Time) -> Result<bool, StoreError> {
        let spent = self.table.spend_day(now, share.of(self.quota)).await?;
        let told = match spent {
            Took::Yes(calls) => new_percent(calls, self.quota).map(Metric::daily_quota_used),
            Took::No(_) => Some(Metric::day_over()),
        };
        self.metrics.put(told.as_slice());
        Ok(matches!(spent, Took::Yes(_)))
    }
}

/// The budget of all calls.
#[derive(Clone)]
pub struct RateBudget {
    day: DayBudget,
    limits: Limits,
    timing: Timing,
}

impl RateBudget {
    /// Reads `METRIPORT_LIMITS` and what [`DayBudget`] reads.
    ///
    /// # Errors
    /// When one of them is missing or malformed.
    pub fn read(table: &Table, env: &Env, timing: Timing, metrics: &Metrics) -> Result<Self, ConfigError> {
        const NAME: &str = "METRIPORT_LIMITS";
        let limits = Limits::parse(env.required(NAME)?).map_err(|_malformed| ConfigError {
            name: NAME,
            problem: "not a list of patient=N,identity=N,query=N,consolidated=N, each from 2 to 1000000",
        })?;
        Ok(Self {
            day: DayBudget::read(table, env, metrics)?,
            limits,
            timing,
        })
    }

    /// How starts are planned.
    fn pace(&self, budget: Budget) -> Pace {
        Pace::new(budget, self.limits.of(budget), self.timing)
    }

    async fn slot(&self, budget: Budget, now: Time, latest: Time) -> Result<Turn, StoreError> {
        let pace = self.pace(budget);
        let allowance = |next| pace.allowance(next, now, latest);
        let turn = match self.day.table.take_slot(budget, &pace, now, latest).await? {
            Took::No(turn) => {
                let allowance = allowance(turn);
                // While there is room, others were quicker again and again: that is over at once.
                let wait = match allowance.left {
                    0 => allowance.reset,
                    _ => pace.spacing(),
                };
                Turn::Busy(now.plus(wait), Allowance { left: 0, ..allowance })
            }
            Took::Yes(turn) => {
                let granted = Turn::Granted(pace.slot(turn, now), allowance(turn.plus(pace.spacing())));
                self.of_the_day(Share::Start, granted, now).await?
            }
        };
        Ok(self.told(budget, turn, now))
    }

    /// The turn, once the operator is told of the wait or the refusal that it is. That the day is over is told where it
    /// is counted.
    fn told(&self, budget: Budget, turn: Turn, now: Time) -> Turn {
        let told = match turn {
            Turn::Granted(at, _) => Some(now.until(at))
                .filter(|wait| !wait.is_zero())
                .map(|wait| Metric::budget_wait(budget, wait)),
            Turn::Busy(..) => Some(Metric::no_place(budget)),
            Turn::DayOver(_) => None,
        };
        self.day.metrics.put(told.as_slice());
        turn
    }

    async fn take(&self, budget: Budget, now: Time) -> Result<Turn, StoreError> {
        let places = Places::new(budget, self.limits.of(budget), self.timing);
        let (_, draw) = clock::new_id().as_u64_pair();
        Ok(match self.day.table.take_place(budget, &places, now, draw).await? {
            Took::No(held) => {
                let (allowance, free_at) = places.allowance(&held, now);
                Turn::Busy(free_at, Allowance { left: 0, ..allowance })
            }
            Took::Yes(held) => Turn::Granted(now, places.allowance(&held, now).0),
        })
    }

    /// Lets nobody make such a call before `until`.
    async fn put_off(&self, budget: Budget, until: Time) -> Result<(), StoreError> {
        self.day.table.close_places(budget, until).await?;
        match budget {
            Budget::PatientWrites | Budget::Identity => Ok(()),
            Budget::QueryStarts | Budget::ConsolidatedStarts => {
                let turn = self.pace(budget).turn_of(until);
                self.day.table.put_off_slots(budget, turn).await
            }
        }
    }

    async fn of_the_day(&self, share: Share, granted: Turn, now: Time) -> Result<Turn, StoreError> {
        match self.count_call(share, now).await? {
            true => Ok(granted),
            false => Ok(Turn::DayOver(midnight_after(now))),
        }
    }
}

impl StartInTurn for RateBudget {
    async fn plan_start(&self, budget: Budget, now: Time, by: Time) -> Result<Turn, StoreError> {
        self.slot(budget, now, self.pace(budget).latest_to_accept(by)).await
    }

    async fn turn_of_start(&self, budget: Budget, slot: Option<Time>, now: Time, by: Time) -> Result<Turn, StoreError> {
        let pace = self.pace(budget);
        let latest = pace.latest_to_start(by);
        let slot = match slot {
            Some(slot) => slot,
            None => match self.slot(budget, now, latest).await? {
                Turn::Granted(slot, _) => slot,
                refused => return Ok(refused),
            },
        };
        if slot > now {
            return Ok(Turn::Granted(slot, pace.allowance(pace.turn_of(slot), now, latest)));
        }
        let turn = match self.take(budget, now).await? {
            Turn::Busy(free_at, allowance) if free_at <= latest => {
                // Never at once: others may have been quicker.
                Turn::Granted(free_at.max(now.plus(self.timing.turn_retry())), allowance)
            }
            turn => turn,
        };
        Ok(self.told(budget, turn, now))
    }
}

impl TakeTurn for RateBudget {
    async fn place(&self, budget: Budget, now: Time) -> Result<Allowance, Error> {
        let turn = match self.take(budget, now).await? {
            granted @ Turn::Granted(..) => self.of_the_day(Share::Person, granted, now).await?,
            refused => refused,
        };
        let (_, allowance) = granted(self.told(budget, turn, now), now)?;
        Ok(allowance)
    }
}

impl HeedLimits for RateBudget {
    async fn heed(&self, budget: Budget, error: &UpstreamError, now: Time) {
        if error.effect() == Effect::NotSent
            && let Err(error) = self.day.table.unspend_day(now).await
        {
            tracing::warn!(context = %error, "a call that was not sent counts");
        }
        let Some(wait) = error.retry_after().filter(|wait| *wait > Duration::ZERO) else {
            return;
        };
        tracing::warn!(
            budget = budget.name(),
            secs = wait.as_secs(),
            "upstream's rate limit was met all the same"
        );
        if let Err(error) = self.put_off(budget, now.plus(wait)).await {
            tracing::warn!(context = %error, "the budget could not be put off");
        }
    }
}

impl CountCall for RateBudget {
    fn quota(&self) -> u32 {
        self.day.quota
    }

    async fn count_call(&self, share: Share, now: Time) -> Result<bool, StoreError> {
        self.day.count_call(share, now).await
    }
}

/// A turn that is needed by somebody who waits for an answer: when it is, or the refusal that says when to ask again.
///
/// # Errors
/// `upstream_busy`, with `Retry-After`.
pub fn granted(turn: Turn, now: Time) -> Result<(Time, Allowance), Problem> {
    match turn {
        Turn::Granted(at, allowance) => Ok((at, allowance)),
        Turn::Busy(until, allowance) => {
            let mut problem = busy(until, now);
            problem.rate_limit = Some(allowance);
            Err(problem)
        }
        Turn::DayOver(until) => Err(busy(until, now)),
    }
}

/// The refusal of a call that can be made from `until` on: in whole seconds, rounded up.
#[must_use]
pub fn busy(until: Time, now: Time) -> Problem {
    let secs = now.until(until).as_millis().div_ceil(1000).max(1);
    Problem::new(Code::UpstreamBusy).retry_after(u64::try_from(secs).unwrap_or(u64::MAX))
}
