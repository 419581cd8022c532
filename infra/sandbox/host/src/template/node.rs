//! A value in the template and the typed ways to read it. A value is evaluated only when it is read, so an unread value
//! may be invalid.

use serde_json::Value;

use super::error::TemplateError;
use super::intrinsic::{Evaluator, attribute_parts, intrinsic, text_of};

/// One value of the template, with its place for error messages.
#[derive(Clone)]
pub(super) struct Node<'a> {
    evaluator: &'a Evaluator<'a>,
    value: &'a Value,
    place: String,
}

impl<'a> Node<'a> {
    pub(super) fn new(evaluator: &'a Evaluator<'a>, value: &'a Value, place: impl Into<String>) -> Self {
        Self {
            evaluator,
            value,
            place: place.into(),
        }
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> TemplateError {
        TemplateError::at(&self.place, problem)
    }

    /// The unevaluated value, with intrinsics in their long form.
    pub(super) fn raw(&self) -> &'a Value {
        self.value
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Node<'a>>, TemplateError> {
        let place = format!("{}.{key}", self.place);
        match self.value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let chosen = self.evaluator.branch(value, &place)?;
                Ok(chosen.map(|value| Node::new(self.evaluator, value, place)))
            }
        }
    }

    /// The child at a path, if every step is present.
    pub(super) fn at(&self, path: &[&str]) -> Result<Option<Node<'a>>, TemplateError> {
        path.iter().try_fold(Some(self.clone()), |node, key| match node {
            Some(node) => node.get(key),
            None => Ok(None),
        })
    }

    pub(super) fn required(&self, key: &str) -> Result<Node<'a>, TemplateError> {
        self.get(key)?.ok_or_else(|| self.error(format!("has no {key}")))
    }

    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Node<'a>)>, TemplateError> {
        let object = self.value.as_object().ok_or_else(|| self.error("must be a map"))?;
        let children = object
            .keys()
            .map(|key| Ok(self.get(key)?.map(|node| (key.as_str(), node))));
        children.filter_map(Result::transpose).collect()
    }

    /// The items of a list; a single value counts as a list of one.
    pub(super) fn items(&self) -> Vec<Node<'a>> {
        match self.value {
            Value::Array(items) => {
                let nodes = items.iter().enumerate();
                nodes
                    .map(|(i, item)| Node::new(self.evaluator, item, format!("{}[{i}]", self.place)))
                    .collect()
            }
            _ => vec![self.clone()],
        }
    }

    pub(super) fn evaluated(&self) -> Result<Value, TemplateError> {
        self.evaluator
            .evaluate(self.value, &self.place)?
            .ok_or_else(|| self.error("must have a value"))
    }

    pub(super) fn text(&self) -> Result<String, TemplateError> {
        text_of(&self.evaluated()?, &self.place)
    }

    pub(super) fn number(&self) -> Result<u64, TemplateError> {
        self.text()?
            .parse()
            .map_err(|error| self.error(format!("must be a whole number: {error}")))
    }

    pub(super) fn flag(&self) -> Result<bool, TemplateError> {
        self.text()?
            .parse()
            .map_err(|error| self.error(format!("must be true or false: {error}")))
    }

    /// The texts of a list, of an intrinsic that gives a list, or of one scalar.
    pub(super) fn texts(&self) -> Result<Vec<String>, TemplateError> {
        match self.evaluated()? {
            Value::Array(items) => items.iter().map(|item| text_of(item, &self.place)).collect(),
            scalar => text_of(&scalar, &self.place).map(|text| vec![text]),
        }
    }

    pub(super) fn text_at(&self, key: &str) -> Result<Option<String>, TemplateError> {
        self.get(key)?.map(|node| node.text()).transpose()
    }

    pub(super) fn number_at(&self, key: &str) -> Result<Option<u64>, TemplateError> {
        self.get(key)?.map(|node| node.number()).transpose()
    }

    pub(super) fn flag_at(&self, key: &str) -> Result<bool, TemplateError> {
        Ok(self.get(key)?.map(|node| node.flag()).transpose()?.unwrap_or(false))
    }

    pub(super) fn texts_at(&self, key: &str) -> Result<Vec<String>, TemplateError> {
        Ok(self.get(key)?.map(|node| node.texts()).transpose()?.unwrap_or_default())
    }

    /// The resource that this value refers to by `Ref` or `GetAtt`, without evaluating it.
    pub(super) fn logical_id(&self) -> Result<String, TemplateError> {
        match self.value.as_object().and_then(intrinsic) {
            Some(("Ref", Value::String(name))) => Ok(name.clone()),
            Some(("Fn::GetAtt", argument)) => Ok(attribute_parts(argument, &self.place)?.0),
            _ => Err(self.error("must refer to a resource of this template by Ref or GetAtt")),
        }
    }
}
