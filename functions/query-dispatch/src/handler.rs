//! Translates batches and failures.

use std::convert::Infallible;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::Error;
use shared::edge::each;
use shared::message::{Advance, Subject, parse};

use crate::{Deps, DispatchOutcome, Ports, pull, record};

/// Handles one batch. SQS redelivers the messages named as failed.
pub async fn handle(deps: &Deps, event: SqsEvent) -> Result<SqsBatchResponse, Infallible> {
    Ok(each(event, &deps.dead_letters, async |body| {
        advance(deps, &parse(&body)?).await
    })
    .await)
}

/// Does the due work of a pull or a record, unless the message is stale.
///
/// # Errors
/// Fails if the table or a queue fails; SQS redelivers the message.
pub async fn advance(io: &impl Ports, advance: &Advance) -> Result<DispatchOutcome, Error> {
    let now = io.now();
    match advance.subject {
        Subject::Pull(pull) => pull::advance(io, &advance.owner, pull, advance.due_seq, now).await,
        Subject::Record(record) => record::advance(io, &advance.owner, record, advance.due_seq, now).await,
    }
}
