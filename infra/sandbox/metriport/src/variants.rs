//! Forms of Metriport's webhooks and files besides those of its documentation's examples. A schema of the published
//! packages allows each form, a page mentions it, or other users have received it. The form of identity events is
//! unknown, so their variants put the ids where other events have them.

use serde_json::{Map, Value, json};

use crate::moment::Moment;
use crate::webhooks::Outgoing;
use crate::world::World;

/// One form besides the documented one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// `filters` of a delivery is null.
    NullFilters,
    /// A delivery has no `filters`.
    NoFilters,
    /// `filters` has no `conversionType`.
    FewFilters,
    /// A Bundle without data has `entry: null`.
    NullEntry,
    /// A Bundle without data has no `entry`, as FHIR requires.
    NoEntry,
    /// A source fails, reports the failure, runs again and completes.
    RetriedSource,
    /// A completed source has the status `skipped`. The published package counts this status as completed, but its
    /// schema does not list it.
    SkippedSource,
    /// An additional member holds half a surrogate pair, a number beyond the range of floats, and deep nesting.
    OddValue,
    /// The ids of an identity event are in `patients[0]`.
    IdsUnderPatients,
    /// The ids of an identity event are in `payload.patient`.
    IdsUnderPatient,
    /// `payload` of an identity event names a session of the proofing service. The event's own ids are in
    /// `payload.identity`.
    ForeignSession,
    /// The dashboard's test events are also sent. All have one message id, different bytes, and Metriport's own
    /// metadata.
    TestEvents,
    /// A source also reports a query that the app did not start. In Metriport's public code, the origin of such a query
    /// is `patient-create`.
    ForeignQuery,
    /// Zeros follow the compressed file.
    PaddedGzip,
}

impl Variant {
    /// Every variant.
    pub const ALL: [Self; 14] = [
        Self::NullFilters,
        Self::NoFilters,
        Self::FewFilters,
        Self::NullEntry,
        Self::NoEntry,
        Self::RetriedSource,
        Self::SkippedSource,
        Self::OddValue,
        Self::IdsUnderPatients,
        Self::IdsUnderPatient,
        Self::ForeignSession,
        Self::TestEvents,
        Self::ForeignQuery,
        Self::PaddedGzip,
    ];

    /// Name on a command line, in kebab case.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for character in format!("{self:?}").chars() {
            if character.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(character.to_ascii_lowercase());
        }
        name
    }
}

/// The variants to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Variants {
    /// No variant.
    #[default]
    Never,
    /// These variants, whenever possible.
    Always(Vec<Variant>),
    /// Each variant in one of this many cases, chosen by the seed.
    OneIn(u64),
}

/// Number of zeros after a compressed file: the block size of a tape.
pub(crate) const PADDING_BYTES: usize = 512;

/// The message id that all test events share.
const TEST_MESSAGE_ID: &str = "7d0f6c1e-1111-4c1a-9a55-0e5b8f3c2a10";

/// Placeholder until the body is written, because `serde_json` cannot represent the odd value.
const ODD: &str = "(odd value)";

impl World {
    /// Whether the next message or file takes this form.
    pub(crate) fn varies(&mut self, variant: Variant) -> bool {
        match &self.options.variants {
            Variants::Never => false,
            Variants::Always(variants) => variants.contains(&variant),
            Variants::OneIn(many) => self.ids.below(*many) == 0,
        }
    }

    pub(crate) fn vary_delivery(&mut self, part: &mut Map<String, Value>) {
        if self.varies(Variant::NullFilters) {
            part.insert("filters".to_owned(), Value::Null);
        } else if self.varies(Variant::NoFilters) {
            part.remove("filters");
        } else if self.varies(Variant::FewFilters) {
            remove(part.get_mut("filters"), "conversionType");
        }
        let entries = part.get_mut("bundle").and_then(|bundle| bundle.get_mut("entry"));
        if let Some(entries) = entries.filter(|entries| entries.as_array().is_some_and(Vec::is_empty)) {
            if self.varies(Variant::NullEntry) {
                *entries = Value::Null;
            } else if self.varies(Variant::NoEntry) {
                remove(part.get_mut("bundle"), "entry");
            }
        }
    }

    /// Returns the name of the body's member, the event with its ids, and the request id. The request id is the
    /// session's id, unless a variant moves the ids.
    pub(crate) fn place_ids(&mut self, now: Moment, session: &str, ids: Value) -> (&'static str, Value, String) {
        let (field, event) = if self.varies(Variant::IdsUnderPatients) {
            ("patients", json!([ids]))
        } else if self.varies(Variant::IdsUnderPatient) {
            ("payload", json!({ "patient": ids }))
        } else if self.varies(Variant::ForeignSession) {
            let foreign = self.ids.prefixed("ids_", now);
            ("payload", json!({ "sessionId": foreign, "identity": ids }))
        } else {
            return ("payload", ids, session.to_owned());
        };
        (field, event, self.ids.uuid(now))
    }

    /// Adds the placeholder of the odd value to an event, if that variant applies.
    pub(crate) fn vary_event(&mut self, event: &mut Value) {
        let part = match event {
            Value::Array(parts) => parts.first_mut(),
            one => Some(one),
        };
        if let Some(fields) = part.and_then(Value::as_object_mut)
            && self.varies(Variant::OddValue)
        {
            fields.insert("person".to_owned(), json!(ODD));
        }
    }

    /// Sends the test events of the dashboard, if that variant applies.
    pub(crate) fn vary_account(&mut self, now: Moment, patient_id: &str) {
        if !self.varies(Variant::TestEvents) {
            return;
        }
        let url = self.consolidated_record_url(now, patient_id);
        for event_type in ["patient.admit", "patient.discharge", "patient.discharge-summary"] {
            let meta = json!({
                "messageId": TEST_MESSAGE_ID, "when": now, "type": event_type,
                "data": { "origin": "dashboard", "isTest": true },
            });
            let payload = json!({
                "url": url, "patientId": patient_id, "admitTimestamp": now, "dischargeTimestamp": now,
            });
            let body = json!({ "meta": meta, "payload": payload });
            self.webhooks.send(Outgoing::Sample(body));
        }
    }
}

fn remove(object: Option<&mut Value>, name: &str) {
    if let Some(fields) = object.and_then(Value::as_object_mut) {
        fields.remove(name);
    }
}

/// Writes a body as text, with the odd value in place of its placeholder.
pub(crate) fn spell(body: &Value) -> String {
    let text = body.to_string();
    let mark = format!("\"{ODD}\"");
    if !text.contains(&mark) {
        return text;
    }
    let tree = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let odd = format!(r#"{{"displayName":"B\ud83d","weight":1e999,"tree":{tree}}}"#);
    text.replace(&mark, &odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::{at, world};

    fn varied(variant: Variant) -> World {
        let (mut world, _) = world();
        world.options.variants = Variants::Always(vec![variant]);
        world
    }

    fn delivery(variant: Variant) -> Map<String, Value> {
        let part = json!({ "filters": { "resources": "", "conversionType": "json" }, "bundle": { "entry": [] } });
        let mut part = part.as_object().cloned().unwrap_or_default();
        varied(variant).vary_delivery(&mut part);
        part
    }

    #[test]
    fn delivery_has_the_form_of_its_variant() {
        assert_eq!(delivery(Variant::NullFilters).get("filters"), Some(&Value::Null));
        assert_eq!(delivery(Variant::NoFilters).get("filters"), None);
        assert_eq!(delivery(Variant::FewFilters)["filters"], json!({ "resources": "" }));
        assert_eq!(delivery(Variant::NullEntry)["bundle"], json!({ "entry": null }));
        assert_eq!(delivery(Variant::NoEntry)["bundle"], json!({}));
        let usual = delivery(Variant::OddValue);
        assert!(usual["filters"].get("conversionType").is_some() && usual["bundle"] == json!({ "entry": [] }));
    }

    #[test]
    fn variant_names_are_in_kebab_case() {
        assert_eq!(Variant::IdsUnderPatients.name(), "ids-under-patients");
    }

    #[test]
    fn ids_are_placed_as_the_variant_says() {
        let place = |variant| varied(variant).place_ids(at(0), "ids_1", json!({ "sessionId": "ids_1" }));
        assert_eq!(
            place(Variant::OddValue),
            ("payload", json!({ "sessionId": "ids_1" }), "ids_1".to_owned())
        );
        let (field, event, request) = place(Variant::IdsUnderPatients);
        assert!(field == "patients" && event[0]["sessionId"] == "ids_1" && !request.starts_with("ids_"));
        assert_eq!(place(Variant::IdsUnderPatient).1["patient"]["sessionId"], "ids_1");
        let foreign = place(Variant::ForeignSession).1;
        assert!(foreign["identity"]["sessionId"] == "ids_1" && foreign["sessionId"] != "ids_1");
    }

    #[test]
    fn odd_value_is_json_that_serde_cannot_read() {
        let mut event = json!([{ "patientId": "p" }]);
        varied(Variant::OddValue).vary_event(&mut event);
        let text = spell(&json!({ "patients": event }));
        assert!(text.contains(r#""B\ud83d""#) && text.contains("1e999") && !text.contains(ODD));
        assert!(serde_json::from_str::<Value>(&text).is_err());
    }

    #[test]
    fn each_variant_is_sent_by_chance_only_sometimes() {
        let (mut world, _) = world();
        world.options.variants = Variants::OneIn(4);
        for variant in Variant::ALL {
            let times = (0..200).filter(|_| world.varies(variant)).count();
            assert!((10..150).contains(&times), "{variant:?}: {times}");
        }
    }
}
