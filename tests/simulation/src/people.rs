//! Who the simulated persons are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use identity_session::patient::CheckedDemographics;
use serde_json::json;
use shared::domain::budget::{Limits, PersonRules};
use shared::domain::claims::ClaimRules;
use shared::domain::{Demographics, DemographicsHash, ExternalId, FacilityId, Time, Timing};
use shared::metriport::RedirectUrl;
use shared::owner::OwnerKey;

use crate::ids::opaque;

/// Calls of a day.
pub(crate) const DAILY_QUOTA: u32 = 10_000;

/// The key that turns demographics and sessions into names, as the functions' does.
pub(crate) static OWNER_KEY: LazyLock<OwnerKey> = LazyLock::new(|| {
    OwnerKey::parse("a key of the simulated deployment").unwrap_or_else(|error| unreachable!("{error}"))
});

/// The demographics with each number there is: three persons' own, and others of theirs.
static DEMOGRAPHICS: LazyLock<Vec<CheckedDemographics>> = LazyLock::new(|| (0..30).map(checked).collect());

fn checked(number: u32) -> CheckedDemographics {
    let address = json!({ "addressLine1": "1 Elm St", "city": "Boston", "state": "MA", "zip": "02108" });
    let said = json!({
        "firstName": "Jane", "lastName": "Doe", "dob": format!("1980-01-{:02}", number + 1),
        "genderAtBirth": "F", "address": [address], "contact": [{ "email": "jane@example.test" }],
    });
    let read = Demographics::parse(said.to_string().as_bytes(), Time::from_millis(1_800_000_000_000));
    let demographics = read.unwrap_or_else(|error| unreachable!("{error:?}"));
    // No field is tied to a claim here.
    let checked = CheckedDemographics::check(demographics, &ClaimRules::default(), &BTreeMap::new(), &OWNER_KEY);
    checked.unwrap_or_else(|error| unreachable!("{error}"))
}

/// What demographics are known by: equal ones are equal people to Metriport.
pub(crate) fn hash(demographics: &Demographics) -> DemographicsHash {
    let hash = OWNER_KEY.demographics(demographics);
    hash.unwrap_or_else(|error| unreachable!("{error}"))
}

/// The demographics with this number.
pub(crate) fn demographics(number: u8) -> CheckedDemographics {
    let checked = DEMOGRAPHICS.get(usize::from(number));
    checked.unwrap_or_else(|| unreachable!("demographics {number}")).clone()
}

/// What Metriport knows a person by. The first and the third person come from different issuers with the same name, so
/// they race for one patient.
pub(crate) fn external_id(person: u8) -> ExternalId {
    opaque!(ExternalId, "name-{}", person % 2)
}

/// How large a person's share is: as the template has it.
pub(crate) fn rules() -> PersonRules {
    PersonRules {
        burst: 5,
        percent: 10,
        limits: Limits::default(),
        daily_quota: DAILY_QUOTA,
        timing: Timing::default(),
    }
}

/// Where everybody's patients are created.
pub(crate) fn facility() -> FacilityId {
    opaque!(FacilityId, "facility")
}

/// Where hosted pages lead back to; nobody follows it.
pub(crate) fn redirect() -> RedirectUrl {
    RedirectUrl::parse("https://app.invalid/").unwrap_or_else(|error| unreachable!("{error}"))
}
