//! Mutations of structure: dropped, doubled, renamed, retyped, wrapped or nested fields; numbers and texts at their
//! limits.

use serde_json::{Map, Value, json};

use super::text;
use crate::canary::CANARY;
use crate::chance::Chance;

/// Changes one node at a random place. The whole document changes more rarely than a part of it.
pub fn mutate(document: &mut Value, chance: &mut Chance) {
    descend(document, 12, chance);
}

fn descend(node: &mut Value, stops_once_in: usize, chance: &mut Chance) {
    if chance.one_in(stops_once_in) {
        return change(node, chance);
    }
    match node {
        Value::Object(fields) if !fields.is_empty() => {
            let at = chance.below(fields.len());
            if let Some(child) = fields.values_mut().nth(at) {
                descend(child, 5, chance);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = chance.below(items.len());
            if let Some(child) = items.get_mut(at) {
                descend(child, 5, chance);
            }
        }
        _ => change(node, chance),
    }
}

fn change(node: &mut Value, chance: &mut Chance) {
    match chance.below(14) {
        9.. => nudge(node, chance),
        0 => *node = any(chance),
        1 => drop_child(node, chance),
        2 => add_child(node, chance),
        3 => rename_child(node, chance),
        4 => *node = listed(node.take(), chance),
        5 => *node = json!({ text::odd(chance): node.take() }),
        6 => *node = buried(node.take(), chance.pick([8, 60, 126, 127, 128, 129, 300])),
        7 => *node = Value::String(text::odd(chance)),
        _ => *node = number(chance),
    }
}

/// Copies a value of `other` to the same place in `into`, so that the result most likely stays readable.
pub fn cross(into: &mut Value, other: &Value, chance: &mut Chance) {
    if chance.one_in(8) {
        *into = other.clone();
        return;
    }
    match (into, other) {
        (Value::Object(fields), Value::Object(others)) => {
            if let Some(name) = name_of_one(others, chance)
                && let Some(theirs) = others.get(&name)
            {
                cross(fields.entry(name).or_insert(Value::Null), theirs, chance);
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            let at = chance.below(others.len());
            if let (Some(item), Some(theirs)) = (items.get_mut(at), others.get(at)) {
                cross(item, theirs, chance);
            }
        }
        (into, other) => *into = other.clone(),
    }
}

/// Keeps the type, and changes the value slightly.
fn nudge(node: &mut Value, chance: &mut Chance) {
    match node {
        Value::Bool(flag) => *flag = !*flag,
        Value::Number(number) => {
            let number = number.as_i64().unwrap_or_default();
            *node = json!(number.wrapping_add(chance.pick([-1, 1, 256])));
        }
        Value::String(text) => *text = near(text, chance),
        Value::Array(items) => items.reverse(),
        Value::Null | Value::Object(_) => drop_child(node, chance),
    }
}

fn near(text: &str, chance: &mut Chance) -> String {
    match chance.below(7) {
        0 => String::new(),
        1 => format!(" {text} "),
        2 => text.to_uppercase(),
        3 => text.chars().skip(1).collect(),
        4 => format!("{text}{}", text::odd(chance)),
        5 => text.chars().rev().collect(),
        _ => text.replacen(|character: char| character.is_ascii_alphanumeric(), "7", 1),
    }
}

/// A value of any type.
pub fn any(chance: &mut Chance) -> Value {
    match chance.below(7) {
        0 => Value::Null,
        1 => Value::Bool(chance.one_in(2)),
        2 => json!([]),
        3 => json!({}),
        4 => json!({ CANARY: [CANARY, null, { CANARY: 1 }] }),
        5 => number(chance),
        _ => Value::String(text::odd(chance)),
    }
}

fn number(chance: &mut Chance) -> Value {
    match chance.below(4) {
        0 => json!(chance.pick([
            0,
            1,
            -1,
            2,
            i64::MAX,
            i64::MIN,
            253_402_300_800_000,
            -62_135_596_800_001
        ])),
        1 => json!(u64::MAX),
        2 => json!(chance.pick([0.5, -0.0, f64::MAX, f64::MIN_POSITIVE, 1e300])),
        _ => json!(chance.number()),
    }
}

/// An array of the value, or of the values of its fields. A derived deserializer accepts the array of the fields'
/// values in place of the object.
fn listed(value: Value, chance: &mut Chance) -> Value {
    match value {
        Value::Object(fields) if chance.one_in(2) => fields.into_iter().map(|(_, value)| value).collect(),
        other => json!([other]),
    }
}

fn buried(value: Value, depth: usize) -> Value {
    (0..depth).fold(value, |inner, level| {
        if level % 2 == 0 {
            json!([inner])
        } else {
            json!({ "x": inner })
        }
    })
}

fn drop_child(node: &mut Value, chance: &mut Chance) {
    match node {
        Value::Object(fields) => {
            if let Some(name) = name_of_one(fields, chance) {
                fields.remove(&name);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            items.remove(chance.below(items.len()));
        }
        _ => *node = Value::Null,
    }
}

fn add_child(node: &mut Value, chance: &mut Chance) {
    match node {
        Value::Object(fields) => {
            fields.insert(text::odd(chance), any(chance));
        }
        Value::Array(items) => {
            let again = items.first().cloned().unwrap_or_else(|| any(chance));
            let times = chance.pick([1, 1, 2, 300]);
            items.extend(std::iter::repeat_n(again, times));
        }
        _ => *node = any(chance),
    }
}

fn rename_child(node: &mut Value, chance: &mut Chance) {
    if let Value::Object(fields) = node
        && let Some(name) = name_of_one(fields, chance)
        && let Some(value) = fields.remove(&name)
    {
        let renamed = match chance.below(4) {
            0 => name.to_uppercase(),
            1 => format!("{name} "),
            2 => format!("{name}{CANARY}"),
            _ => text::odd(chance),
        };
        fields.insert(renamed, value);
    }
}

fn name_of_one(fields: &Map<String, Value>, chance: &mut Chance) -> Option<String> {
    fields.keys().nth(chance.below(fields.len())).cloned()
}

/// Doubles the first name of an object: puts the same name with another value before it.
fn doubled(text: &str, chance: &mut Chance) -> Option<String> {
    let objects: Vec<usize> = text.match_indices("{\"").map(|(at, _)| at + 1).collect();
    let at = *objects.get(chance.below(objects.len()))?;
    let (before, after) = text.split_at_checked(at)?;
    let name = after.split('"').nth(1)?;
    Some(format!("{before}\"{name}\":{},{after}", any(chance)))
}

/// Makes texts that a tree cannot express: a doubled name, unusual numbers and escapes, white space, a missing end, or
/// text after the end.
pub fn respell(value: &Value, text: String, chance: &mut Chance) -> String {
    match chance.below(7) {
        0 => doubled(&text, chance).unwrap_or(text),
        1 => {
            let spelled = chance.pick([
                "1e999",
                "-0",
                "1E+400",
                "99999999999999999999999999",
                "01",
                "NaN",
                "+1",
                ".5",
            ]);
            text.replacen("null", spelled, 1).replacen("true", spelled, 1)
        }
        2 => text.replacen(
            'a',
            chance.pick([r"\u0061", r"\ud800", r"\uD83D\uDCA5", r"\u0000", r"\x", r"\u12"]),
            1,
        ),
        3 => serde_json::to_string_pretty(value).unwrap_or(text),
        4 => format!("{text}{}", chance.pick([" ", "x", "{}", ",", "\0", "]"])),
        5 => format!("\u{FEFF}{text}"),
        _ => text.get(..chance.below(text.len())).unwrap_or_default().to_owned(),
    }
}
