//! Reads the body of a network query start; strict about sources, like Metriport's published schema.

use std::collections::BTreeSet;

use sandbox_fhir::Source;
use serde_json::{Map, Value};

use crate::envelope::Refusal;

/// The purpose of use of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A provider treats the patient.
    Treatment,
    /// The patient asks for their own record.
    Ias,
}

impl Purpose {
    /// Reads the query parameter `purposeOfUse`, lowercase; treatment if missing.
    pub(crate) fn read(text: Option<&str>) -> Result<Self, Refusal> {
        match text {
            None | Some("treatment") => Ok(Self::Treatment),
            Some("ias") => Ok(Self::Ias),
            Some(_) => Err(Refusal::invalid(
                "Invalid enum value, expected 'treatment' | 'ias', on [purposeOfUse]",
            )),
        }
    }
}

/// Reads `sources` in the object form, or in the older array form.
pub(crate) fn sources(body: &Value) -> Result<BTreeSet<Source>, Refusal> {
    let sources = match body.get("sources") {
        Some(Value::Object(sources)) => sources.iter().map(option).collect::<Result<Vec<_>, _>>()?,
        Some(Value::Array(words)) => words.iter().map(listed).collect::<Result<Vec<_>, _>>()?,
        Some(_) => return Err(Refusal::invalid("Invalid input, on [sources]")),
        None => return Err(Refusal::invalid("Required, on [sources]")),
    };
    let enabled: BTreeSet<Source> = sources.into_iter().flatten().collect();
    if enabled.is_empty() {
        return Err(Refusal::invalid("At least one source must be enabled, on [sources]"));
    }
    Ok(enabled)
}

fn option((word, options): (&String, &Value)) -> Result<Option<Source>, Refusal> {
    let source = named(word).ok_or_else(|| Refusal::invalid("Unrecognized source, on [sources]"))?;
    let wrong = || Refusal::invalid(format!("Invalid options, on [sources.{}]", source.as_str()));
    let options = options
        .as_object()
        .filter(|options| are_known(source, options))
        .ok_or_else(wrong)?;
    let enabled = options.get("enabled").and_then(Value::as_bool).ok_or_else(wrong)?;
    Ok(enabled.then_some(source))
}

/// Whether all options are known: `enabled` for every source, `realtime` only for pharmacies.
fn are_known(source: Source, options: &Map<String, Value>) -> bool {
    options.iter().all(|(name, value)| match name.as_str() {
        "enabled" => value.is_boolean(),
        "realtime" => source == Source::Pharmacy && value.is_boolean(),
        _ => false,
    })
}

fn listed(word: &Value) -> Result<Option<Source>, Refusal> {
    let source = word.as_str().and_then(named);
    source
        .map(Some)
        .ok_or_else(|| Refusal::invalid("Invalid enum value, on [sources]"))
}

fn named(word: &str) -> Option<Source> {
    Source::ALL.into_iter().find(|source| source.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Vec<Source>, u16> {
        let read = sources(&json!({ "sources": value }));
        read.map(|sources| sources.into_iter().collect())
            .map_err(|refusal| refusal.status)
    }

    #[test]
    fn object_and_array_forms_of_sources_are_read() {
        let object = json!({
            "lab": { "enabled": true },
            "hie": { "enabled": false },
            "pharmacy": { "enabled": true, "realtime": true },
        });
        assert_eq!(read(object), Ok(vec![Source::Pharmacy, Source::Lab]));
        assert_eq!(read(json!(["lab", "hie"])), Ok(vec![Source::Hie, Source::Lab]));
    }

    #[test]
    fn other_forms_of_sources_are_refused() {
        let bad = [
            json!({}),
            json!([]),
            json!({ "hie": null }),
            json!({ "hie": { "enabled": false } }),
            json!({ "hie": { "enabled": true, "fast": true } }),
            json!({ "hie": { "enabled": true, "realtime": true } }),
            json!({ "laboratory": { "enabled": true } }),
            json!(["laboratory"]),
            json!("hie"),
        ];
        for sources in bad {
            assert_eq!(read(sources.clone()), Err(400), "{sources}");
        }
    }

    #[test]
    fn purposes_are_lowercase() {
        assert_eq!(Purpose::read(None), Ok(Purpose::Treatment));
        assert_eq!(Purpose::read(Some("ias")), Ok(Purpose::Ias));
        assert!(Purpose::read(Some("IAS")).is_err());
    }
}
