//! Template parameters: their declarations, and their values under given bindings.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bindings::Bindings;
use super::error::TemplateError;
use super::intrinsic::text_of;

/// A declared parameter. It does not hold the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    /// CloudFormation's type, for example `String` or `CommaDelimitedList`.
    pub kind: String,
    /// The default, as text.
    pub default: Option<String>,
    /// Whether CloudFormation masks the value.
    pub no_echo: bool,
}

/// The declarations, sorted by name.
pub(super) fn declared(document: &Value) -> Result<Vec<Parameter>, TemplateError> {
    let declarations = document.get("Parameters").and_then(Value::as_object);
    declarations
        .into_iter()
        .flatten()
        .map(|(name, declaration)| declare(name, declaration))
        .collect()
}

/// The value of each parameter: the bound value, otherwise the default.
pub(super) fn values(document: &Value, bindings: &Bindings) -> Result<BTreeMap<String, Value>, TemplateError> {
    let declared = declared(document)?;
    if let Some(unknown) = bindings
        .parameters()
        .keys()
        .find(|name| !declared.iter().any(|known| known.name == **name))
    {
        return Err(TemplateError::at(
            "Parameters",
            format!("a value was bound to `{unknown}`, which is not declared"),
        ));
    }
    declared
        .iter()
        .map(|parameter| Ok((parameter.name.clone(), value(document, parameter, bindings)?)))
        .collect()
}

fn declare(name: &str, declaration: &Value) -> Result<Parameter, TemplateError> {
    let place = format!("Parameters.{name}");
    let default = declaration
        .get("Default")
        .map(|value| text_of(value, &place))
        .transpose()?;
    let kind = declaration.get("Type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| TemplateError::at(&place, "has no Type"))?;
    let no_echo = declaration.get("NoEcho").and_then(Value::as_bool).unwrap_or(false);
    Ok(Parameter {
        name: name.to_owned(),
        kind: kind.to_owned(),
        default,
        no_echo,
    })
}

fn value(document: &Value, parameter: &Parameter, bindings: &Bindings) -> Result<Value, TemplateError> {
    let place = format!("Parameters.{}", parameter.name);
    let text = bindings
        .parameters()
        .get(&parameter.name)
        .or(parameter.default.as_ref());
    let text = text.ok_or_else(|| TemplateError::at(&place, "has no default and no value was bound"))?;
    check_allowed(document, parameter, text, &place)?;
    let is_list = parameter.kind == "CommaDelimitedList" || parameter.kind.starts_with("List<");
    Ok(match is_list {
        true => text.split(',').map(|item| Value::from(item.trim())).collect(),
        false => Value::from(text.as_str()),
    })
}

fn check_allowed(document: &Value, parameter: &Parameter, text: &str, place: &str) -> Result<(), TemplateError> {
    let pointer = format!("/Parameters/{}/AllowedValues", parameter.name);
    let Some(allowed) = document.pointer(&pointer).and_then(Value::as_array) else {
        return Ok(());
    };
    let allowed = allowed
        .iter()
        .map(|value| text_of(value, place))
        .collect::<Result<Vec<_>, _>>()?;
    match allowed.iter().any(|value| value == text) {
        true => Ok(()),
        // The error omits the value, which may be a secret.
        false => Err(TemplateError::at(place, "the value is not one of AllowedValues")),
    }
}
