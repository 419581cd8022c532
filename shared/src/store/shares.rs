//! The shares that a person has used: one item in the person's own partition, written only by that person's requests.
//!
//! Most buckets are full, so the first attempt assumes a full bucket and costs one write. If the bucket is not full,
//! DynamoDB refuses that write and returns the item. `PersonShares::take` then decides with this item, and the next
//! write requires the item's version.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;

use super::budget::{Took, time, tried};
use super::table::{Item, from_item, number, text};
use super::{Result, Table, keys};
use crate::domain::budget::{PersonAsk, PersonRules, PersonShares};
use crate::domain::{OwnerId, Time};

/// Maximum number of attempts to take one share. An attempt fails if another request of the person writes first.
const TRIES: u32 = 6;

/// Takes and gives back shares of a person.
pub trait SpendShare {
    /// Takes the share of one request, if the person has that much left. Returns the stored shares in both cases.
    fn spend_share(
        &self,
        owner: &OwnerId,
        ask: PersonAsk,
        rules: &PersonRules,
        now: Time,
    ) -> impl Future<Output = Result<Took<PersonShares>>> + Send;
    /// Gives back a share that was taken and not used; `stored` is the value that `spend_share` returned.
    fn give_share_back(
        &self,
        owner: &OwnerId,
        stored: PersonShares,
        ask: PersonAsk,
        rules: &PersonRules,
        now: Time,
    ) -> impl Future<Output = Result<()>> + Send;
}

impl SpendShare for Table {
    async fn spend_share(
        &self,
        owner: &OwnerId,
        ask: PersonAsk,
        rules: &PersonRules,
        now: Time,
    ) -> Result<Took<PersonShares>> {
        let write = ShareWrite { owner, ask, rules, now };
        let mut known = match tried(self.share_of_full_bucket(&write).send().await)? {
            Ok(item) => return Ok(Took::Yes(shares(item)?)),
            Err(item) => shares(item)?,
        };
        for _ in 0..TRIES {
            let Ok(next) = known.take(ask, rules, now) else { break };
            match tried(self.shares_over(&write, &known, &next).send().await)? {
                Ok(_) => return Ok(Took::Yes(next)),
                Err(item) => known = shares(item)?,
            }
        }
        Ok(Took::No(known))
    }

    async fn give_share_back(
        &self,
        owner: &OwnerId,
        stored: PersonShares,
        ask: PersonAsk,
        rules: &PersonRules,
        now: Time,
    ) -> Result<()> {
        let write = ShareWrite { owner, ask, rules, now };
        let mut known = stored;
        for _ in 0..TRIES {
            let next = known.give_back(ask, rules, now);
            match tried(self.shares_over(&write, &known, &next).send().await)? {
                Ok(_) => return Ok(()),
                Err(item) => known = shares(item)?,
            }
        }
        // Other requests of the person wrote first on every try. The share stays taken and refills with time.
        Ok(())
    }
}

struct ShareWrite<'a> {
    owner: &'a OwnerId,
    ask: PersonAsk,
    rules: &'a PersonRules,
    now: Time,
}

impl Table {
    fn update_shares(&self, write: &ShareWrite<'_>) -> UpdateItemFluentBuilder {
        let expires_at = write.rules.expires_at(write.now).seconds_ceil();
        self.update_item_of(keys::shares(write.owner))
            .expression_attribute_names("#full", write.ask.kind().name())
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":ttl", number(expires_at))
            .return_values(ReturnValue::AllNew)
    }

    /// Takes a share if the bucket is full. If the request costs calls of the day, the item's count must be of today
    /// and have enough calls left.
    fn share_of_full_bucket(&self, write: &ShareWrite<'_>) -> UpdateItemFluentBuilder {
        const FULL: &str = "(attribute_not_exists(#full) OR #full <= :now)";
        let refilled = write.now.plus(write.rules.refill(write.ask.kind()));
        let calls = write.ask.calls();
        let take = self
            .update_shares(write)
            .expression_attribute_values(":now", time(write.now))
            .expression_attribute_values(":refilled", time(refilled))
            .expression_attribute_values(":one", number(1));
        if calls == 0 {
            return take
                .update_expression("SET #full = :refilled, #ttl = :ttl ADD #version :one")
                .condition_expression(FULL);
        }
        take.update_expression("SET #full = :refilled, #ttl = :ttl ADD #version :one, #calls :calls")
            .condition_expression(format!("{FULL} AND #day = :today AND #calls <= :room"))
            .expression_attribute_names("#day", "day")
            .expression_attribute_names("#calls", "calls")
            .expression_attribute_values(":today", text(write.now.date()))
            .expression_attribute_values(":calls", number(calls))
            .expression_attribute_values(":room", number(write.rules.day_calls().saturating_sub(calls)))
    }

    /// Writes the new shares over the version that was read.
    fn shares_over(&self, write: &ShareWrite<'_>, read: &PersonShares, next: &PersonShares) -> UpdateItemFluentBuilder {
        let full_at = next.full_at(write.ask.kind()).unwrap_or(write.now);
        let put = self
            .update_shares(write)
            .update_expression("SET #full = :full, #day = :day, #calls = :calls, #version = :next, #ttl = :ttl")
            .expression_attribute_names("#day", "day")
            .expression_attribute_names("#calls", "calls")
            .expression_attribute_values(":full", time(full_at))
            .expression_attribute_values(":day", text(next.day.clone()))
            .expression_attribute_values(":calls", number(next.calls))
            .expression_attribute_values(":next", number(next.version));
        match read.version {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            version => put
                .condition_expression("#version = :read")
                .expression_attribute_values(":read", number(version)),
        }
    }
}

/// Reads the shares from an item. An empty item means that the person has used nothing.
fn shares(item: Item) -> Result<PersonShares> {
    from_item(item, "person's shares")
}
