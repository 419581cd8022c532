//! AWS's managed policies, which SAM attaches to the functions' roles automatically (AWS SAM developer guide,
//! `AWS::Serverless::Function`, "Policies" and "Tracing"). Their contents come from the AWS managed policy reference
//! (docs.aws.amazon.com/aws-managed-policy/latest/reference), which has a page for each name.

use sandbox_host::template::Function;
use serde_json::{Value, json};

/// One policy: the path of its ARN, and the actions that it allows on every resource.
struct Managed {
    path: &'static str,
    actions: &'static [&'static str],
}

const BASIC: Managed = Managed {
    path: "service-role/AWSLambdaBasicExecutionRole",
    actions: &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
};

const QUEUE_SOURCE: Managed = Managed {
    path: "service-role/AWSLambdaSQSQueueExecutionRole",
    actions: &[
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ],
};

const TRACING: Managed = Managed {
    path: "AWSXrayWriteOnlyAccess",
    actions: &[
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:GetSamplingStatisticSummaries",
    ],
};

/// The policies that SAM attaches to a function.
fn attached(function: &Function) -> impl Iterator<Item = Managed> {
    let traced = function.traced.then_some(TRACING);
    let fed = (!function.queue_sources.is_empty()).then_some(QUEUE_SOURCE);
    [Some(BASIC), traced, fed].into_iter().flatten()
}

pub(super) fn arns(function: &Function) -> impl Iterator<Item = String> {
    attached(function).map(|policy| format!("arn:aws:iam::aws:policy/{}", policy.path))
}

/// The documents of the policies that SAM attaches to a function.
pub fn added_by_sam(function: &Function) -> impl Iterator<Item = Value> {
    attached(function).map(|Managed { actions, .. }| {
        let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
        json!({ "Version": super::policy::VERSION, "Statement": [statement] })
    })
}
