//! Reads the status of the network query. Webhooks arrive sooner, but Metriport may send none for a source that fails.

use shared::Error;
use shared::domain::budget::{Share, midnight_after};
use shared::domain::pull::{Pull, PullEvent, QueryReport};
use shared::domain::{OwnerId, Time};
use shared::edge::budget::{CountCall, uncount_unsent};
use shared::metriport::ReadNetworkQuery;
use shared::store::ReadPull;

use super::{SettlePull, write_pull_event};
use crate::{DispatchOutcome, STALE};

pub(super) async fn poll(
    io: &(impl SettlePull + ReadNetworkQuery + CountCall),
    owner: &OwnerId,
    pull: &Pull,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let Some(request) = &pull.request else {
        // A webhook without a request id has proved the start. The pull therefore has no id with which to read the
        // status.
        let until = now.plus(io.timing().poll_gap(pull.polls + 1)).min(pull.expires_at);
        return write_pull_event(io, owner, pull, None, &PullEvent::PollFailed { until }, now).await;
    };
    if !io.count_call(Share::Status, now).await? {
        // The rest of the day's quota is reserved for more urgent calls. Webhooks still arrive.
        let until = midnight_after(now).min(pull.expires_at);
        return write_pull_event(io, owner, pull, None, &PullEvent::PollFailed { until }, now).await;
    }
    // Read after the count, so that a withdrawal of consent before this moment prevents the call.
    let unchanged = is_unchanged(io, owner, pull).await;
    if !matches!(unchanged, Ok(true)) {
        io.uncount_call(io.now()).await;
    }
    if !unchanged? {
        return Ok(STALE);
    }
    let answer = io.read_network_query(request).await;
    let event = match uncount_unsent(io, answer, io.now()).await {
        Ok(query) => PullEvent::Polled {
            report: QueryReport::from(&query),
        },
        Err(error) => {
            tracing::warn!(run = %pull.id, context = %error, "the network query's status could not be read");
            let gap = io
                .timing()
                .poll_gap(pull.polls + 1)
                .max(error.retry_after().unwrap_or_default());
            PullEvent::PollFailed {
                until: now.plus(gap).min(pull.expires_at),
            }
        }
    };
    write_pull_event(io, owner, pull, None, &event, now).await
}

async fn is_unchanged(io: &impl ReadPull, owner: &OwnerId, pull: &Pull) -> Result<bool, Error> {
    let current = io.pull(owner, pull.id).await?;
    Ok(current.is_some_and(|current| current.version == pull.version))
}
