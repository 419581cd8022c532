//! Batches in, failures out.

use std::convert::Infallible;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::queue::{Advance, Subject, each, parse};
use shared::{Error, clock};

use crate::{Deps, Outcome, record, run};

/// Handles one batch; what failed is named in the reply, and comes back.
pub async fn handle(deps: &Deps, event: SqsEvent) -> Result<SqsBatchResponse, Infallible> {
    Ok(each(event, &deps.dead_letters, async |body| {
        advance(deps, &parse(&body)?).await
    })
    .await)
}

async fn advance(deps: &Deps, advance: &Advance) -> Result<Outcome, Error> {
    let now = clock::now();
    match advance.subject {
        Subject::Run(run) => run::advance(deps, &advance.owner, run, advance.due_seq, now).await,
        Subject::Record(record) => record::advance(deps, &advance.owner, record, advance.due_seq, now).await,
    }
}
