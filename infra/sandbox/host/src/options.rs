//! The settings of a host.

use std::sync::Arc;

use crate::cloudwatch::MetricSink;
use crate::interference::{InvocationPlan, Killer};
use crate::jwt::Issuer;
use crate::lambda::{LogSink, Runner};
use crate::template::{Bindings, Stack};

/// Settings of a [`Host`](crate::Host).
#[derive(Clone)]
pub struct HostOptions {
    pub stack: Stack,
    /// The bindings must resolve every reference in the functions' environment. For every queue that is an event source
    /// they must resolve `Ref` (the queue's URL) and `Arn`.
    pub bindings: Bindings,
    pub runner: Runner,
    /// AWS variables of every function, for example `AWS_ENDPOINT_URL_SQS` and `AWS_SECRET_ACCESS_KEY`. The host sets
    /// the access key id itself, one per function.
    pub aws_env: Vec<(String, String)>,
    /// The endpoint that the event sources poll.
    pub sqs_endpoint: String,
    /// Further variables of every function. They override all other variables, except the access key id.
    pub extra_env: Vec<(String, String)>,
    /// Loopback port of the HTTP API; 0 picks a free port.
    pub port: u16,
    pub issuer: Issuer,
    /// Whether to apply the template's throttles. Tests that send more requests than the throttles admit set `false`.
    pub throttled: bool,
    /// Maximum number of processes of one function at once. Further invocations wait.
    pub processes_max: usize,
    /// Whether to start one process of each function before `Host::start` returns.
    pub prewarm: bool,
    /// Schedules run this many times faster than in the template. With 0, only `Host::invoke_schedule` runs them.
    pub schedule_scale: u32,
    /// Receives every line that the functions write.
    pub log: LogSink,
    /// Receives the metrics in the functions' lines.
    pub metrics: Option<MetricSink>,
    /// Decides about every invocation.
    pub interference: Option<InvocationPlan>,
    /// The host binds this killer to itself when it starts.
    pub killer: Killer,
}

impl HostOptions {
    /// Options with a free port, the template's throttles, four processes per function, no prewarming, schedules at
    /// their own rate, and no log.
    pub fn new(stack: Stack, bindings: Bindings, runner: Runner, sqs_endpoint: String, issuer: Issuer) -> Self {
        Self {
            stack,
            bindings,
            runner,
            aws_env: Vec::new(),
            sqs_endpoint,
            extra_env: Vec::new(),
            port: 0,
            issuer,
            throttled: true,
            processes_max: 4,
            prewarm: false,
            schedule_scale: 1,
            log: Arc::new(|_| {}),
            metrics: None,
            interference: None,
            killer: Killer::default(),
        }
    }
}
