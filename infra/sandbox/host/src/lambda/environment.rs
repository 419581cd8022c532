//! The environment of a function's process (docs.aws.amazon.com, "Defined runtime environment variables"). The start of
//! a process adds the variables that differ per process: `AWS_LAMBDA_RUNTIME_API` and the log stream.

use std::collections::BTreeMap;

use crate::options::HostOptions;
use crate::template::{Function, TemplateError};

const FUNCTIONS: &str = "SANDBOX";
const EVENT_SOURCES: &str = "SANDBOXSOURCE";

/// The region and account in ARNs and events.
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

/// All variables of a function: Lambda's, the template's, `aws_env` and `extra_env`. Later sources override earlier
/// ones.
pub(crate) fn function_environment(
    function: &Function,
    options: &HostOptions,
) -> Result<BTreeMap<String, String>, TemplateError> {
    let mut variables = lambda_variables(function, &options.bindings.region);
    variables.extend(options.stack.environment(function, &options.bindings)?);
    variables.extend(options.aws_env.iter().cloned());
    variables.extend(options.extra_env.iter().cloned());
    // One key id per function, so that the embedded AWS knows which function makes a call.
    variables.insert("AWS_ACCESS_KEY_ID".to_owned(), access_key_id(&function.binary));
    Ok(variables)
}

/// The access key id of a function's processes, by its binary's name: `SANDBOXQUERYDISPATCH` for `query-dispatch`.
pub fn access_key_id(binary: &str) -> String {
    format!("{FUNCTIONS}{}", binary.replace('-', "").to_uppercase())
}

/// The access key id under which a function's event sources poll. In AWS, Lambda polls with the function's role.
pub fn event_source_key_id(binary: &str) -> String {
    access_key_id(binary).replacen(FUNCTIONS, EVENT_SOURCES, 1)
}

/// Whether the key id belongs to an event source, not to a function's code.
pub fn is_event_source(access_key_id: &str) -> bool {
    access_key_id.starts_with(EVENT_SOURCES)
}

/// The access key id of the function whose role the caller uses. An event source uses its function's role.
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
