//! `infra/openapi.yaml` as JSON. This module knows the layout of OpenAPI, but nothing about this API.

use std::collections::BTreeSet;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

const TEXT: &str = include_str!("../../../infra/openapi.yaml");
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

pub(super) struct Document(Value);

pub(super) struct Operation {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
    path_parameters: Value,
}

impl Operation {
    /// The operation's name, written like a route: `POST /v1/records`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

impl Document {
    pub(super) fn read() -> Self {
        let documents = Yaml::load_from_str(TEXT).unwrap();
        Self(json_of(&documents[0]))
    }

    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.0
            .pointer(pointer)
            .unwrap_or_else(|| panic!("there is no {pointer}"))
    }

    pub(super) fn schema(&self, name: &str) -> &Value {
        self.at(&format!("/components/schemas/{name}"))
    }

    pub(super) fn enum_values(&self, schema: &str) -> Vec<&str> {
        let words = self.schema(schema)["enum"].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap()).collect()
    }

    pub(super) fn properties(&self, schema: &str) -> BTreeSet<&str> {
        let properties = self.schema(schema)["properties"].as_object().unwrap();
        properties.keys().map(String::as_str).collect()
    }

    /// The target of a value's `$ref`, or the value itself.
    pub(super) fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        match value["$ref"].as_str() {
            Some(reference) => self.resolve(self.at(reference.strip_prefix('#').unwrap())),
            None => value,
        }
    }

    pub(super) fn operations(&self) -> Vec<Operation> {
        let paths = self.at("/paths").as_object().unwrap();
        let all = paths.iter().flat_map(|(path, item)| {
            let methods = item
                .as_object()
                .unwrap()
                .iter()
                .filter(|(key, _)| METHODS.contains(&key.as_str()));
            methods.map(move |(method, body)| Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                body: body.clone(),
                path_parameters: item["parameters"].clone(),
            })
        });
        all.collect()
    }

    pub(super) fn parameters<'d>(&'d self, operation: &'d Operation) -> Vec<&'d Value> {
        let lists = [&operation.path_parameters, &operation.body["parameters"]];
        let lists = lists.into_iter().filter_map(Value::as_array).flatten();
        lists.map(|parameter| self.resolve(parameter)).collect()
    }

    /// Whether an operation requires the bearer token, itself or by default.
    pub(super) fn needs_token(&self, operation: &Operation) -> bool {
        let own = operation.body.get("security");
        let requirements = own.unwrap_or_else(|| self.at("/security")).as_array().unwrap();
        !requirements.is_empty()
            && requirements
                .iter()
                .all(|requirement| requirement.get("personToken").is_some())
    }

    pub(super) fn references(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        collect(&self.0, &mut found);
        found
    }

    /// The first fault by which `value` does not fit `schema`, with its place; `None` if it fits. Checks types,
    /// required and unknown fields, closed lists and constants, but not formats and lengths.
    pub(super) fn misfit(&self, schema: &Value, value: &Value, place: &str) -> Option<String> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = choices.iter().any(|choice| self.misfit(choice, value, place).is_none());
            return (!fits).then(|| format!("{place} fits none of the choices"));
        }
        let listed = schema["enum"].as_array().is_none_or(|words| words.contains(value));
        if !listed || schema.get("const").is_some_and(|only| only != value) {
            return Some(format!("{place} may not be {value}"));
        }
        match schema["type"].as_str() {
            Some("object") => self.object_misfit(schema, value, place),
            Some("array") => {
                let items = value.as_array().map(|items| items.iter().enumerate());
                let misfit = |(index, item)| self.misfit(&schema["items"], item, &format!("{place}/{index}"));
                items.map_or_else(
                    || Some(format!("{place} is not an array")),
                    |mut items| items.find_map(misfit),
                )
            }
            Some("string") => (!value.is_string()).then(|| format!("{place} is not a text")),
            Some("integer") => (!value.is_i64()).then(|| format!("{place} is not a whole number")),
            Some("boolean") => (!value.is_boolean()).then(|| format!("{place} is neither true nor false")),
            _ => None,
        }
    }

    fn object_misfit(&self, schema: &Value, value: &Value, place: &str) -> Option<String> {
        let Some(fields) = value.as_object() else {
            return Some(format!("{place} is not an object"));
        };
        let required = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        if let Some(missing) = required.into_iter().find(|name| !fields.contains_key(*name)) {
            return Some(format!("{place} lacks {missing}"));
        }
        fields.iter().find_map(|(name, value)| {
            let place = format!("{place}/{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(schema), _) => self.misfit(schema, value, &place),
                (None, Some(Value::Bool(true))) => None,
                (None, Some(schema)) if schema.is_object() => self.misfit(schema, value, &place),
                _ => Some(format!("{place} is not described")),
            }
        })
    }
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn json_of(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Boolean(flag)) => json!(flag),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (json_of(key).as_str().unwrap().to_owned(), json_of(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        other => panic!("the document has no use for {other:?}"),
    }
}
