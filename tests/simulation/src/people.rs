//! The simulated persons.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use identity_session::patient::{CheckedDemographics, LinkSecrets};
use serde_json::json;
use shared::domain::budget::{Limits, PersonRules};
use shared::domain::claims::ClaimRules;
use shared::domain::consent::{ConsentRule, ConsentScope, GivenConsent, Notice};
use shared::domain::patient::{FingerprintKey, PatientDetails};
use shared::domain::{Demographics, DemographicsHash, ExternalId, FacilityId, RecordFolder, Time, Timing};
use shared::metriport::RedirectUrl;
use shared::owner::OwnerKey;
use uuid::Uuid;

use crate::ids::opaque;

pub(crate) const DAILY_QUOTA: u32 = 10_000;

/// The notice to which the persons consent.
pub(crate) static CONSENT_RULE: LazyLock<ConsentRule> = LazyLock::new(|| {
    let notice = Notice::parse("1", &"0".repeat(64), "https://app.invalid/notice");
    ConsentRule::Notice(notice.unwrap_or_else(|error| unreachable!("{error}")))
});

/// The consent to that notice.
pub(crate) fn consent() -> GivenConsent {
    GivenConsent {
        scopes: [ConsentScope::Pull].into(),
        notice_version: "1".to_owned(),
        notice_sha256: "0".repeat(64),
        locale: "en".to_owned(),
    }
}

/// The key that hashes demographics and sessions, as in the functions.
pub(crate) static OWNER_KEY: LazyLock<OwnerKey> = LazyLock::new(|| {
    OwnerKey::parse("a key of the simulated deployment").unwrap_or_else(|error| unreachable!("{error}"))
});

/// All demographics by number: ten for each of three persons. A person's own demographics come first.
static DEMOGRAPHICS: LazyLock<Vec<CheckedDemographics>> = LazyLock::new(|| (0..30).map(checked).collect());

fn raw_demographics(number: u32) -> Demographics {
    let address = json!({ "addressLine1": "1 Elm St", "city": "Boston", "state": "MA", "zip": "02108" });
    let body = json!({
        "firstName": "Jane", "lastName": "Doe", "dob": format!("1980-01-{:02}", number + 1),
        "genderAtBirth": "F", "address": [address], "contact": [{ "email": "jane@example.test" }],
    });
    let read = Demographics::parse(body.to_string().as_bytes(), Time::from_millis(1_800_000_000_000));
    read.unwrap_or_else(|error| unreachable!("{error:?}"))
}

fn checked(number: u32) -> CheckedDemographics {
    let details = PatientDetails {
        demographics: raw_demographics(number),
        hie_opt_out: None,
    };
    // The claim rules are empty, so they do not bind a field.
    let checked = CheckedDemographics::check(details, &ClaimRules::default(), &BTreeMap::new(), &OWNER_KEY);
    checked.unwrap_or_else(|error| unreachable!("{error}"))
}

/// The hash that identifies demographics. Metriport takes equal demographics for the same patient.
pub(crate) fn hash(demographics: &Demographics) -> DemographicsHash {
    let hash = OWNER_KEY.demographics(demographics);
    hash.unwrap_or_else(|error| unreachable!("{error}"))
}

/// The hash of these demographics.
pub(crate) fn hash_of(number: u8) -> DemographicsHash {
    hash(&raw_demographics(u32::from(number)))
}

pub(crate) fn demographics(number: u8) -> CheckedDemographics {
    let checked = DEMOGRAPHICS.get(usize::from(number));
    checked.unwrap_or_else(|| unreachable!("demographics {number}")).clone()
}

/// The random values of a link. Each request brings another folder, because an erasure deletes a whole folder. No rule
/// depends on the key, so it is always the same.
pub(crate) const fn link_secrets(folder: RecordFolder) -> LinkSecrets {
    LinkSecrets {
        folder,
        key: FingerprintKey::new([Uuid::nil(); 2]),
    }
}

/// A person's external id at Metriport. The first and the third person have the same external id under different
/// issuers, so they race for one patient.
pub(crate) fn external_id(person: u8) -> ExternalId {
    opaque!(ExternalId, "name-{}", person % 2)
}

/// The size of a person's share, as in the template.
pub(crate) fn rules() -> PersonRules {
    PersonRules {
        burst: 5,
        percent: 10,
        limits: Limits::default(),
        daily_quota: DAILY_QUOTA,
        timing: Timing::default(),
    }
}

pub(crate) static FACILITY: LazyLock<FacilityId> = LazyLock::new(|| opaque!(FacilityId, "facility"));

/// The redirect URL of hosted pages; the simulation never follows it.
pub(crate) fn redirect() -> RedirectUrl {
    RedirectUrl::parse("https://app.invalid/").unwrap_or_else(|error| unreachable!("{error}"))
}
