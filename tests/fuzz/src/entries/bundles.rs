//! Fuzzes the FHIR reader with any bytes, in pieces of any size, and compares it with `serde_json`.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use shared::records::{BundleScan, PatientField, ResourceSink, ScanError};

use crate::canary;
use crate::chance::Chance;
use crate::mutate;
use crate::run::{Class, Entry};

/// The reader of records.
pub struct Bundles {
    stock: Vec<Value>,
}

/// The entry's name.
pub const NAME: &str = "fhir-bundle";

const DEPTH_MAX: usize = 512;

type Counts = BTreeMap<String, u64>;

type Read = Result<(Counts, Reports), ScanError>;

/// The reader's reports about Patients, in order.
#[derive(Debug, Default, PartialEq)]
struct Reports(Vec<(&'static str, Option<PatientField>, Vec<u8>)>);

impl ResourceSink for Reports {
    fn text(&mut self, field: PatientField, raw: &[u8]) {
        self.0.push(("text", Some(field), raw.to_vec()));
    }

    fn unclear(&mut self, field: PatientField) {
        self.0.push(("unclear", Some(field), Vec::new()));
    }

    fn end_name(&mut self) {
        self.0.push(("end of a name", None, Vec::new()));
    }

    fn end_resource(&mut self, is_patient: bool) {
        self.0.push(("end", None, vec![u8::from(is_patient)]));
    }
}

impl Bundles {
    /// Starts with small bundles, because the reader looks at the structure around the resources and not at their
    /// content.
    #[must_use]
    pub fn start() -> Self {
        let resource = |kind: &str| json!({ "fullUrl": "urn:uuid:1", "resource": { "resourceType": kind, "id": "1" } });
        let contained = json!({ "resource": {
            "contained": [{ "resourceType": "Organization" }], "resourceType": "Patient", "active": true, "n": -1.5e-3,
            "name": [{ "family": "Qu\"ill\\\u{e9}\u{1F4A5}", "given": ["Nora", null] }],
        }, "search": { "mode": "match", "resourceType": "No" } });
        let many: Vec<_> = (0..300)
            .map(|number| resource(&format!("Type{}", spell_digits(number))))
            .collect();
        let bundles = vec![
            json!({ "resourceType": "Bundle", "type": "collection", "total": 3,
                "entry": [contained, resource("Observation"), resource("Observation")] }),
            json!({ "entry": [resource("Condition")], "meta": { "entry": [resource("No")] }, "resourceType": "Bundle" }),
            json!({ "resourceType": "Bundle", "entry": many }),
            json!({ "resourceType": "Bundle" }),
            json!({ "resourceType": "Patient", "id": "1" }),
        ];
        Self { stock: bundles }
    }
}

fn spell_digits(number: usize) -> String {
    number
        .to_string()
        .bytes()
        .map(|digit| char::from(digit + (b'a' - b'0')))
        .collect()
}

impl Entry for Bundles {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(&self, chance: &mut Chance) -> Vec<u8> {
        if chance.one_in(30) {
            return mutate::bytes::noise(chance);
        }
        if chance.one_in(200) {
            let depth = chance.pick([100, 509, 510, 511, 512, 513, 5000, 60_000]);
            let (open, close) = chance.pick([("[", "]"), ("{\"a\":", "}")]);
            let middle = if open == "[" { "" } else { "1" };
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            return format!("{{\"resourceType\":\"Bundle\",\"x\":{open}{middle}{close}}}").into_bytes();
        }
        // The third bundle has many types and is large, so it is chosen rarely.
        let large = usize::from(chance.one_in(50)) * 2;
        let at = if large > 0 {
            large
        } else {
            chance.pick([0, 0, 0, 1, 1, 3, 4])
        };
        self.stock
            .get(at)
            .map(|bundle| mutate::document(bundle.clone(), chance))
            .unwrap_or_default()
    }

    fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
        let read = scan([input]);
        let mut chance = Chance::of_bytes(input);
        if scan(pieces(input, &mut chance)) != read {
            return Err("the result depends on the pieces".to_owned());
        }
        agrees_with_serde(input, &read)?;
        match read {
            Ok((counts, _)) if canary::is_in(&format!("{counts:?}")) => Err("a type name is repeated".to_owned()),
            Ok((counts, _)) if counts.len() > 257 => Err("more types than allowed".to_owned()),
            Ok(_) => {
                let cut = input
                    .get(..chance.below(input.trim_ascii_end().len()))
                    .unwrap_or_default();
                match scan([cut]) {
                    Ok(_) => Err("a truncated record was accepted".to_owned()),
                    Err(_) => Ok("read"),
                }
            }
            Err(ScanError::NotJson(_)) => Ok("not-json"),
            Err(ScanError::NotUtf8(_)) => Ok("not-utf8"),
            Err(ScanError::TooDeep(_)) => Ok("too-deep"),
            Err(ScanError::Doubled(_)) => Ok("doubled"),
            Err(ScanError::Escaped(_)) => Ok("escaped"),
            Err(ScanError::NotABundle) => Ok("not-a-bundle"),
            Err(ScanError::Truncated(_)) => Ok("truncated"),
        }
    }
}

fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut scan = BundleScan::new(Reports::default());
    for piece in pieces {
        scan.push(piece)?;
    }
    scan.finish()
}

fn pieces<'a>(mut input: &'a [u8], chance: &mut Chance) -> Vec<&'a [u8]> {
    let longest = chance.pick([1, 2, 3, 17, 400]);
    let mut pieces = Vec::new();
    while !input.is_empty() {
        let (piece, rest) = input.split_at(input.len().min(chance.below(longest + 1)));
        pieces.push(piece);
        input = rest;
    }
    pieces
}

/// Our reader must accept the same texts as `serde_json`, except that ours requires a Bundle, limits the depth and
/// refuses some doubled or escaped names. If `serde_json` can build a tree, the counts of resources must agree.
fn agrees_with_serde(input: &[u8], read: &Read) -> Result<(), String> {
    let is_json = std::str::from_utf8(input).is_ok() && serde_json::from_slice::<IgnoredAny>(input).is_ok();
    match (is_json, read) {
        (false, Ok(_)) => return Err("accepted an input that serde_json refuses".to_owned()),
        (true, Err(error @ (ScanError::NotJson(_) | ScanError::NotUtf8(_) | ScanError::Truncated(_)))) => {
            return Err(format!("refused an input that serde_json accepts: {error}"));
        }
        (true, Err(ScanError::TooDeep(_))) if depth(input) <= DEPTH_MAX => {
            return Err("refused an allowed depth".to_owned());
        }
        (true, Ok(_)) if depth(input) > DEPTH_MAX => return Err("accepted too deep an input".to_owned()),
        _ => {}
    }
    let Ok(tree) = serde_json::from_slice::<Value>(input) else {
        return Ok(());
    };
    // A tree keeps the last of two equal names. Our reader refuses doubled names that would change the counts, so the
    // counts must agree.
    if let Ok((ours, _)) = read
        && counted(&tree).as_ref() != Some(ours)
    {
        return Err(format!("counted {ours:?}, but the tree has other counts"));
    }
    // The rewritten tree has each name once and only the necessary escapes, so our reader must count the resources of
    // that text like the tree.
    let text = tree.to_string();
    match (scan([text.as_bytes()]), counted(&tree)) {
        (Err(ScanError::Escaped(_)), _) if text.contains('\\') => Ok(()),
        (Ok((ours, _)), Some(theirs)) if ours == theirs => Ok(()),
        (Err(_), None) => Ok(()),
        (ours, theirs) => Err(format!("counted {ours:?}, but the rewritten tree has {theirs:?}")),
    }
}

/// The greatest nesting of brackets outside strings.
fn depth(input: &[u8]) -> usize {
    let (mut now, mut most, mut text, mut escaped) = (0_usize, 0, false, false);
    for byte in input {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' | b'[' if !text => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Counts the resources of a tree as our reader does. A resource counts if it and its entry are objects and `entry` is
/// a list.
fn counted(tree: &Value) -> Option<Counts> {
    if tree.as_object()?.get("resourceType")?.as_str()? != "Bundle" {
        return None;
    }
    let mut counts = BTreeMap::new();
    for entry in tree.get("entry").and_then(Value::as_array).into_iter().flatten() {
        let resource = entry.as_object().and_then(|entry| entry.get("resource")?.as_object());
        if let Some(kind) = resource.and_then(|resource| resource.get("resourceType")?.as_str()) {
            let known = !kind.is_empty() && kind.len() <= 64 && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
            let name = if known { kind } else { "unnamed" };
            let name = if counts.len() >= 256 && !counts.contains_key(name) {
                "unnamed"
            } else {
                name
            };
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    Some(counts)
}
