//! Reads the status of the network query. Webhooks arrive sooner, but Metriport may send none for a source that fails.

use shared::Error;
use shared::domain::budget::{Share, midnight_after};
use shared::domain::run::{QueryReport, Run, RunEvent};
use shared::domain::{OwnerId, Time};
use shared::edge::budget::{CountCall, uncount_unsent};
use shared::metriport::ReadNetworkQuery;

use super::{SettleRun, write_run_event};
use crate::DispatchOutcome;

pub(super) async fn poll(
    io: &(impl SettleRun + ReadNetworkQuery + CountCall),
    owner: &OwnerId,
    run: &Run,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let Some(request) = &run.request else {
        // A webhook without a request id has proved the start. The run therefore has no id with which to read the
        // status.
        let until = now.plus(io.timing().poll_gap(run.polls + 1)).min(run.expires_at);
        return write_run_event(io, owner, run, None, &RunEvent::PollFailed { until }, now).await;
    };
    if !io.count_call(Share::Status, now).await? {
        // The rest of the day's quota is reserved for more urgent calls. Webhooks still arrive.
        let until = midnight_after(now).min(run.expires_at);
        return write_run_event(io, owner, run, None, &RunEvent::PollFailed { until }, now).await;
    }
    let answer = io.read_network_query(request).await;
    let event = match uncount_unsent(io, answer, io.now()).await {
        Ok(query) => RunEvent::Polled {
            report: QueryReport::from(&query),
        },
        Err(error) => {
            tracing::warn!(run = %run.id, context = %error, "the network query's status could not be read");
            let gap = io
                .timing()
                .poll_gap(run.polls + 1)
                .max(error.retry_after().unwrap_or_default());
            RunEvent::PollFailed {
                until: now.plus(gap).min(run.expires_at),
            }
        }
    };
    write_run_event(io, owner, run, None, &event, now).await
}
