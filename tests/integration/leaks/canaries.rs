//! Canaries: values that must not leak, and the search for them.

use serde_json::{Value, json};

pub(super) const SUBJECT: &str = "canary-subject-7Q";
/// A word in every error that Metriport answers in these tests.
pub(super) const UPSTREAM_WORDS: &str = "CanaryUpstreamWords";

/// Values that must not be found, by name.
pub(super) struct Canaries(pub(super) Vec<(&'static str, String)>);

impl Canaries {
    /// Every canary that exists before the first step: the person's data, the record's content, and the words of
    /// Metriport's errors.
    pub(super) fn of_the_person() -> Self {
        let mut canaries = Self(Vec::new());
        of_demographics()
            .into_iter()
            .for_each(|(name, value)| canaries.add(name, value));
        for (name, value) in [
            ("content", "CanaryContent"),
            ("content", "canary-resource-id"),
            ("upstream's words", UPSTREAM_WORDS),
        ] {
            canaries.add(name, value);
        }
        canaries
    }

    pub(super) fn add(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        assert!(value.len() >= 6, "{name} is so short that it may occur by chance");
        self.0.push((name, value));
    }

    /// The name of the first canary that is in a text, and that text.
    pub(super) fn find<'t>(&self, texts: &'t [String]) -> Option<(&'static str, &'t str)> {
        let found = |value: &str| texts.iter().find(|text| text.contains(value));
        self.0
            .iter()
            .find_map(|(name, value)| Some((*name, found(value)?.as_str())))
    }

    pub(super) fn assert_absent(&self, place: &str, texts: &[String]) {
        assert!(!texts.is_empty(), "{place}: there was nothing to search");
        if let Some((name, text)) = self.find(texts) {
            panic!("{name} in {place}: {text}");
        }
    }
}

pub(super) fn demographics() -> Value {
    json!({
        "firstName": "Canarina", "lastName": "Quibblesworth", "genderAtBirth": "F", "dob": "1951-02-03",
        "address": [{ "addressLine1": "94170 Canarywood Pl", "city": "Yellowbird", "state": "OH", "zip": "45402" }],
        "contact": [{ "phone": "9375550177", "email": "canarina.q@example.test" }],
    })
}

pub(super) fn of_demographics() -> Vec<(&'static str, &'static str)> {
    vec![
        ("first name", "Canarina"),
        ("last name", "Quibblesworth"),
        ("date of birth", "1951-02-03"),
        ("address", "Canarywood"),
        ("city", "Yellowbird"),
        ("phone", "9375550177"),
        ("e-mail", "canarina"),
    ]
}

/// A record whose content is recognizable anywhere.
pub(super) fn content() -> Value {
    json!({ "resourceType": "Bundle", "entry": [
        { "resource": {
            "resourceType": "Practitioner", "id": "canary-resource-id", "name": [{ "family": "CanaryContentName" }],
        } },
        { "resource": { "resourceType": "Observation", "id": "o", "note": [{ "text": "CanaryContentNote" }] } },
    ] })
}

/// The secret part of a link: its signature, or else the last segment of its path.
pub(super) fn secrets_of(link: &str) -> String {
    let url = url::Url::parse(link).expect("a link");
    let signature = url
        .query_pairs()
        .find(|(name, _)| name == "X-Amz-Signature")
        .map(|(_, value)| value.into_owned());
    signature.unwrap_or_else(|| {
        url.path_segments()
            .and_then(Iterator::last)
            .unwrap_or_default()
            .to_owned()
    })
}
