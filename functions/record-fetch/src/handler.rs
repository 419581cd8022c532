//! Translates batches and failures.

use std::convert::Infallible;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::domain::Time;
use shared::edge::each;
use shared::message::parse;

use crate::{Deps, fetch};

/// Handles one batch. Lambda ends the invocation at `end`. SQS redelivers the messages named as failed.
pub async fn handle(deps: &Deps, event: SqsEvent, end: Time) -> Result<SqsBatchResponse, Infallible> {
    Ok(each(event, &deps.dead_letters, async |body| {
        fetch::fetch(deps, &parse(&body)?, end).await
    })
    .await)
}
