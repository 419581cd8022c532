//! Batches in, failures out.

use std::convert::Infallible;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::Error;
use shared::edge::each;
use shared::message::{Advance, Subject, parse};

use crate::{Deps, Outcome, Ports, record, run};

/// Handles one batch; what failed is named in the reply, and comes back.
pub async fn handle(deps: &Deps, event: SqsEvent) -> Result<SqsBatchResponse, Infallible> {
    Ok(each(event, &deps.dead_letters, async |body| {
        advance(deps, &parse(&body)?).await
    })
    .await)
}

/// Does what is due of a run or a record, if it is as the message says.
///
/// # Errors
/// When the table or a queue fails: the message comes back.
pub async fn advance(io: &impl Ports, advance: &Advance) -> Result<Outcome, Error> {
    let now = io.now();
    match advance.subject {
        Subject::Run(run) => run::advance(io, &advance.owner, run, advance.due_seq, now).await,
        Subject::Record(record) => record::advance(io, &advance.owner, record, advance.due_seq, now).await,
    }
}
