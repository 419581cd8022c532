//! The whole template, typed. This module knows the resource types that exist in the sandbox; the sibling modules read
//! their properties.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::api::{self, HttpApi};
use super::bindings::Bindings;
use super::data::{self, Bucket, Secret, Table};
use super::error::TemplateError;
use super::function::{self, Function};
use super::intrinsic::{Evaluator, text_of};
use super::key::{self, Key, KeyAlias};
use super::node::Node;
use super::parameter::{self, Parameter};
use super::queue::{self, Queue};
use super::yaml;

/// A SAM template under given bindings. It omits resources whose `Condition` does not hold. Resources are sorted by
/// logical id.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    pub parameters: Vec<Parameter>,
    pub functions: Vec<Function>,
    pub queues: Vec<Queue>,
    pub tables: Vec<Table>,
    pub buckets: Vec<Bucket>,
    pub secrets: Vec<Secret>,
    pub keys: Vec<Key>,
    pub key_aliases: Vec<KeyAlias>,
    /// The HTTP API, if the template has one.
    pub api: Option<HttpApi>,
    document: Value,
}

impl Stack {
    /// Reads the text of a template. It evaluates names and settings now, with the parameters of `bindings`.
    /// Environment variables refer to created resources, so [`Stack::environment`] evaluates them later.
    ///
    /// # Errors
    /// Fails at the first place that is not YAML, lacks a property, refers to an unknown name, or uses an unsupported
    /// intrinsic or setting. The error names the place.
    pub fn read(text: &str, bindings: &Bindings) -> Result<Self, TemplateError> {
        let document = yaml::read(text)?;
        let evaluator = Evaluator::new(&document, bindings)?;
        let resources = Resources::list(&document, &evaluator)?;
        let globals = Node::new(&evaluator, &document, "template").get("Globals")?;
        let api = api::read(resources.of("AWS::Serverless::HttpApi"), globals.as_ref())?;
        let functions = resources.of("AWS::Serverless::Function");
        let stack = Self {
            parameters: parameter::declared(&document)?,
            functions: each(functions, |node| function::read(node, globals.as_ref(), api.as_ref()))?,
            queues: each(resources.of("AWS::SQS::Queue"), |node| queue::read(node, &evaluator))?,
            tables: each(resources.of("AWS::DynamoDB::Table"), |node| {
                data::table(node, &evaluator)
            })?,
            buckets: each(resources.of("AWS::S3::Bucket"), |node| data::bucket(node, &evaluator))?,
            secrets: each(resources.of("AWS::SecretsManager::Secret"), |node| {
                data::secret(node, &evaluator)
            })?,
            keys: each(resources.of("AWS::KMS::Key"), key::key)?,
            key_aliases: each(resources.of("AWS::KMS::Alias"), key::alias)?,
            api,
            document: Value::Null,
        };
        check_binaries(&stack.functions)?;
        Ok(Self { document, ..stack })
    }

    /// The variables of one function, merged with the globals, under bindings that resolve the stack's resources.
    ///
    /// # Errors
    /// Fails if the bindings do not resolve a name that a variable refers to. The error names the variable.
    pub fn environment(
        &self,
        function: &Function,
        bindings: &Bindings,
    ) -> Result<BTreeMap<String, String>, TemplateError> {
        let evaluator = Evaluator::new(&self.document, bindings)?;
        let mut variables = BTreeMap::new();
        for (name, value) in &function.environment {
            let place = format!("{}.Environment.Variables.{name}", function.logical_id);
            if let Some(value) = evaluator.evaluate(value, &place)? {
                variables.insert(name.clone(), text_of(&value, &place)?);
            }
        }
        Ok(variables)
    }

    /// Any value of this template (a policy, an alarm) with its intrinsics evaluated; `None` for `AWS::NoValue`.
    ///
    /// # Errors
    /// Fails if the bindings do not resolve a name that the value refers to. The error names the place.
    pub fn evaluate(&self, value: &Value, bindings: &Bindings) -> Result<Option<Value>, TemplateError> {
        Evaluator::new(&self.document, bindings)?.evaluate(value, "value")
    }

    /// An unevaluated top-level section (`Parameters`, `Rules`), with intrinsics in their long form.
    pub fn section(&self, name: &str) -> Option<&Value> {
        self.document.get(name)
    }

    /// An unevaluated resource, with intrinsics in their long form.
    pub fn resource(&self, logical_id: &str) -> Option<&Value> {
        self.document.get("Resources")?.get(logical_id)
    }

    /// All resources, unevaluated: logical id, type and body.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let resources = self
            .document
            .get("Resources")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        resources.map(|(id, body)| {
            (
                id.as_str(),
                body.get("Type").and_then(Value::as_str).unwrap_or_default(),
                body,
            )
        })
    }

    /// The function built from this binary.
    pub fn function(&self, binary: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.binary == binary)
    }

    /// The queue with this logical id.
    pub fn queue(&self, logical_id: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.logical_id == logical_id)
    }
}

/// Refuses two functions of one binary, because the host identifies functions by binary.
fn check_binaries(functions: &[Function]) -> Result<(), TemplateError> {
    let mut binaries = BTreeSet::new();
    match functions.iter().find(|function| !binaries.insert(&function.binary)) {
        None => Ok(()),
        Some(function) => {
            let place = format!("Resources.{}", function.logical_id);
            Err(TemplateError::at(
                place,
                format!("is a second function of the binary `{}`", function.binary),
            ))
        }
    }
}

pub(super) struct Resource<'a> {
    pub(super) logical_id: &'a str,
    pub(super) kind: String,
    pub(super) node: Node<'a>,
}

impl<'a> Resource<'a> {
    /// A property by path, for example `["RedrivePolicy", "maxReceiveCount"]`.
    pub(super) fn property(&self, path: &[&str]) -> Result<Option<Node<'a>>, TemplateError> {
        let Some(properties) = self.node.get("Properties")? else {
            return Ok(None);
        };
        properties.at(path)
    }

    /// The resource's own name. A resource without a name gets the stack's name with its logical id; CloudFormation
    /// would generate a name.
    pub(super) fn name(&self, property: &str, evaluator: &Evaluator<'_>) -> Result<String, TemplateError> {
        match self.property(&[property])? {
            Some(name) => name.text(),
            None => Ok(format!("{}-{}", evaluator.stack_name(), self.logical_id)),
        }
    }
}

struct Resources<'a>(Vec<Resource<'a>>);

impl<'a> Resources<'a> {
    fn list(document: &'a Value, evaluator: &'a Evaluator<'a>) -> Result<Self, TemplateError> {
        let top = Node::new(evaluator, document, "template").required("Resources")?;
        let mut resources = Vec::new();
        for (logical_id, _) in top.entries()? {
            let body = top.raw().get(logical_id).unwrap_or(&Value::Null);
            let node = Node::new(evaluator, body, format!("Resources.{logical_id}"));
            let kind = node.required("Type")?.text()?;
            let condition = node.text_at("Condition")?;
            let holds = condition
                .map(|name| evaluator.condition(&name, logical_id))
                .transpose()?;
            if holds.unwrap_or(true) {
                resources.push(Resource { logical_id, kind, node });
            }
        }
        Ok(Self(resources))
    }

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &Resource<'a>> {
        self.0.iter().filter(move |resource| resource.kind == kind)
    }
}

fn each<'r, 'a: 'r, T>(
    resources: impl Iterator<Item = &'r Resource<'a>>,
    read: impl Fn(&'r Resource<'a>) -> Result<T, TemplateError>,
) -> Result<Vec<T>, TemplateError> {
    resources.map(read).collect()
}
