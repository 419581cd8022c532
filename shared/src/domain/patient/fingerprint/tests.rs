use serde_json::json;

use super::*;

const KEY: FingerprintKey = FingerprintKey::new([
    Uuid::from_u128(0x0011_2233_4455_4677_8899_aabb_ccdd_eeff),
    Uuid::from_u128(0xffee_ddcc_bbaa_4988_b766_5544_3322_1100),
]);
const SINCE: Time = Time::from_millis(1_000);

fn fingerprint(first: &str, last: &str, dob: &str) -> PatientFingerprint {
    let body = json!({
        "firstName": first, "lastName": last, "dob": dob, "genderAtBirth": "F",
        "address": {"addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402"},
        "contact": {"phone": "9375550142"}
    });
    let now = Time::parse("2026-01-01T00:00:00Z").unwrap();
    let demographics = Demographics::parse(body.to_string().as_bytes(), now).unwrap();
    PatientFingerprint::of(&demographics, KEY, SINCE)
}

/// Known answers: the left half of HMAC-SHA256 over the label and the parts, each with its length in eight bytes in
/// front. The key is the 32 bytes of both UUIDs. Computed with Python's `hmac`.
#[test]
fn hashes_match_known_answers() {
    let nora = serde_json::to_value(fingerprint("Nora Ann", "Quill Jr.", "1984-07-19")).unwrap();
    let expected = json!({
        "key": ["00112233-4455-4677-8899-aabbccddeeff", "ffeeddcc-bbaa-4988-b766-554433221100"],
        "given": { "parts": "bc72eceadcd99c17faacd19279a18f6a", "joined": "84954edc429ea67b845e0d27a49672fd" },
        "family": {
            "parts": "03c3647e4c635b0ed4c0ac654a8e3bca",
            "joined": "ae3d8f53ab71501d05b100b6e1a29607",
            "generation": "5ceef9ed63f5e39da65477723aae4709",
        },
        "birthDate": "8ed8105744f14b11f2f097d8b79fd66b",
        "since": 1_000,
    });
    assert_eq!(nora, expected);
    let stored: PatientFingerprint = serde_json::from_value(expected).unwrap();
    assert_eq!(stored.has_name("Ann Nora", "quill"), Some(true));
    assert_eq!(format!("{stored:?}"), "[fingerprint]");
}

#[test]
fn names_are_compared_as_with_claims() {
    let nora = fingerprint("Nora Ann", "O'Brien-Quill Jr.", "1984-07-19");
    for (given, family) in [
        ("Nora Ann", "O'Brien-Quill Jr."),
        ("NORA ann", "obrien quill"),
        ("Noraann", "Quill O’Brien II"),
        ("Nóra Ann", ""),
        ("", "O'BrienQuill"),
        ("-", "O'Brien Quill"),
    ] {
        assert_eq!(nora.has_name(given, family), Some(true), "{given} {family}");
    }
    for (given, family) in [
        ("Nora", "O'Brien-Quill"),
        ("Nora Ann", "Quill"),
        ("Norah Ann", "O'Brien-Quill"),
        ("Nora Ann", "O'Brien-Quill Sr."),
        ("O'Brien-Quill", "Nora Ann"),
        ("", "Quill"),
    ] {
        assert_eq!(nora.has_name(given, family), Some(false), "{given} {family}");
    }
    for (given, family) in [("", ""), ("-", "…")] {
        assert_eq!(nora.has_name(given, family), None, "{given} {family}");
    }
    let unnamed = fingerprint("-", "-", "1984-07-19");
    assert_eq!(unnamed.has_name("Nora", "Quill"), None);
}

#[test]
fn birth_date_differs_only_if_its_day_is_stated() {
    let nora = fingerprint("Nora", "Quill", "1984-07-19");
    for same in ["1984-07-19", "1984", "1985", "1984-07", "1985-01"] {
        assert!(!nora.has_other_birth_date(same), "{same}");
    }
    for other in [
        "1984-07-18",
        "",
        "19840719",
        "1984-7-19",
        "1984-13",
        "84",
        "1984-07-19T00:00:00Z",
    ] {
        assert!(nora.has_other_birth_date(other), "{other}");
    }
}

#[test]
fn fingerprints_under_two_keys_share_no_hash() {
    let other = FingerprintKey::new([Uuid::from_u128(1), Uuid::from_u128(2)]);
    assert!(KEY.hash("name", &[b"a"]) != other.hash("name", &[b"a"]));
    // Label and parts have their lengths in front.
    assert!(KEY.hash("name", &[b"ab", b"c"]) != KEY.hash("name", &[b"a", b"bc"]));
    let alike = fingerprint("Quill", "Quill", "1984-07-19");
    assert!(alike.given != alike.family);
}
