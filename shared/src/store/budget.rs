//! The items of the rate budget: the next planned start (see [`Pace`]), the held places, and the day's count of calls.
//!
//! One conditional update takes a planned time, a place or a call. If the condition fails, DynamoDB returns the stored
//! item, and the next attempt decides with that item. All functions write these few items, so the number of attempts is
//! limited. If all of them fail, the result is [`Took::No`].

use std::str::FromStr;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;

use super::keys::Key;
use super::table::{Item, number, refused, text};
use super::{Result, Table, keys};
use crate::domain::Time;
use crate::domain::budget::{Budget, Pace, Places};
use crate::domain::retention::DAY_COUNT_DAYS;

/// Maximum number of attempts to take one slot. An attempt fails if another function takes a slot first.
const TRIES: u32 = 6;
/// The condition that a place is free, and that the places are not closed.
const FREE_AND_OPEN: &str =
    "(attribute_not_exists(#place) OR #place <= :now) AND (attribute_not_exists(closed) OR closed <= :now)";
const DAY_COUNT_LIFE_SECS: i64 = DAY_COUNT_DAYS as i64 * 86_400;

/// The outcome of an attempt to take a planned time, a place, a call of the day or a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Took<S> {
    /// Taken, with the value that the called method describes.
    Yes(S),
    /// Not taken, with the stored value.
    No(S),
}

#[derive(Deserialize)]
struct DayRow {
    calls: u32,
}

/// Takes slots of a budget.
pub trait TakeSlot {
    /// Takes the next planned time, unless its slot would lie after `latest`. Returns that time in both cases.
    fn take_slot(
        &self,
        budget: Budget,
        pace: &Pace,
        now: Time,
        latest: Time,
    ) -> impl Future<Output = Result<Took<Time>>> + Send;
    /// Moves the next planned time to `planned`, unless it is later already. This delays the slots of all functions.
    fn put_off_slots(&self, budget: Budget, planned: Time) -> impl Future<Output = Result<()>> + Send;
}

/// Takes places of a budget.
pub trait TakePlace {
    /// Takes a free place. `draw`, a random number, chooses which one is tried. Returns, for each place, the time until
    /// which it is held.
    fn take_place(
        &self,
        budget: Budget,
        places: &Places,
        now: Time,
        draw: u64,
    ) -> impl Future<Output = Result<Took<Vec<Option<Time>>>>> + Send;
    /// Closes all places until `until`, for all functions.
    fn close_places(&self, budget: Budget, until: Time) -> impl Future<Output = Result<()>> + Send;
}

/// Reads the calls of a day.
pub trait ReadDay {
    /// The number of calls that were counted on the day of `now`.
    fn day_calls(&self, now: Time) -> impl Future<Output = Result<u32>> + Send;
}

/// Counts the calls of a day.
pub trait SpendDay {
    /// Counts one call of the day, provided that fewer than `calls_max` were counted. Returns the count.
    fn spend_day(&self, now: Time, calls_max: u32) -> impl Future<Output = Result<Took<u32>>> + Send;
    /// Takes back one call of the day that was counted and not made.
    fn unspend_day(&self, now: Time) -> impl Future<Output = Result<()>> + Send;
}

impl TakeSlot for Table {
    async fn take_slot(&self, budget: Budget, pace: &Pace, now: Time, latest: Time) -> Result<Took<Time>> {
        let (last, mut known) = (pace.planned_for(latest), None);
        for _ in 0..TRIES {
            // Usually the stored time has passed or does not exist. The call is then planned for `now`, and this one
            // write takes it.
            if known.is_none_or(|next| next < now) {
                let begin = self
                    .update_item_of(keys::budget(budget))
                    .update_expression("SET #next = :after")
                    .condition_expression("attribute_not_exists(#next) OR #next < :now")
                    .expression_attribute_names("#next", "next")
                    .expression_attribute_values(":after", time(now.plus(pace.spacing())))
                    .expression_attribute_values(":now", time(now));
                match tried(begin.send().await)? {
                    Ok(_) => return Ok(Took::Yes(now)),
                    Err(item) => known = read(&item, "next"),
                }
            }
            if let Some(next) = known.filter(|next| *next > last) {
                return Ok(Took::No(next));
            }
            // The stored time lies ahead. This write takes it and moves `next` on by one spacing.
            let queue = self
                .update_item_of(keys::budget(budget))
                .update_expression("SET #next = #next + :spacing")
                .condition_expression("#next >= :now AND #next <= :last")
                .expression_attribute_names("#next", "next")
                .expression_attribute_values(":spacing", number(pace.spacing().as_millis()))
                .expression_attribute_values(":now", time(now))
                .expression_attribute_values(":last", time(last))
                .return_values(ReturnValue::UpdatedOld);
            match tried(queue.send().await)? {
                Ok(before) => return Ok(Took::Yes(read(&before, "next").unwrap_or(now))),
                Err(item) => known = read(&item, "next"),
            }
        }
        Ok(Took::No(known.unwrap_or(now)))
    }

    async fn put_off_slots(&self, budget: Budget, planned: Time) -> Result<()> {
        self.put_off(budget, "next", planned).await
    }
}

impl TakePlace for Table {
    async fn take_place(
        &self,
        budget: Budget,
        places: &Places,
        now: Time,
        draw: u64,
    ) -> Result<Took<Vec<Option<Time>>>> {
        let mut place = pick(&(0..places.count()).collect::<Vec<_>>(), draw);
        let mut known = Vec::new();
        // The first attempt picks a place without knowing the free ones. Each later attempt fails only if another
        // process takes the picked place first.
        for _ in 0..=places.count() {
            let Some(number) = place else { break };
            let take = self
                .update_item_of(keys::budget(budget))
                .update_expression("SET #place = :until")
                .condition_expression(FREE_AND_OPEN)
                .expression_attribute_names("#place", attribute(number))
                .expression_attribute_values(":until", time(now.plus(places.hold())))
                .expression_attribute_values(":now", time(now))
                .return_values(ReturnValue::AllNew);
            match tried(take.send().await)? {
                Ok(item) => return Ok(Took::Yes(held(&item, places))),
                Err(item) => known = held(&item, places),
            }
            place = pick(&places.free(&known, now), draw);
        }
        Ok(Took::No(known))
    }

    async fn close_places(&self, budget: Budget, until: Time) -> Result<()> {
        self.put_off(budget, "closed", until).await
    }
}

impl ReadDay for Table {
    async fn day_calls(&self, now: Time) -> Result<u32> {
        let day: Option<DayRow> = self.get(keys::day(now.date()), "count of a day").await?;
        Ok(day.map(|day| day.calls).unwrap_or_default())
    }
}

impl SpendDay for Table {
    async fn spend_day(&self, now: Time, calls_max: u32) -> Result<Took<u32>> {
        let count = self
            .update_item_of(keys::day(now.date()))
            .update_expression("ADD #calls :one SET #ttl = :ttl")
            .condition_expression("attribute_not_exists(#calls) OR #calls < :max")
            .expression_attribute_names("#calls", "calls")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":max", number(calls_max))
            .expression_attribute_values(":ttl", number(now.seconds_ceil() + DAY_COUNT_LIFE_SECS))
            .return_values(ReturnValue::UpdatedNew);
        Ok(match tried(count.send().await)? {
            Ok(item) => Took::Yes(parsed(&item, "calls").unwrap_or_default()),
            Err(item) => Took::No(parsed(&item, "calls").unwrap_or_default()),
        })
    }

    async fn unspend_day(&self, now: Time) -> Result<()> {
        // A call that was counted before midnight is taken off the new day's count. If that count is zero, the
        // condition fails, and the failure is ignored.
        let uncount = self
            .update_item_of(keys::day(now.date()))
            .update_expression("ADD #calls :less")
            .condition_expression("#calls > :none")
            .expression_attribute_names("#calls", "calls")
            .expression_attribute_values(":less", number(-1))
            .expression_attribute_values(":none", number(0));
        tried(uncount.send().await).map(drop)
    }
}

impl Table {
    pub(super) fn update_item_of(&self, key: Key) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key("pk", text(key.pk))
            .key("sk", text(key.sk))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Moves a stored time later, never earlier.
    async fn put_off(&self, budget: Budget, name: &str, until: Time) -> Result<()> {
        let later = self
            .update_item_of(keys::budget(budget))
            .update_expression("SET #until = :until")
            .condition_expression("attribute_not_exists(#until) OR #until < :until")
            .expression_attribute_names("#until", name)
            .expression_attribute_values(":until", time(until));
        tried(later.send().await).map(drop)
    }
}

/// `Ok` holds the attributes that a successful update returned. `Err` holds the stored item if the condition failed; it
/// is empty if no item is stored.
pub(super) fn tried<R>(
    answer: std::result::Result<UpdateItemOutput, SdkError<UpdateItemError, R>>,
) -> Result<std::result::Result<Item, Item>> {
    let error = match answer {
        Ok(output) => return Ok(Ok(output.attributes.unwrap_or_default())),
        Err(error) => error,
    };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Ok(Err(failed.item().cloned().unwrap_or_default()))
        }
        _ => Err(refused(&error)),
    }
}

pub(super) fn time(time: Time) -> AttributeValue {
    number(time.millis())
}

fn read(item: &Item, name: &str) -> Option<Time> {
    parsed(item, name).map(Time::from_millis)
}

fn parsed<N: FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn attribute(place: u32) -> String {
    format!("place{place}")
}

/// For each place, the time until which it is held. Closed places count as held until they open.
fn held(item: &Item, places: &Places) -> Vec<Option<Time>> {
    let closed = read(item, "closed");
    (0..places.count())
        .map(|place| read(item, &attribute(place)).max(closed))
        .collect()
}

fn pick(places: &[u32], draw: u64) -> Option<u32> {
    let count = u64::try_from(places.len()).ok()?;
    let index = draw.checked_rem(count)?;
    places.get(usize::try_from(index).ok()?).copied()
}
