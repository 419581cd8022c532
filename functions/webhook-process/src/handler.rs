//! Translates batches and failures.

use std::convert::Infallible;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::edge::each;
use shared::message::parse;

use crate::{Deps, process};

/// Handles one batch. SQS redelivers the messages named as failed.
pub async fn handle(deps: &Deps, event: SqsEvent) -> Result<SqsBatchResponse, Infallible> {
    Ok(each(event, &deps.dead_letters, async |body| {
        process::process(deps, &parse(&body)?).await
    })
    .await)
}
