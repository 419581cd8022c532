//! Reads and evaluates policies (docs.aws.amazon.com, IAM user guide, "IAM JSON policy element reference" and "Policy
//! evaluation logic"), without I/O.
//!
//! The module covers only the forms that the template's policies use:
//! - Statements that allow, with wildcards in actions and resources and with conditions on the two keys below.
//! - Statements that deny actions on all resources except some, or to requests without leading keys.
//!
//! Any other form is an error, so that the result never differs from AWS's.

use std::collections::BTreeMap;

use sandbox_aws::Need;
use serde::Deserialize;
use serde_json::Value;
use wildmatch::WildMatch;

use super::Privilege;

pub(super) const VERSION: &str = "2012-10-17";
/// The partition keys that a request names. This condition key has several values, so its operators state how many of
/// them must match.
const LEADING_KEYS: &str = "dynamodb:LeadingKeys";
/// The service that calls KMS for a caller. No service calls KMS here, so no request has this key.
const VIA_SERVICE: &str = "kms:ViaService";

/// The reason why a policy cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(String);

/// The privileges of a caller: those that a statement allows and no statement denies.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    allowed: Vec<Statement>,
    denied: Vec<Denial>,
}

#[derive(Debug, Clone)]
enum Denial {
    /// Denies the actions on every resource except the spared ones.
    AllBut {
        actions: Vec<WildMatch>,
        spared: Vec<WildMatch>,
    },
    /// Denies the actions on these resources if the request has no leading key.
    Keyless {
        actions: Vec<WildMatch>,
        resources: Vec<WildMatch>,
    },
}

/// A statement that allows.
#[derive(Debug, Clone)]
struct Statement {
    actions: Vec<WildMatch>,
    resources: Vec<WildMatch>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
enum Condition {
    /// Every leading key matches one of these patterns. As AWS defines `ForAllValues`, the condition also holds for a
    /// request without leading keys. A statement with this condition must therefore not allow an action without keys,
    /// such as `Scan`.
    LeadingKeysLike(Vec<WildMatch>),
    /// The request comes through a service.
    ViaService,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    version: String,
    statement: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Written {
    #[serde(rename = "Sid")]
    _name: Option<String>,
    effect: String,
    action: OneOrMany,
    resource: Option<OneOrMany>,
    not_resource: Option<OneOrMany>,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, OneOrMany>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

impl Policy {
    /// Adds the statements of one policy document. Its intrinsic functions, such as `Fn::Sub`, must already be
    /// evaluated.
    ///
    /// # Errors
    /// Fails if the document has a form that this module does not understand.
    pub fn add(&mut self, document: &Value) -> Result<(), PolicyError> {
        let document: Document =
            serde_json::from_value(document.clone()).map_err(|error| PolicyError(error.to_string()))?;
        if document.version != VERSION {
            return Err(PolicyError(format!("the version is not {VERSION}")));
        }
        for written in document.statement {
            match written.effect.as_str() {
                "Allow" => self.allowed.push(statement(written)?),
                "Deny" => self.denied.push(denial(written)?),
                other => return Err(PolicyError(format!("the effect {other} is not supported"))),
            }
        }
        Ok(())
    }

    /// Whether a statement allows the need and no statement denies it.
    #[must_use]
    pub fn grants(&self, need: &Need) -> bool {
        self.allowed.iter().any(|statement| statement.allows(need))
            && !self.denied.iter().any(|denial| denial.denies(need))
    }

    /// All privileges that the policy grants to the function.
    pub fn granted(&self, function: &str) -> Vec<Privilege> {
        let mut granted = Vec::new();
        for statement in &self.allowed {
            for (action, resource) in self.pairs(statement) {
                let privilege = |leading_key| Privilege {
                    function: function.to_owned(),
                    action: action.clone(),
                    resource: resource.clone(),
                    leading_key,
                };
                match statement.leading_keys() {
                    None => granted.push(privilege(None)),
                    Some(keys) => granted.extend(keys.iter().map(|key| privilege(Some(key.pattern())))),
                }
            }
        }
        granted
    }

    /// Each action of a statement with each of its resources, without the pairs that a [`Denial::AllBut`] removes.
    fn pairs(&self, statement: &Statement) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for action in statement.actions.iter().map(WildMatch::pattern) {
            for resource in &statement.resources {
                let all = vec![resource.pattern()];
                let left = self
                    .denied
                    .iter()
                    .fold(all, |left, denial| denial.leaves(&action, left));
                pairs.extend(left.into_iter().map(|resource| (action.clone(), resource)));
            }
        }
        pairs
    }
}

impl Denial {
    fn denies(&self, need: &Need) -> bool {
        match self {
            Self::AllBut { actions, spared } => any_like(actions, &need.action) && !any_like(spared, &need.resource),
            Self::Keyless { actions, resources } => {
                need.leading_keys.is_empty() && any_like(actions, &need.action) && any_like(resources, &need.resource)
            }
        }
    }

    /// The resources that the denial leaves to an action. A spared resource stays. Any other pattern is replaced by the
    /// spared resources that match it.
    fn leaves(&self, action: &str, resources: Vec<String>) -> Vec<String> {
        let spared = match self {
            Self::AllBut { actions, spared } if any_like(actions, action) => spared,
            _ => return resources,
        };
        let leaves = |resource: String| match any_like(spared, &resource) {
            true => vec![resource],
            false => {
                let covers = WildMatch::new(&resource);
                let spared = spared.iter().map(WildMatch::pattern);
                spared.filter(|spared| covers.matches(spared)).collect()
            }
        };
        resources.into_iter().flat_map(leaves).collect()
    }
}

impl Statement {
    fn allows(&self, need: &Need) -> bool {
        any_like(&self.actions, &need.action)
            && any_like(&self.resources, &need.resource)
            && self.conditions.iter().all(|condition| condition.holds(need))
    }

    fn leading_keys(&self) -> Option<&[WildMatch]> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::LeadingKeysLike(keys) => Some(keys.as_slice()),
            Condition::ViaService => None,
        })
    }
}

impl Condition {
    fn holds(&self, need: &Need) -> bool {
        match self {
            Self::LeadingKeysLike(keys) => need.leading_keys.iter().all(|key| any_like(keys, key)),
            Self::ViaService => false,
        }
    }
}

fn any_like(patterns: &[WildMatch], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

fn denial(written: Written) -> Result<Denial, PolicyError> {
    let actions = actions(written.action);
    match (written.resource, written.not_resource) {
        (None, Some(spared)) if written.condition.is_empty() => Ok(Denial::AllBut {
            actions,
            spared: patterns(&spared.into_vec())?,
        }),
        (Some(resources), None) if is_keyless(written.condition) => Ok(Denial::Keyless {
            actions,
            resources: patterns(&resources.into_vec())?,
        }),
        _ => Err(PolicyError("this kind of Deny statement is not supported".to_owned())),
    }
}

/// Whether the only condition is that the request has no leading key.
fn is_keyless(condition: BTreeMap<String, BTreeMap<String, OneOrMany>>) -> bool {
    let written = condition.into_iter().flat_map(|(operator, keys)| {
        let keys = keys.into_iter();
        keys.map(move |(key, values)| (operator.clone(), key, values.into_vec()))
    });
    let keyless = ("Null".to_owned(), LEADING_KEYS.to_owned(), vec!["true".to_owned()]);
    written.eq([keyless])
}

fn statement(written: Written) -> Result<Statement, PolicyError> {
    let (Some(resources), None) = (written.resource, written.not_resource) else {
        return Err(PolicyError(
            "an Allow statement needs Resource and no NotResource".to_owned(),
        ));
    };
    let mut conditions = Vec::new();
    for (operator, keys) in written.condition {
        for (key, values) in keys {
            conditions.push(condition(&operator, &key, values.into_vec())?);
        }
    }
    let leading = |condition: &&Condition| matches!(condition, Condition::LeadingKeysLike(_));
    if conditions.iter().filter(leading).count() > 1 {
        return Err(PolicyError(format!("two conditions on {LEADING_KEYS}")));
    }
    Ok(Statement {
        actions: actions(written.action),
        resources: patterns(&resources.into_vec())?,
        conditions,
    })
}

/// Action names are case-insensitive; ARNs and keys are case-sensitive.
fn actions(written: OneOrMany) -> Vec<WildMatch> {
    let action = |pattern: &String| WildMatch::new_case_insensitive(pattern);
    written.into_vec().iter().map(action).collect()
}

fn condition(operator: &str, key: &str, values: Vec<String>) -> Result<Condition, PolicyError> {
    match (operator, key) {
        ("ForAllValues:StringLike", LEADING_KEYS) => Ok(Condition::LeadingKeysLike(patterns(&values)?)),
        ("StringEquals" | "StringLike", VIA_SERVICE) => Ok(Condition::ViaService),
        _ => Err(PolicyError(format!(
            "the condition {operator} on {key} is not supported"
        ))),
    }
}

fn patterns(texts: &[String]) -> Result<Vec<WildMatch>, PolicyError> {
    match texts.iter().find(|text| text.contains("${")) {
        Some(variable) => Err(PolicyError(format!(
            "{variable} has a policy variable, which is not supported"
        ))),
        None => Ok(texts.iter().map(|text| WildMatch::new(text)).collect()),
    }
}

#[cfg(test)]
mod tests;
