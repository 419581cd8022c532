//! The rate budget as a function uses it: asks for a turn before a call upstream, and says to a caller of ours why
//! there is none.
//!
//! The person's share comes first (`person`), then the window of all persons, then the day: a call that gets no turn
//! costs nothing of the day. A call counts for the day when it takes its turn, not when it is planned.

mod day;
mod person;

use std::time::Duration;

use crate::clock;
use crate::config::{ConfigError, Env};
use crate::domain::budget::{Budget, Limits, Pace, Places, Share, Turn, midnight_after};
use crate::domain::{Time, Timing};
use crate::edge::error::Error;
use crate::edge::http::{Code, Problem};
use crate::metrics::{Metric, Metrics};
use crate::metriport::{Effect, UpstreamError};
use crate::ports::port;
use crate::store::{StoreError, Table, TakePlace, TakeSlot, Took};

pub use day::{CountCall, DayBudget, uncount_unsent};
pub use person::{CallerBudget, PersonBudget, TakeShare, TakeTurn};

use person::secs_until;

port! {
    /// Plans starts of network queries.
    pub trait PlanStart via HasBudget {
        /// Plans a start: a slot that leaves it room before `by`, on a day that has calls left.
        ///
        /// # Errors
        /// When the table fails.
        async fn plan_start(&self, now: Time, by: Time) -> Result<Turn, StoreError>;
    }
}

port! {
    /// Says when the start of a query may be made. One that may be made now is counted as a call of the day.
    pub trait StartInTurn via HasBudget {
        /// The turn of a network query that may have a slot: now, if that has come and there is a place; otherwise a
        /// later time before `by`, with a slot of its own. A start that is late takes any place, as its own is free.
        ///
        /// # Errors
        /// When the table fails.
        async fn turn_of_query(&self, slot: Option<Time>, now: Time, by: Time) -> Result<Turn, StoreError>;
        /// The turn of a consolidated query: now, if there is a place. Nothing is planned, so a record that waits for
        /// its patient keeps nobody else's place.
        ///
        /// # Errors
        /// When the table fails.
        async fn turn_of_record(&self, now: Time) -> Result<Turn, StoreError>;
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
        Ok(Self {
            day: DayBudget::read(table, env, metrics)?,
            limits: limits(env)?,
            timing,
        })
    }

    /// How starts of network queries are planned.
    fn pace(&self) -> Pace {
        Pace::new(self.limits.of(Budget::QueryStarts), self.timing)
    }

    async fn slot(&self, now: Time, latest: Time) -> Result<Turn, StoreError> {
        let pace = self.pace();
        let budget = Budget::QueryStarts;
        let turn = match self.day.table.take_slot(budget, &pace, now, latest).await? {
            Took::No(turn) => Turn::Busy(pace.retry_at(turn, now, latest)),
            Took::Yes(turn) => Turn::Granted(pace.slot(turn, now)),
        };
        Ok(self.measured(budget, now, turn))
    }

    /// The turn, once its wait or its refusal is measured. A day that is over is measured where it is counted.
    fn measured(&self, budget: Budget, now: Time, turn: Turn) -> Turn {
        let metric = match turn {
            Turn::Granted(at) => Some(now.until(at))
                .filter(|wait| !wait.is_zero())
                .map(|wait| Metric::budget_wait(budget, wait)),
            Turn::Busy(_) => Some(Metric::no_place(budget)),
            Turn::DayOver(_) => None,
        };
        self.day.metrics.put(metric.as_slice());
        turn
    }

    fn places(&self, budget: Budget) -> Places {
        Places::new(self.limits.of(budget), self.timing)
    }

    /// Takes a place. The answer says until when each is held.
    async fn take(&self, budget: Budget, now: Time) -> Result<Took<Vec<Option<Time>>>, StoreError> {
        let places = self.places(budget);
        self.day.table.take_place(budget, &places, now, draw()).await
    }

    /// A place now, for a call that a person waits for.
    async fn place(&self, budget: Budget, now: Time) -> Result<(), Error> {
        let turn = match self.take(budget, now).await? {
            Took::Yes(_) => self.count(Share::Person, now).await?,
            Took::No(held) => Turn::Busy(self.places(budget).free_at(&held, now)),
        };
        granted(self.measured(budget, now, turn), now)?;
        Ok(())
    }

    /// Lets nobody make such a call before `until`.
    async fn put_off(&self, budget: Budget, until: Time) -> Result<(), StoreError> {
        self.day.table.close_places(budget, until).await?;
        match budget {
            Budget::PatientWrites | Budget::Identity | Budget::ConsolidatedStarts => Ok(()),
            Budget::QueryStarts => {
                let turn = self.pace().turn_of(until);
                self.day.table.put_off_slots(budget, turn).await
            }
        }
    }

    /// Counts a call that has its place.
    async fn count(&self, share: Share, now: Time) -> Result<Turn, StoreError> {
        match self.count_call(share, now).await? {
            true => Ok(Turn::Granted(now)),
            false => Ok(Turn::DayOver(midnight_after(now))),
        }
    }
}

/// Reads `METRIPORT_LIMITS`.
fn limits(env: &Env) -> Result<Limits, ConfigError> {
    const NAME: &str = "METRIPORT_LIMITS";
    Limits::parse(env.required(NAME)?).map_err(|_malformed| ConfigError {
        name: NAME,
        problem: "not a list of patient=N,identity=N,query=N,consolidated=N, each from 2 to 1000000",
    })
}

fn draw() -> u64 {
    clock::new_id().as_u64_pair().1
}

impl PlanStart for RateBudget {
    async fn plan_start(&self, now: Time, by: Time) -> Result<Turn, StoreError> {
        // Looked at first, so that a day that is over costs no slot.
        if !self.day.has_room(Share::Start, now).await? {
            return Ok(Turn::DayOver(midnight_after(now)));
        }
        self.slot(now, self.pace().latest_to_accept(by)).await
    }
}

impl StartInTurn for RateBudget {
    async fn turn_of_query(&self, slot: Option<Time>, now: Time, by: Time) -> Result<Turn, StoreError> {
        let latest = self.pace().latest_to_start(by);
        let slot = match slot {
            Some(slot) => slot,
            None => match self.slot(now, latest).await? {
                Turn::Granted(slot) => slot,
                refused => return Ok(refused),
            },
        };
        if slot > now {
            return Ok(Turn::Granted(slot));
        }
        let turn = match self.take(Budget::QueryStarts, now).await? {
            Took::Yes(_) => self.count(Share::Start, now).await?,
            Took::No(held) => match self.places(Budget::QueryStarts).free_at(&held, now) {
                // Never at once: others may have been quicker.
                free_at if free_at <= latest => Turn::Granted(free_at.max(now.plus(self.timing.turn_retry()))),
                free_at => Turn::Busy(free_at),
            },
        };
        Ok(self.measured(Budget::QueryStarts, now, turn))
    }

    async fn turn_of_record(&self, now: Time) -> Result<Turn, StoreError> {
        let budget = Budget::ConsolidatedStarts;
        let turn = match self.take(budget, now).await? {
            Took::Yes(_) => self.count(Share::Start, now).await?,
            Took::No(held) => Turn::Granted(self.places(budget).retry_at(&held, now, draw())),
        };
        Ok(self.measured(budget, now, turn))
    }
}

impl HeedLimits for RateBudget {
    async fn heed(&self, budget: Budget, error: &UpstreamError, now: Time) {
        if error.effect() == Effect::NotSent {
            self.uncount_call(now).await;
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

    async fn uncount_call(&self, now: Time) {
        self.day.uncount_call(now).await;
    }
}

/// A turn that is needed by somebody who waits for an answer: when it is, or the refusal that says when to ask again.
///
/// # Errors
/// `upstream_busy`, with `Retry-After`.
pub fn granted(turn: Turn, now: Time) -> Result<Time, Problem> {
    match turn {
        Turn::Granted(at) => Ok(at),
        Turn::Busy(until) | Turn::DayOver(until) => Err(busy(until, now)),
    }
}

/// The refusal of a call that can be made from `until` on: in whole seconds, rounded up.
#[must_use]
pub fn busy(until: Time, now: Time) -> Problem {
    Problem::new(Code::UpstreamBusy).retry_after(secs_until(until, now))
}
