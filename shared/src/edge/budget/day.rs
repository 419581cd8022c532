//! The calls of the day. A call counts when it is made, and no longer counts if it certainly was not sent.

use crate::config::{ConfigError, Env};
use crate::domain::Time;
use crate::domain::budget::{Share, new_percent};
use crate::metrics::{Metric, Metrics};
use crate::metriport::{Effect, UpstreamError};
use crate::ports::HasBudget;
use crate::store::{ReadDay, SpendDay, StoreError, Table, Took};

/// The calls of the day.
#[derive(Clone)]
pub struct DayBudget {
    pub(super) table: Table,
    pub(super) quota: u32,
    pub(super) metrics: Metrics,
}

/// Counts calls that need no place. The rate budget itself counts a call that takes a place.
pub trait CountCall {
    /// The number of calls a day that Metriport allows.
    fn quota(&self) -> u32;
    /// Counts one call of the day. Returns `false` if `share` has no call left; the call must then not be made.
    fn count_call(&self, share: Share, now: Time) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Removes a call that was counted but not sent. If that fails, the failure is logged, and the count stays too high
    /// by one.
    fn uncount_call(&self, now: Time) -> impl Future<Output = ()> + Send;
}

impl<T: HasBudget<Adapter: CountCall>> CountCall for T {
    fn quota(&self) -> u32 {
        self.adapter().quota()
    }

    fn count_call(&self, share: Share, now: Time) -> impl Future<Output = Result<bool, StoreError>> + Send {
        self.adapter().count_call(share, now)
    }

    fn uncount_call(&self, now: Time) -> impl Future<Output = ()> + Send {
        self.adapter().uncount_call(now)
    }
}

/// Uncounts a call if `answer`, which came at `now`, shows that the call was not sent. Otherwise an hour without a
/// connection to Metriport would use up the calls of a day.
///
/// # Errors
/// The error of the answer.
pub async fn uncount_unsent<T>(
    io: &impl CountCall,
    answer: Result<T, UpstreamError>,
    now: Time,
) -> Result<T, UpstreamError> {
    if answer.as_ref().is_err_and(|error| error.effect() == Effect::NotSent) {
        io.uncount_call(now).await;
    }
    answer
}

impl DayBudget {
    /// Reads `METRIPORT_DAILY_QUOTA`.
    ///
    /// # Errors
    /// When it is missing or not a whole number of at least 1.
    pub fn read(table: &Table, env: &Env, metrics: &Metrics) -> Result<Self, ConfigError> {
        let (table, metrics) = (table.clone(), metrics.clone());
        let quota = quota(env)?;
        Ok(Self { table, quota, metrics })
    }

    /// Whether `share` has a call of the day left. Counts no call.
    pub(super) async fn has_room(&self, share: Share, now: Time) -> Result<bool, StoreError> {
        let has_room = self.table.day_calls(now).await? < share.of(self.quota);
        if !has_room {
            self.metrics.put(&[Metric::day_over()]);
        }
        Ok(has_room)
    }
}

pub(super) fn quota(env: &Env) -> Result<u32, ConfigError> {
    const NAME: &str = "METRIPORT_DAILY_QUOTA";
    let quota = env.required(NAME)?.parse().ok().filter(|quota| *quota > 0);
    quota.ok_or(ConfigError {
        name: NAME,
        problem: "not a whole number of at least 1",
    })
}

impl CountCall for DayBudget {
    fn quota(&self) -> u32 {
        self.quota
    }

    async fn count_call(&self, share: Share, now: Time) -> Result<bool, StoreError> {
        let spent = self.table.spend_day(now, share.of(self.quota)).await?;
        let metric = match spent {
            Took::Yes(calls) => new_percent(calls, self.quota).map(Metric::daily_quota_used),
            Took::No(_) => Some(Metric::day_over()),
        };
        self.metrics.put(metric.as_slice());
        Ok(matches!(spent, Took::Yes(_)))
    }

    async fn uncount_call(&self, now: Time) {
        if let Err(error) = self.table.unspend_day(now).await {
            tracing::warn!(context = %error, "an unsent call could not be removed from the day's count");
        }
    }
}
