//! The environment a function's process sees (docs.aws.amazon.com, "Defined runtime environment variables").
//! What differs per process (`AWS_LAMBDA_RUNTIME_API`, the log stream) is added where the process is started.

use std::collections::BTreeMap;

use crate::options::HostOptions;
use crate::template::{Function, TemplateError};

/// Prefix of the key ids of functions.
const FUNCTIONS: &str = "SANDBOX";
/// Prefix of the key ids of their event sources.
const EVENT_SOURCES: &str = "SANDBOXSOURCE";

/// Who a function is to AWS.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) region: String,
    pub(crate) account_id: String,
}

impl Identity {
    pub(crate) fn function_arn(&self, binary: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{binary}", self.region, self.account_id)
    }
}

/// All variables of a function, weakest first: Lambda's, the template's, `aws_env`, `extra_env`.
pub(crate) fn function_environment(
    function: &Function,
    options: &HostOptions,
) -> Result<BTreeMap<String, String>, TemplateError> {
    let mut variables = lambda_variables(function, &options.bindings.region);
    variables.extend(options.stack.environment(function, &options.bindings)?);
    variables.extend(options.aws_env.iter().cloned());
    variables.extend(options.extra_env.iter().cloned());
    // One key id per function, so that whoever answers an AWS call knows which function made it.
    variables.insert("AWS_ACCESS_KEY_ID".to_owned(), access_key_id(&function.binary));
    Ok(variables)
}

/// The access key id under which a function's processes call AWS, by its binary's name: `SANDBOXQUERYDISPATCH` of
/// `query-dispatch`.
pub fn access_key_id(binary: &str) -> String {
    format!("{FUNCTIONS}{}", binary.replace('-', "").to_uppercase())
}

/// The access key id under which a function's event sources poll. Lambda does so with the function's role.
pub fn event_source_key_id(binary: &str) -> String {
    access_key_id(binary).replacen(FUNCTIONS, EVENT_SOURCES, 1)
}

/// Whether an event source calls, and not a function's code.
pub fn is_event_source(access_key_id: &str) -> bool {
    access_key_id.starts_with(EVENT_SOURCES)
}

/// The access key id of the function with whose role a caller acts: an event source's is that of its function.
pub fn role_of(caller: &str) -> String {
    match caller.strip_prefix(EVENT_SOURCES) {
        Some(function) => format!("{FUNCTIONS}{function}"),
        None => caller.to_owned(),
    }
}

fn lambda_variables(function: &Function, region: &str) -> BTreeMap<String, String> {
    let binary = function.binary.as_str();
    let variables = [
        ("AWS_LAMBDA_FUNCTION_NAME", binary.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{binary}")),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_DEFAULT_REGION", region.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "sandbox".to_owned()),
        ("AWS_SESSION_TOKEN", "sandbox".to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ];
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
