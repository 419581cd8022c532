//! `StartMessageMoveTask` and `ListMessageMoveTasks`.

use crate::ambient;
use crate::sqs::broker::Broker;
use crate::sqs::redrive_task::RedriveTask;
use crate::sqs::refusal::Refusal;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartInput {
    source_arn: String,
    destination_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Started {
    task_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListInput {
    source_arn: String,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    results: Vec<TaskOutput>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskOutput {
    status: &'static str,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    approximate_number_of_messages_moved: usize,
    approximate_number_of_messages_to_move: usize,
    started_timestamp: u64,
}

pub(super) fn start(broker: &Broker, input: StartInput) -> Result<Started, Refusal> {
    let destination = input.destination_arn.as_deref();
    let now_ms = ambient::now_ms();
    let task =
        broker.change(|account| account.redrive(&input.source_arn, destination, now_ms, &mut ambient::new_id))?;
    Ok(Started {
        task_handle: task.handle,
    })
}

pub(super) fn list(broker: &Broker, input: ListInput) -> Result<Listed, Refusal> {
    let count_max = input.max_results.unwrap_or(1);
    broker.read(|account| {
        let tasks = account.redrives_from(&input.source_arn)?;
        Ok(Listed {
            results: tasks.into_iter().take(count_max).map(present).collect(),
        })
    })
}

/// A task is complete by the time anyone can list it.
fn present(task: &RedriveTask) -> TaskOutput {
    TaskOutput {
        status: "COMPLETED",
        source_arn: task.source_arn.clone(),
        destination_arn: task.destination_arn.clone(),
        approximate_number_of_messages_moved: task.moved,
        approximate_number_of_messages_to_move: task.moved,
        started_timestamp: task.started_at_ms,
    }
}
