//! `AWS::SQS::Queue`.

use super::error::TemplateError;
use super::intrinsic::Evaluator;
use super::stack::Resource;

/// A standard queue. Defaults are those of SQS (docs.aws.amazon.com, `SetQueueAttributes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    pub logical_id: String,
    pub name: String,
    pub visibility_timeout_secs: u64,
    pub delay_secs: u64,
    pub retention_secs: u64,
    pub redrive: Option<Redrive>,
}

/// The dead-letter queue for messages that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Logical id of the dead-letter queue.
    pub dead_letter_queue: String,
    pub receive_count_max: u64,
}

pub(super) fn read(resource: &Resource<'_>, evaluator: &Evaluator<'_>) -> Result<Queue, TemplateError> {
    if resource.property(&["FifoQueue"])?.is_some() {
        return Err(resource
            .node
            .error("is a FIFO queue; only standard queues are supported"));
    }
    Ok(Queue {
        logical_id: resource.logical_id.to_owned(),
        name: resource.name("QueueName", evaluator)?,
        visibility_timeout_secs: number(resource, "VisibilityTimeout", 30)?,
        delay_secs: number(resource, "DelaySeconds", 0)?,
        retention_secs: number(resource, "MessageRetentionPeriod", 345_600)?,
        redrive: redrive(resource)?,
    })
}

fn number(resource: &Resource<'_>, property: &str, default: u64) -> Result<u64, TemplateError> {
    Ok(resource
        .property(&[property])?
        .map(|node| node.number())
        .transpose()?
        .unwrap_or(default))
}

fn redrive(resource: &Resource<'_>) -> Result<Option<Redrive>, TemplateError> {
    let Some(policy) = resource.property(&["RedrivePolicy"])? else {
        return Ok(None);
    };
    Ok(Some(Redrive {
        dead_letter_queue: policy.required("deadLetterTargetArn")?.logical_id()?,
        receive_count_max: policy.required("maxReceiveCount")?.number()?,
    }))
}
