//! Translates batches and failures.

use std::convert::Infallible;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::domain::Time;
use shared::edge::each;
use shared::message::{AccountSubject, AccountWork, parse};

use crate::{Deps, check_records, erase, export};

/// Handles one batch, until shortly before `end`, when Lambda ends the function. SQS redelivers the messages named as
/// failed.
pub async fn handle(deps: &Deps, event: SqsEvent, end: Time) -> Result<SqsBatchResponse, Infallible> {
    Ok(each(event, &deps.dead_letters, async |body| {
        let work: AccountWork = parse(&body)?;
        match work.subject {
            AccountSubject::Erasure(erasure) => erase::erase(deps.io(), &deps.metrics, erasure, end).await,
            AccountSubject::Export { owner, number } => export::export(deps.io(), &owner, number, end).await,
            AccountSubject::Retention(owner) => check_records::check_records(deps.io(), &owner, end).await,
        }
    })
    .await)
}
