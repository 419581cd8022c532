//! Closed lists: the document lists the words that serde writes.

use std::collections::BTreeSet;

use serde::Serialize;
use shared::domain::consent::ConsentScope;
use shared::domain::demographics::Gender;
use shared::domain::erasure::PatientOutcome;
use shared::domain::identity::Standing;
use shared::domain::log::Access;
use shared::domain::pull::{Deferral, FailureReason, PullState, RecordPhase, SourceOutcome};
use shared::domain::quarantine::{NotMeReport, QuarantineReason, QuarantineState};
use shared::domain::record::{Conversion, RESOURCE_TYPES, RecordReason, RecordState};
use shared::domain::{SourceKind, SourceStatus};

use super::document::Document;

/// Every variant of an enum. A missing variant does not compile.
macro_rules! every {
    ($type:ident: $($variant:ident)*) => {{
        const _: fn($type) = |value| match value { $($type::$variant => (),)* };
        [$($type::$variant),*]
    }};
}

fn written(words: &[impl Serialize]) -> Vec<String> {
    let texts = words
        .iter()
        .map(|word| serde_json::to_value(word).unwrap().as_str().unwrap().to_owned());
    texts.collect()
}

#[test]
fn documented_words_equal_the_code() {
    let document = Document::read();
    let listed = |schema: &str| {
        document
            .enum_values(schema)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let pull_states = every!(PullState: Queued Starting Running Consolidating Completed Partial Failed Unconfirmed
        Expired Withdrawn);
    assert_eq!(listed("NetworkQueryStatus"), written(&pull_states));
    let reasons = every!(FailureReason: Aal2SessionExpired Aal2SessionRejected IdentityRejected UpstreamRefused
        StartUnknown NoSourceAnswered SourcesSilent RecordUnavailable);
    assert_eq!(listed("NetworkQueryReason"), written(&reasons));
    assert_eq!(listed("ConsentScope"), written(&ConsentScope::ALL));
    assert_eq!(listed("Access"), written(Access::ALL));
    assert_eq!(listed("SourceType"), written(&SourceKind::ALL));
    let source_states = every!(SourceStatus: Pending Processing Completed Failed Expired);
    assert_eq!(listed("SourceStatus"), written(&source_states));
    assert_eq!(listed("Outcome"), written(&every!(SourceOutcome: Completed Failed)));
    assert_eq!(listed("RecordPhase"), written(&every!(RecordPhase: Hie Final Asked)));
    let record_states = every!(RecordState: Waiting Starting Processing Offered Fetching Available Empty Failed);
    let record_states = [written(&record_states), vec![record_read::view::QUARANTINED.to_owned()]].concat();
    assert_eq!(listed("RecordStatus"), record_states);
    assert_eq!(listed("QuarantineStatus"), written(QuarantineState::ALL));
    assert_eq!(listed("QuarantineReason"), written(QuarantineReason::ALL));
    assert_eq!(listed("NotMeReason"), written(&NotMeReport::REASONS));
    let record_reasons = every!(RecordReason: UpstreamRefused ConversionFailed AttemptsExhausted Expired NotABundle
        TooLarge LinkRefused ConsentWithdrawn);
    assert_eq!(listed("RecordReason"), written(&record_reasons));
    assert_eq!(listed("ConversionType"), written(&every!(Conversion: Json Pdf Html)));
    assert_eq!(listed("ResourceType"), RESOURCE_TYPES);
    let deferral = &document.schema("TimelineEvent")["properties"]["cause"]["enum"];
    assert_eq!(
        *deferral,
        serde_json::json!(written(&every!(Deferral: NotSent RateLimited Budget)))
    );
    let gender = &document.schema("Demographics")["properties"]["genderAtBirth"]["enum"];
    assert_eq!(*gender, serde_json::json!(written(&every!(Gender: F M O U))));
}

/// The word for a standing. `identity-session` writes these words in a match of its own.
const fn identity_status(standing: &Standing) -> &'static str {
    match standing {
        Standing::NotStarted => "not_started",
        Standing::Pending { .. } => "pending",
        Standing::Confirming => "confirming",
        Standing::Expired => "expired",
        Standing::Verified(_) => "verified",
        Standing::DemographicsChanged => "demographics_changed",
        Standing::Rejected => "rejected",
    }
}

#[test]
fn every_standing_has_a_documented_word() {
    use shared::domain::{ProofedIdentityId, Time};
    let standings = [
        Standing::NotStarted,
        Standing::Pending {
            expires_at: Time::default(),
        },
        Standing::Confirming,
        Standing::Expired,
        Standing::Verified(ProofedIdentityId::parse("pid_1").unwrap()),
        Standing::DemographicsChanged,
        Standing::Rejected,
    ];
    let mut words: BTreeSet<_> = standings.iter().map(identity_status).collect();
    // While a change of the demographics is open, the status is this word, for which there is no `Standing`.
    words.insert("patient_changing");
    let document = Document::read();
    assert_eq!(BTreeSet::from_iter(document.enum_values("IdentityStatus")), words);
}

#[test]
fn receipt_explains_every_outcome_at_metriport() {
    let document = Document::read();
    let statement = document.at("/components/schemas/SignedReceipt/properties/statement/description");
    let outcomes = every!(PatientOutcome: NotLinked NotCreatedHere Uncertain Deleted Absent);
    for outcome in written(&outcomes) {
        assert!(
            statement.as_str().unwrap().contains(&format!("`{outcome}`")),
            "{outcome}"
        );
    }
}

/// If a closed list lacks `type`, a code generator accepts values of any type.
#[test]
fn every_closed_list_states_the_type_string() {
    fn untyped(value: &serde_json::Value, place: &str, found: &mut Vec<String>) {
        let Some(fields) = value.as_object() else { return };
        let closed = fields.get("enum").is_some_and(serde_json::Value::is_array)
            || fields.get("const").is_some_and(serde_json::Value::is_string);
        if closed && fields.get("type").is_none() {
            found.push(place.to_owned());
        }
        for (name, value) in fields {
            untyped(value, &format!("{place}/{name}"), found);
        }
    }
    let document = Document::read();
    let mut found = Vec::new();
    untyped(document.at("/components/schemas"), "", &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_listed_word_is_explained() {
    let document = Document::read();
    let explained = [
        "NextAction",
        "ConsentScope",
        "ConsentStatus",
        "ErasureStatus",
        "IdentityStatus",
        "NetworkQueryStatus",
        "NetworkQueryReason",
        "SourceStatus",
        "TimelineCode",
        "RecordStatus",
        "RecordPhase",
        "RecordReason",
        "NotMeReason",
        "QuarantineStatus",
        "QuarantineReason",
    ];
    for schema in explained {
        let text = document.schema(schema)["description"].as_str().unwrap();
        for word in document.enum_values(schema) {
            assert!(text.contains(&format!("`{word}`")), "{schema}: {word}");
        }
    }
}
