//! Converts YAML text into one JSON document in which every intrinsic function has its long form. Later code therefore
//! sees `!Ref X` and `Ref: X` as the same. This module knows YAML and CloudFormation's short tags (docs.aws.amazon.com,
//! "Intrinsic function reference"), but no resource type.

use saphyr::{LoadableYamlNode, Scalar, Tag, Yaml};
use serde_json::{Map, Value, json};

use super::error::TemplateError;

pub(super) fn read(text: &str) -> Result<Value, TemplateError> {
    let documents =
        Yaml::load_from_str(text).map_err(|error| TemplateError::at("template", format!("not YAML: {error}")))?;
    match documents.first() {
        Some(document) => convert(document, "template"),
        None => Err(TemplateError::at("template", "is empty")),
    }
}

fn convert(node: &Yaml<'_>, place: &str) -> Result<Value, TemplateError> {
    match node {
        Yaml::Value(scalar) => convert_scalar(scalar, place),
        Yaml::Sequence(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| convert(item, &format!("{place}[{index}]")))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let key = convert_key(key, place)?;
                let value = convert(value, &format!("{place}.{key}"))?;
                object.insert(key, value);
            }
            Ok(Value::Object(object))
        }
        Yaml::Tagged(tag, inner) => convert_tagged(tag, convert(inner, place)?, place),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            Err(TemplateError::at(place, "is not a YAML value this reader understands"))
        }
    }
}

fn convert_scalar(scalar: &Scalar<'_>, place: &str) -> Result<Value, TemplateError> {
    match scalar {
        Scalar::Null => Ok(Value::Null),
        Scalar::Boolean(value) => Ok(json!(value)),
        Scalar::Integer(value) => Ok(json!(value)),
        Scalar::FloatingPoint(value) => serde_json::Number::from_f64(value.into_inner())
            .map(Value::Number)
            .ok_or_else(|| TemplateError::at(place, "is not a finite number")),
        Scalar::String(value) => Ok(json!(value)),
    }
}

fn convert_key(key: &Yaml<'_>, place: &str) -> Result<String, TemplateError> {
    match convert(key, place)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(TemplateError::at(place, "has a key that is not a scalar")),
    }
}

fn convert_tagged(tag: &Tag, value: Value, place: &str) -> Result<Value, TemplateError> {
    if tag.handle != "!" {
        return Err(TemplateError::at(
            place,
            format!("has the tag `{tag}`, which CloudFormation does not know"),
        ));
    }
    let (name, value) = match (tag.suffix.as_str(), value) {
        ("Ref" | "Condition", value) => (tag.suffix.clone(), value),
        ("GetAtt", Value::String(text)) => ("Fn::GetAtt".to_owned(), attribute_path(&text, place)?),
        (suffix, value) => (format!("Fn::{suffix}"), value),
    };
    Ok(Value::Object(Map::from_iter([(name, value)])))
}

/// `Queue.Arn` as the two-element list of the long form. The attribute itself may contain dots.
pub(super) fn attribute_path(text: &str, place: &str) -> Result<Value, TemplateError> {
    text.split_once('.')
        .map(|(logical_id, attribute)| json!([logical_id, attribute]))
        .ok_or_else(|| TemplateError::at(place, format!("GetAtt `{text}` names no attribute")))
}
