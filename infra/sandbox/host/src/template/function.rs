//! `AWS::Serverless::Function`, merged with `Globals.Function`, and its events of type `HttpApi`, `SQS`, `Schedule` and
//! `ScheduleV2`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::HttpApi;
use super::error::TemplateError;
use super::node::Node;
use super::schedule::{self, Schedule, ScheduleKind};
use super::stack::Resource;

/// One Lambda function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub logical_id: String,
    /// The name of the crate and binary: `Metadata.BuildProperties.Binary`, which SAM's builder for Rust reads, or
    /// `Metadata.Binary`. The default is the logical id without `Function`, in kebab case, as in `functions/Makefile`.
    pub binary: String,
    pub timeout_secs: u64,
    pub memory_mb: u64,
    pub reserved_concurrency: Option<u64>,
    /// Unevaluated variables; `Stack::environment` evaluates them.
    pub environment: BTreeMap<String, Value>,
    pub routes: Vec<Route>,
    pub queue_sources: Vec<QueueSource>,
    pub schedules: Vec<Schedule>,
    /// Unevaluated `Policies`, with intrinsics in their long form.
    pub policies: Vec<Value>,
    /// `Tracing: Active`.
    pub traced: bool,
    /// `RecursiveLoop: Allow`.
    pub loop_allowed: bool,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The event's name within its function.
    pub event: String,
    /// The HTTP method in upper case, or `ANY` for all methods.
    pub method: String,
    /// `/v1/records/{id}`, or `$default`.
    pub path: String,
    /// Name of the JWT authorizer; `None` if the route needs no token.
    pub authorizer: Option<String>,
    /// How long API Gateway waits for the function. The default and the maximum are 30,000.
    pub timeout_ms: u64,
}

/// An SQS event source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// The event's name within its function.
    pub event: String,
    /// Logical id of the queue.
    pub queue: String,
    pub batch_size: u64,
    pub batching_window_secs: u64,
    /// Whether the function's replies name the failed messages. Otherwise every reply means that all messages
    /// succeeded.
    pub reports_batch_item_failures: bool,
    /// `ScalingConfig.MaximumConcurrency`.
    pub concurrency_max: Option<u64>,
}

/// Variables that Lambda sets itself. CloudFormation refuses a template that sets them (docs.aws.amazon.com, "Defined
/// runtime environment variables").
const RESERVED_VARIABLES: [&str; 16] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
];

pub(super) fn read(
    resource: &Resource<'_>,
    globals: Option<&Node<'_>>,
    api: Option<&HttpApi>,
) -> Result<Function, TemplateError> {
    let number = |name: &str, default: u64| match resource.property(&[name])? {
        Some(own) => own.number(),
        None => Ok(global(globals, &[name])?
            .map(|node| node.number())
            .transpose()?
            .unwrap_or(default)),
    };
    let is = |name: &str, wanted: &str| match resource.property(&[name])? {
        Some(own) => own.text().map(|text| text == wanted),
        None => Ok(global(globals, &[name])?
            .map(|node| node.text())
            .transpose()?
            .is_some_and(|text| text == wanted)),
    };
    let reserved = resource.property(&["ReservedConcurrentExecutions"])?;
    let mut function = Function {
        logical_id: resource.logical_id.to_owned(),
        binary: binary(resource)?,
        timeout_secs: number("Timeout", 3)?,
        memory_mb: number("MemorySize", 128)?,
        reserved_concurrency: reserved.map(|node| node.number()).transpose()?,
        environment: environment(resource, globals)?,
        routes: Vec::new(),
        queue_sources: Vec::new(),
        schedules: Vec::new(),
        policies: policies(resource)?,
        traced: is("Tracing", "Active")?,
        loop_allowed: is("RecursiveLoop", "Allow")?,
    };
    let events = resource
        .property(&["Events"])?
        .map(|node| node.entries())
        .transpose()?
        .unwrap_or_default();
    for (name, event) in events {
        add_event(&mut function, name, &event, api)?;
    }
    Ok(function)
}

fn global<'a>(globals: Option<&Node<'a>>, path: &[&str]) -> Result<Option<Node<'a>>, TemplateError> {
    let function = globals.map(|globals| globals.get("Function")).transpose()?.flatten();
    Ok(function.map(|function| function.at(path)).transpose()?.flatten())
}

fn binary(resource: &Resource<'_>) -> Result<String, TemplateError> {
    let built = resource.node.at(&["Metadata", "BuildProperties", "Binary"])?;
    match built.map_or_else(|| resource.node.at(&["Metadata", "Binary"]), |binary| Ok(Some(binary)))? {
        Some(binary) => binary.text(),
        None => Ok(kebab_case(
            resource
                .logical_id
                .strip_suffix("Function")
                .unwrap_or(resource.logical_id),
        )),
    }
}

fn kebab_case(name: &str) -> String {
    let mut kebab = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(character.to_lowercase());
    }
    kebab
}

fn environment(resource: &Resource<'_>, globals: Option<&Node<'_>>) -> Result<BTreeMap<String, Value>, TemplateError> {
    let path = ["Environment", "Variables"];
    let mut variables = BTreeMap::new();
    for node in [global(globals, &path)?, resource.property(&path)?]
        .into_iter()
        .flatten()
    {
        for (name, value) in node.entries()? {
            if RESERVED_VARIABLES.contains(&name) {
                return Err(node.error(format!("sets `{name}`, which Lambda reserves")));
            }
            variables.insert(name.to_owned(), value.raw().clone());
        }
    }
    Ok(variables)
}

fn policies(resource: &Resource<'_>) -> Result<Vec<Value>, TemplateError> {
    let policies = resource.property(&["Policies"])?;
    Ok(policies
        .map(|node| node.items().iter().map(|item| item.raw().clone()).collect())
        .unwrap_or_default())
}

fn add_event(
    function: &mut Function,
    name: &str,
    event: &Node<'_>,
    api: Option<&HttpApi>,
) -> Result<(), TemplateError> {
    let kind = event.required("Type")?.text()?;
    let properties = event.required("Properties")?;
    match kind.as_str() {
        "HttpApi" => function.routes.push(route(name, &properties, api)?),
        "SQS" => function.queue_sources.extend(queue_source(name, &properties)?),
        "Schedule" => function
            .schedules
            .extend(schedule::read(name, ScheduleKind::Rule, &properties)?),
        "ScheduleV2" => function
            .schedules
            .extend(schedule::read(name, ScheduleKind::Scheduler, &properties)?),
        other => return Err(event.error(format!("has the unsupported type `{other}`"))),
    }
    Ok(())
}

fn route(name: &str, node: &Node<'_>, api: Option<&HttpApi>) -> Result<Route, TemplateError> {
    let api = api.ok_or_else(|| node.error("is a route, but the template has no HTTP API"))?;
    if node
        .text_at("PayloadFormatVersion")?
        .is_some_and(|version| version != "2.0")
    {
        return Err(node.error("PayloadFormatVersion must be 2.0"));
    }
    Ok(Route {
        event: name.to_owned(),
        method: node.required("Method")?.text()?.to_uppercase(),
        path: node.required("Path")?.text()?,
        authorizer: authorizer(node, api)?,
        timeout_ms: node.number_at("TimeoutInMillis")?.unwrap_or(30_000).min(30_000),
    })
}

fn authorizer(route: &Node<'_>, api: &HttpApi) -> Result<Option<String>, TemplateError> {
    if route.at(&["Auth", "AuthorizationScopes"])?.is_some() {
        return Err(route.error("AuthorizationScopes are not supported"));
    }
    let named = route.at(&["Auth", "Authorizer"])?.map(|node| node.text()).transpose()?;
    match named {
        None => Ok(api.default_authorizer.clone()),
        Some(name) if name == "NONE" => Ok(None),
        Some(name) if api.authorizer(&name).is_some() => Ok(Some(name)),
        Some(name) => Err(route.error(format!("the authorizer `{name}` is not one of the HTTP API's"))),
    }
}

fn queue_source(name: &str, node: &Node<'_>) -> Result<Option<QueueSource>, TemplateError> {
    if !node
        .get("Enabled")?
        .map(|node| node.flag())
        .transpose()?
        .unwrap_or(true)
    {
        return Ok(None);
    }
    if node.get("FilterCriteria")?.is_some() {
        return Err(node.error("FilterCriteria are not supported"));
    }
    let concurrency = node.at(&["ScalingConfig", "MaximumConcurrency"])?;
    Ok(Some(QueueSource {
        event: name.to_owned(),
        queue: node.required("Queue")?.logical_id()?,
        batch_size: node.number_at("BatchSize")?.unwrap_or(10),
        batching_window_secs: node.number_at("MaximumBatchingWindowInSeconds")?.unwrap_or(0),
        reports_batch_item_failures: node
            .texts_at("FunctionResponseTypes")?
            .iter()
            .any(|kind| kind == "ReportBatchItemFailures"),
        concurrency_max: concurrency.map(|node| node.number()).transpose()?,
    }))
}
