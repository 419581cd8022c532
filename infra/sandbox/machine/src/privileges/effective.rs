//! The effective policies of the functions. A judge compares them with the result of AWS's own template transform.

use sandbox_host::template::{Bindings, Stack};
use serde_json::{Map, Value};

use super::managed;
use crate::SandboxError;

/// The effective policy of each function, by logical id: the statements of the template's own policies, and the ARNs of
/// the policies that SAM adds. References to resources stay as `${LogicalId}`.
///
/// # Errors
/// Fails if the template cannot be read.
pub fn effective_policies() -> Result<Value, SandboxError> {
    let placeholder = |id: &str, attribute: &str| match attribute {
        "Ref" => format!("${{{id}}}"),
        attribute => format!("${{{id}.{attribute}}}"),
    };
    let bindings = Bindings::new(crate::stack::REGION, sandbox_aws::ACCOUNT_ID, "ias")
        .with_parameter("FacilityId", "facility")
        .with_parameter("RedirectAllowlist", "https://app.example.test/back")
        .with_parameter("ConsentKeptElsewhere", "true")
        .with_parameter("RecordLinkHosts", "bucket.s3.us-west-1.amazonaws.com")
        .with_resolver(move |id, attribute| Some(placeholder(id, attribute)));
    let stack = Stack::read(crate::stack::TEMPLATE, &bindings)?;
    let mut policies = Map::new();
    for function in &stack.functions {
        let mut policy = Vec::new();
        for written in &function.policies {
            let document = stack.evaluate(super::managed(&stack, written).unwrap_or(written), &bindings)?;
            let statements = document.and_then(|document| document.get("Statement").and_then(Value::as_array).cloned());
            policy.extend(statements.unwrap_or_default());
        }
        policy.extend(managed::arns(function).map(Value::from));
        policies.insert(function.logical_id.clone(), Value::from(policy));
    }
    Ok(Value::Object(policies))
}
