//! The privileges that the template grants to functions, and those that the functions use. Every call to the embedded
//! AWS is checked against the policy of the calling function.
//!
//! Callers are known by their access key ids. Ids that begin with `SANDBOX` are the sandbox's own:
//! - A call with a function's id must be allowed by the function's policy. The same holds for the id with which the
//!   function's event sources poll, because in AWS, Lambda polls with the function's role.
//! - The set-up's id is not restricted, because the set-up acts as the deployment.
//! - Any other id with this prefix is refused. Otherwise a function that is not in the template would be unrestricted.
//!
//! All other ids belong to operators and tests, which are not restricted. An unsigned request is refused, as in AWS.
//!
//! The policy of a function is the effective one: the template's statements and those that SAM adds.

mod effective;
mod managed;
mod policy;
mod privilege;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sandbox_aws::{Authorizer, Call, Lacking, Need};
use sandbox_host::template::{Bindings, Function, Stack};
use sandbox_host::{LogLine, LogSink, access_key_id, role_of};
use serde_json::Value;

use crate::SandboxError;
use crate::stack::SETUP_KEY_ID;

pub use effective::effective_policies;
pub use managed::added_by_sam;
pub use policy::{Policy, PolicyError};
pub use privilege::Privilege;

/// Prefix of the sandbox's own access key ids.
const OWN: &str = "SANDBOX";

/// The policies of all functions, and the privileges that they used.
pub struct Privileges {
    enacted: OnceLock<BTreeMap<String, Subject>>,
    ledger: Mutex<Ledger>,
    log: LogSink,
}

struct Subject {
    function: String,
    policy: Policy,
}

#[derive(Default)]
struct Ledger {
    used: BTreeSet<Privilege>,
    refused: BTreeSet<Privilege>,
}

impl Privileges {
    /// Grants nothing to any function before [`Privileges::enact`]. Writes refusals to `log`.
    pub(crate) fn new(log: LogSink) -> Arc<Self> {
        Arc::new(Self {
            enacted: OnceLock::new(),
            ledger: Mutex::default(),
            log,
        })
    }

    /// The check that the embedded AWS calls.
    pub(crate) fn authorizer(self: &Arc<Self>) -> Authorizer {
        let privileges = Arc::clone(self);
        Arc::new(move |call: &Call, needs: Option<&[Need]>| privileges.decide(call, needs))
    }

    /// Puts the template's policies into force. A policy that this module does not understand is an error, because it
    /// must not be ignored.
    pub(crate) fn enact(&self, stack: &Stack, bindings: &Bindings) -> Result<(), SandboxError> {
        let subjects = stack.functions.iter().map(|function| {
            let policy = policy_of(stack, function, bindings)?;
            let subject = Subject {
                function: function.binary.clone(),
                policy,
            };
            Ok((access_key_id(&function.binary), subject))
        });
        let subjects = subjects.collect::<Result<_, SandboxError>>()?;
        self.enacted
            .set(subjects)
            .map_err(|_twice| SandboxError::Template("policies were enacted twice".to_owned()))
    }

    /// All privileges that the policies grant.
    #[must_use]
    pub fn granted(&self) -> BTreeSet<Privilege> {
        let subjects = self.enacted.get().into_iter().flat_map(BTreeMap::values);
        subjects
            .flat_map(|subject| subject.policy.granted(&subject.function))
            .collect()
    }

    /// All granted privileges that functions used so far.
    #[must_use]
    pub fn used(&self) -> BTreeSet<Privilege> {
        self.ledger().used.clone()
    }

    /// All privileges that were refused since the last call of this function.
    #[must_use]
    pub fn take_refused(&self) -> BTreeSet<Privilege> {
        std::mem::take(&mut self.ledger().refused)
    }

    fn decide(&self, call: &Call, needs: Option<&[Need]>) -> Result<(), Lacking> {
        let subject = match self.caller(call.access_key_id.as_deref()) {
            Caller::Function(subject) => subject,
            Caller::Other => return Ok(()),
            Caller::Stranger(name) => return self.refuse(name, call, None),
        };
        let Some(needs) = needs else {
            return self.refuse(&subject.function, call, None);
        };
        if let Some(lacking) = needs.iter().find(|need| !subject.policy.grants(need)) {
            return self.refuse(&subject.function, call, Some(lacking));
        }
        let mut ledger = self.ledger();
        for need in needs {
            ledger.used.extend(Privilege::used(&subject.function, need));
        }
        Ok(())
    }

    fn caller<'a>(&'a self, access_key_id: Option<&'a str>) -> Caller<'a> {
        let Some(id) = access_key_id else {
            return Caller::Stranger("anonymous");
        };
        match self.enacted.get().and_then(|subjects| subjects.get(&role_of(id))) {
            Some(subject) => Caller::Function(subject),
            None if id == SETUP_KEY_ID => Caller::Other,
            None if id.starts_with(OWN) => Caller::Stranger(id),
            None => Caller::Other,
        }
    }

    /// Refuses a call, and logs and records the refusal. `need` is the need that is not granted; without it, the call
    /// itself is reported.
    fn refuse(&self, function: &str, call: &Call, need: Option<&Need>) -> Result<(), Lacking> {
        let untold = Lacking::untold(call);
        let lacking = need.map_or(untold, |need| Lacking {
            action: need.action.clone(),
            resource: need.resource.clone(),
        });
        let refused = match need {
            Some(need) => Privilege::used(function, need).collect(),
            None => vec![Privilege {
                function: function.to_owned(),
                action: lacking.action.clone(),
                resource: lacking.resource.clone(),
                leading_key: None,
            }],
        };
        for privilege in &refused {
            (self.log)(LogLine {
                function: function.to_owned(),
                pid: 0,
                text: format!("refused by the policy: {privilege}"),
            });
        }
        self.ledger().refused.extend(refused);
        Err(lacking)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Caller<'a> {
    /// A function of the template.
    Function(&'a Subject),
    /// A caller that no function's policy restricts.
    Other,
    /// An unknown caller, under this name.
    Stranger(&'a str),
}

/// The document of a managed policy of the template, if `written` refers to one.
fn managed<'s>(stack: &'s Stack, written: &Value) -> Option<&'s Value> {
    let policy = stack.resource(written.get("Ref")?.as_str()?)?;
    let is_policy = policy.get("Type")? == "AWS::IAM::ManagedPolicy";
    policy.pointer("/Properties/PolicyDocument").filter(|_| is_policy)
}

/// All `Policies` of a function, with resolved references, and the policies that SAM adds.
fn policy_of(stack: &Stack, function: &Function, bindings: &Bindings) -> Result<Policy, SandboxError> {
    let refuse =
        |what: &dyn std::fmt::Display| SandboxError::Template(format!("the policy of {}: {what}", function.binary));
    let mut policy = Policy::default();
    for written in &function.policies {
        let written = managed(stack, written).unwrap_or(written);
        let document = stack.evaluate(written, bindings).map_err(|error| refuse(&error))?;
        if let Some(document) = document {
            policy.add(&document).map_err(|error| refuse(&error))?;
        }
    }
    for document in added_by_sam(function) {
        policy.add(&document).map_err(|error| refuse(&error))?;
    }
    Ok(policy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn enact(policies: &str) -> Result<Arc<Privileges>, SandboxError> {
        let template = format!(
            "Resources:\n  EchoFunction:\n    Type: AWS::Serverless::Function\n    Properties:\n      Policies: {policies}\n"
        );
        let bindings = Bindings::new("us-east-1", "000000000000", "ias");
        let stack = Stack::read(&template, &bindings).unwrap();
        let privileges = Privileges::new(Arc::new(|_| {}));
        privileges.enact(&stack, &bindings).map(|()| privileges)
    }

    fn statement(effect: &str, resource: &str) -> String {
        let statement = format!("{{Effect: {effect}, Action: a:B, Resource: {resource}}}");
        format!("[{{Version: '2012-10-17', Statement: [{statement}]}}]")
    }

    #[test]
    fn unsupported_policy_is_never_enacted() {
        let privileges = enact(&statement("Allow", "'arn:r'")).unwrap();
        let granted: Vec<_> = privileges.granted().iter().map(Privilege::to_string).collect();
        let logs = ["CreateLogGroup", "CreateLogStream", "PutLogEvents"];
        let added = logs.map(|action| format!("echo logs:{action} *"));
        assert_eq!(granted, [["echo a:B arn:r".to_owned()].as_slice(), &added].concat());
        for policies in [
            statement("Deny", "'arn:r'"),
            statement("Allow", "!Ref Unknown"),
            "AmazonSQSFullAccess".to_owned(),
        ] {
            let error = enact(&policies).err().unwrap().to_string();
            assert!(error.starts_with("template: the policy of echo: "), "{error}");
        }
    }
}
