//! The rate budget as functions use it. A function asks for a turn before an upstream call. A turn that is not granted
//! names the time at which to ask again.
//!
//! The checks come in this order: the person's share (`person`), the places that all persons share, the calls of the
//! day. The day comes last, so that a call without a place does not count for the day. A call counts for the day when
//! it takes its place, not when it is planned.

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
pub use person::{CallerBudget, MintEntry, PersonBudget, TakeShare, TakeTurn};

use person::secs_until;

port! {
    /// Plans starts of network queries.
    pub trait PlanStart via HasBudget {
        /// Plans a start whose AAL2 session can be used until `by`. If the day has calls left, takes a slot that is
        /// early enough.
        ///
        /// # Errors
        /// When the table fails.
        async fn plan_start(&self, now: Time, by: Time) -> Result<Turn, StoreError>;
    }
}

port! {
    /// Decides when a query may be started. A start that may be made now counts as a call of the day.
    pub trait StartInTurn via HasBudget {
        /// The turn of a network query, which may already have a slot. If the time of the slot has come and a place is
        /// free, the turn is now. Otherwise the turn is a later time before `by`, and this time becomes the query's
        /// slot. A start that is later than its slot usually still finds a free place, because one was planned for it.
        ///
        /// # Errors
        /// When the table fails.
        async fn turn_of_query(&self, slot: Option<Time>, now: Time, by: Time) -> Result<Turn, StoreError>;
        /// The turn of a consolidated query: now if a place is free, otherwise a time to try again. No place is
        /// reserved for a record that waits.
        ///
        /// # Errors
        /// When the table fails.
        async fn turn_of_record(&self, now: Time) -> Result<Turn, StoreError>;
    }
}

port! {
    /// Decides when a patient may be deleted.
    pub trait DeleteInTurn via HasBudget {
        /// The turn of a deletion: now if a place is free, otherwise a time to try again. A deletion that may be made
        /// now counts as a call of the day.
        ///
        /// # Errors
        /// When the table fails.
        async fn turn_of_deletion(&self, now: Time) -> Result<Turn, StoreError>;
    }
}

port! {
    /// Applies Metriport's answers about its limits to all functions.
    pub trait PauseCalls via HasBudget {
        /// Applies an error that came at `now`:
        ///
        /// - After a 429 that names a wait, no function makes a call of this budget until the wait is over.
        /// - A 429 that names no wait comes from Metriport's gateway, which counts calls differently. It does not
        ///   change the budget.
        /// - A call that could not be sent no longer counts for the day. Otherwise an hour without a connection to
        ///   Metriport would use up the calls of a day.
        async fn pause_calls(&self, budget: Budget, error: &UpstreamError, now: Time) -> ();
    }
}

/// If the answer, which came at `now`, is an error, applies it to the budget. Returns the answer unchanged.
///
/// # Errors
/// The error of the answer.
pub async fn apply_limits<T>(
    io: &impl PauseCalls,
    budget: Budget,
    answer: Result<T, UpstreamError>,
    now: Time,
) -> Result<T, UpstreamError> {
    if let Err(error) = &answer {
        io.pause_calls(budget, error, now).await;
    }
    answer
}

/// The rate budget that all functions share.
#[derive(Clone)]
pub struct RateBudget {
    day: DayBudget,
    limits: Limits,
    timing: Timing,
}

impl RateBudget {
    /// Reads `METRIPORT_LIMITS` and the variable of [`DayBudget::read`].
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

    fn pace(&self) -> Pace {
        Pace::new(self.limits.of(Budget::QueryStarts), self.timing)
    }

    async fn slot(&self, now: Time, latest: Time) -> Result<Turn, StoreError> {
        let pace = self.pace();
        let budget = Budget::QueryStarts;
        let turn = match self.day.table.take_slot(budget, &pace, now, latest).await? {
            Took::No(planned) => Turn::Busy(pace.retry_at(planned, now, latest)),
            Took::Yes(planned) => Turn::Granted(pace.slot(planned, now)),
        };
        Ok(self.measure_turn(budget, now, turn))
    }

    /// Writes the metric of a wait or a refusal. The function that counts the calls of the day writes the metric of a
    /// used-up day.
    fn measure_turn(&self, budget: Budget, now: Time, turn: Turn) -> Turn {
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

    /// Takes a place. Returns the time until which each place is held.
    async fn take(&self, budget: Budget, now: Time) -> Result<Took<Vec<Option<Time>>>, StoreError> {
        let places = self.places(budget);
        self.day.table.take_place(budget, &places, now, draw()).await
    }

    /// Takes a place now, for a call that a person waits for.
    async fn place(&self, budget: Budget, now: Time) -> Result<(), Error> {
        let turn = match self.take(budget, now).await? {
            Took::Yes(_) => self.count(Share::Person, now).await?,
            Took::No(held) => Turn::Busy(self.places(budget).free_at(&held, now)),
        };
        granted(self.measure_turn(budget, now, turn), now)?;
        Ok(())
    }

    /// Keeps every function from making a call of this budget before `until`.
    async fn put_off(&self, budget: Budget, until: Time) -> Result<(), StoreError> {
        self.day.table.close_places(budget, until).await?;
        match budget {
            Budget::PatientWrites | Budget::Identity | Budget::ConsolidatedStarts => Ok(()),
            Budget::QueryStarts => {
                let planned = self.pace().planned_for(until);
                self.day.table.put_off_slots(budget, planned).await
            }
        }
    }

    /// Counts a call of the day, after the call has taken its place.
    async fn count(&self, share: Share, now: Time) -> Result<Turn, StoreError> {
        match self.count_call(share, now).await? {
            true => Ok(Turn::Granted(now)),
            false => Ok(Turn::DayOver(midnight_after(now))),
        }
    }
}

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
        // The day is read first, so that a pull takes no slot on a day whose calls are used up.
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
        // The place comes before the day's count, so that a start without a place counts no call.
        let turn = match self.take(Budget::QueryStarts, now).await? {
            Took::Yes(_) => self.count(Share::Start, now).await?,
            Took::No(held) => match self.places(Budget::QueryStarts).free_at(&held, now) {
                // The start waits at least `turn_retry`, because another start may take the place first.
                free_at if free_at <= latest => Turn::Granted(free_at.max(now.plus(self.timing.turn_retry()))),
                free_at => Turn::Busy(free_at),
            },
        };
        Ok(self.measure_turn(Budget::QueryStarts, now, turn))
    }

    async fn turn_of_record(&self, now: Time) -> Result<Turn, StoreError> {
        let budget = Budget::ConsolidatedStarts;
        let turn = match self.take(budget, now).await? {
            Took::Yes(_) => self.count(Share::Start, now).await?,
            Took::No(held) => Turn::Granted(self.places(budget).retry_at(&held, now, draw())),
        };
        Ok(self.measure_turn(budget, now, turn))
    }
}

impl DeleteInTurn for RateBudget {
    async fn turn_of_deletion(&self, now: Time) -> Result<Turn, StoreError> {
        let budget = Budget::PatientWrites;
        let turn = match self.take(budget, now).await? {
            Took::Yes(_) => self.count(Share::Start, now).await?,
            Took::No(held) => Turn::Busy(self.places(budget).free_at(&held, now)),
        };
        Ok(self.measure_turn(budget, now, turn))
    }
}

impl PauseCalls for RateBudget {
    async fn pause_calls(&self, budget: Budget, error: &UpstreamError, now: Time) {
        if error.effect() == Effect::NotSent {
            self.uncount_call(now).await;
        }
        let Some(wait) = error.retry_after().filter(|wait| *wait > Duration::ZERO) else {
            return;
        };
        tracing::warn!(
            budget = budget.name(),
            secs = wait.as_secs(),
            "Metriport's rate limit refused a call, despite the rate budget"
        );
        if let Err(error) = self.put_off(budget, now.plus(wait)).await {
            tracing::warn!(context = %error, "the pause of the rate budget could not be stored");
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

/// The time of a granted turn, or the refusal that tells the caller when to ask again.
///
/// # Errors
/// `upstream_busy`, with `Retry-After`.
pub fn granted(turn: Turn, now: Time) -> Result<Time, Problem> {
    match turn {
        Turn::Granted(at) => Ok(at),
        Turn::Busy(until) | Turn::DayOver(until) => Err(busy(until, now)),
    }
}

/// The refusal of a call that can be made from `until` on. `Retry-After` is in whole seconds, rounded up.
#[must_use]
pub fn busy(until: Time, now: Time) -> Problem {
    Problem::new(Code::UpstreamBusy).retry_after(secs_until(until, now))
}
