//! CloudFormation's intrinsic functions, evaluated against `Bindings`; the module `condition` evaluates conditions.
//! Source: docs.aws.amazon.com, "Intrinsic function reference". A function that is not implemented causes an error with
//! its place. Its unevaluated form is never passed on.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::bindings::Bindings;
use super::error::TemplateError;
use super::yaml::attribute_path;

type Evaluated = Result<Option<Value>, TemplateError>;

/// Evaluates values of one template. `None` stands for `AWS::NoValue`: the property counts as absent.
pub(super) struct Evaluator<'a> {
    parameters: BTreeMap<String, Value>,
    pub(super) conditions: Option<&'a Map<String, Value>>,
    bindings: &'a Bindings,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(document: &'a Value, bindings: &'a Bindings) -> Result<Self, TemplateError> {
        Ok(Self {
            parameters: super::parameter::values(document, bindings)?,
            conditions: document.get("Conditions").and_then(Value::as_object),
            bindings,
        })
    }

    pub(super) fn stack_name(&self) -> &str {
        &self.bindings.stack_name
    }

    /// The value with every intrinsic replaced by its result.
    pub(super) fn evaluate(&self, value: &Value, place: &str) -> Evaluated {
        match value {
            Value::Object(object) => match intrinsic(object) {
                Some((name, argument)) => self.call(name, argument, place),
                None => self.object(object, place).map(Some),
            },
            Value::Array(items) => self.list(items, place).map(|items| Some(Value::Array(items))),
            scalar => Ok(Some(scalar.clone())),
        }
    }

    /// `value` itself, or the branch that its `Fn::If` chooses; `None` for `AWS::NoValue`.
    pub(super) fn branch<'v>(&self, value: &'v Value, place: &str) -> Result<Option<&'v Value>, TemplateError> {
        match value.as_object().and_then(intrinsic) {
            Some(("Fn::If", argument)) => self.branch(self.chosen(argument, place)?, place),
            Some(("Ref", Value::String(name))) if name == "AWS::NoValue" => Ok(None),
            _ => Ok(Some(value)),
        }
    }

    fn object(&self, object: &Map<String, Value>, place: &str) -> Result<Value, TemplateError> {
        let mut evaluated = Map::new();
        for (key, value) in object {
            if let Some(value) = self.evaluate(value, &format!("{place}.{key}"))? {
                evaluated.insert(key.clone(), value);
            }
        }
        Ok(Value::Object(evaluated))
    }

    fn list(&self, items: &[Value], place: &str) -> Result<Vec<Value>, TemplateError> {
        let evaluated = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.evaluate(item, &format!("{place}[{index}]")));
        evaluated.filter_map(Result::transpose).collect()
    }

    fn call(&self, name: &str, argument: &Value, place: &str) -> Evaluated {
        let place = format!("{place}.{name}");
        match name {
            "Ref" => self.reference(argument, &place),
            "Fn::GetAtt" => self.attribute(argument, &place).map(Some),
            "Fn::Sub" => self.substitute(argument, &place).map(|text| Some(Value::String(text))),
            "Fn::Join" => self.join(argument, &place).map(Some),
            "Fn::Split" => self.split(argument, &place).map(Some),
            "Fn::Select" => self.select(argument, &place).map(Some),
            "Fn::If" => self.evaluate(self.chosen(argument, &place)?, &place),
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => self
                .function_holds(name, argument, &place, &mut Vec::new())
                .map(|holds| Some(Value::Bool(holds))),
            _ => Err(TemplateError::at(
                place,
                "is an intrinsic function this reader does not know",
            )),
        }
    }

    fn reference(&self, argument: &Value, place: &str) -> Evaluated {
        let name = argument
            .as_str()
            .ok_or_else(|| TemplateError::at(place, "must be a name"))?;
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        self.bindings
            .pseudo(name)
            .map_or_else(|| self.resource(name, "Ref", place), Ok)
            .map(|text| Some(text.into()))
    }

    fn attribute(&self, argument: &Value, place: &str) -> Result<Value, TemplateError> {
        let (logical_id, attribute) = attribute_parts(argument, place)?;
        self.resource(&logical_id, &attribute, place).map(Value::String)
    }

    fn resource(&self, logical_id: &str, attribute: &str, place: &str) -> Result<String, TemplateError> {
        self.bindings
            .resolve(logical_id, attribute)
            .ok_or_else(|| TemplateError::at(place, format!("`{attribute}` of `{logical_id}` is unknown")))
    }

    fn substitute(&self, argument: &Value, place: &str) -> Result<String, TemplateError> {
        let (template, variables) = match argument {
            Value::String(template) => (template.as_str(), None),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(template), Value::Object(variables)] => (template.as_str(), Some(variables)),
                _ => return Err(TemplateError::at(place, "must be a text and a map of variables")),
            },
            _ => {
                return Err(TemplateError::at(
                    place,
                    "must be a text, or a text and a map of variables",
                ));
            }
        };
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| TemplateError::at(place, "has a `${` that is never closed"))?;
            text.push_str(before);
            text.push_str(&self.placeholder(name.trim(), variables, place)?);
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    fn placeholder(
        &self,
        name: &str,
        variables: Option<&Map<String, Value>>,
        place: &str,
    ) -> Result<String, TemplateError> {
        if let Some(literal) = name.strip_prefix('!') {
            return Ok(format!("${{{literal}}}"));
        }
        let value = match variables.and_then(|variables| variables.get(name)) {
            Some(value) => self.required(value, place)?,
            None => match name.split_once('.') {
                Some((logical_id, attribute)) => self.resource(logical_id, attribute, place)?.into(),
                None => self.required(&Value::Object(Map::from_iter([("Ref".to_owned(), name.into())])), place)?,
            },
        };
        text_of(&value, place)
    }

    fn join(&self, argument: &Value, place: &str) -> Result<Value, TemplateError> {
        let [delimiter, list] = pair(argument, place)?;
        let delimiter = text_of(&self.required(delimiter, place)?, place)?;
        let list = self.required_list(list, place)?;
        let texts = list
            .iter()
            .map(|item| text_of(item, place))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Value::String(texts.join(&delimiter)))
    }

    fn split(&self, argument: &Value, place: &str) -> Result<Value, TemplateError> {
        let [delimiter, text] = pair(argument, place)?;
        let delimiter = text_of(&self.required(delimiter, place)?, place)?;
        if delimiter.is_empty() {
            return Err(TemplateError::at(place, "has an empty delimiter"));
        }
        let text = text_of(&self.required(text, place)?, place)?;
        Ok(Value::Array(text.split(&delimiter).map(Value::from).collect()))
    }

    fn select(&self, argument: &Value, place: &str) -> Result<Value, TemplateError> {
        let [index, list] = pair(argument, place)?;
        let index = text_of(&self.required(index, place)?, place)?;
        let list = self.required_list(list, place)?;
        let chosen = index.parse::<usize>().ok().and_then(|index| list.get(index));
        chosen
            .cloned()
            .ok_or_else(|| TemplateError::at(place, format!("index {index} is outside the list")))
    }

    fn chosen<'v>(&self, argument: &'v Value, place: &str) -> Result<&'v Value, TemplateError> {
        match argument.as_array().map(Vec::as_slice) {
            Some([Value::String(condition), holds, fails]) => Ok(if self.condition(condition, place)? {
                holds
            } else {
                fails
            }),
            _ => Err(TemplateError::at(place, "must be a condition's name and two values")),
        }
    }

    pub(super) fn text(&self, value: &Value, place: &str) -> Result<String, TemplateError> {
        text_of(&self.required(value, place)?, place)
    }

    fn required(&self, value: &Value, place: &str) -> Result<Value, TemplateError> {
        self.evaluate(value, place)?
            .ok_or_else(|| TemplateError::at(place, "must have a value, not AWS::NoValue"))
    }

    fn required_list(&self, value: &Value, place: &str) -> Result<Vec<Value>, TemplateError> {
        match self.required(value, place)? {
            Value::Array(items) => Ok(items),
            _ => Err(TemplateError::at(place, "must be a list")),
        }
    }
}

/// The intrinsic in an object whose only key is `Ref` or starts with `Fn::`.
pub(super) fn intrinsic(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = object.iter().next().filter(|_| object.len() == 1)?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

/// Logical id and attribute of a `Fn::GetAtt`, whose argument is a list or a dotted text.
pub(super) fn attribute_parts(argument: &Value, place: &str) -> Result<(String, String), TemplateError> {
    let list = match argument {
        Value::String(text) => attribute_path(text, place)?,
        other => other.clone(),
    };
    match list.as_array().map(Vec::as_slice) {
        Some([Value::String(logical_id), Value::String(attribute)]) => Ok((logical_id.clone(), attribute.clone())),
        _ => Err(TemplateError::at(place, "must be a logical id and an attribute")),
    }
}

/// A scalar as CloudFormation writes it into a text.
pub(super) fn text_of(value: &Value, place: &str) -> Result<String, TemplateError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(TemplateError::at(place, "must be text, a number or a truth value")),
    }
}

fn pair<'v>(argument: &'v Value, place: &str) -> Result<[&'v Value; 2], TemplateError> {
    match argument.as_array().map(Vec::as_slice) {
        Some([first, second]) => Ok([first, second]),
        _ => Err(TemplateError::at(place, "must have two arguments")),
    }
}
