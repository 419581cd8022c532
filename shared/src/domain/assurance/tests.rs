use super::*;

const SIGNED_IN: &str = "1764280000";

fn now_after(secs: u64) -> Time {
    Time::from_millis(1_764_280_000_000).plus(Duration::from_secs(secs))
}

fn claims<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn assurance(methods: &[&str], classes: &[&str]) -> Assurance {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Assurance {
        scope: "records".to_owned(),
        takes_id_tokens: false,
        methods: owned(methods),
        classes: owned(classes),
        auth_age_max: Duration::from_secs(43_200),
        claims: ClaimNames::default(),
    }
}

/// The requirement that a token with these claims misses, 60 seconds after the sign-in.
fn shortfall<const N: usize>(required: &Assurance, pairs: [(&str, &str); N]) -> Option<Shortfall> {
    required.check(&claims(pairs), now_after(60)).err()
}

#[test]
fn scope_is_read_as_each_issuer_writes_it() {
    let required = assurance(&[], &[]);
    let granted = |name, value| shortfall(&required, [(name, value), ("auth_time", SIGNED_IN)]);
    for (name, value) in [
        ("scope", "openid records"),
        ("scope", "records"),
        ("scp", "[openid records]"),
        ("scp", "records openid"),
        ("scp", "[\"openid\",\"records\"]"),
    ] {
        assert_eq!(granted(name, value), None, "{name} {value}");
    }
    let many = "x ".repeat(5_000);
    for (name, value) in [
        ("scope", ""),
        ("scope", "records:read"),
        ("scope", "null"),
        ("scope", "map[records:true]"),
        ("scope", many.as_str()),
        ("permissions", "records"),
    ] {
        assert_eq!(granted(name, value), Some(Shortfall::Scope), "{name} {value:.20}");
    }
}

#[test]
fn every_required_method_must_have_been_used() {
    let required = assurance(&["pwd", "otp"], &[]);
    let used = |amr| {
        shortfall(
            &required,
            [("scope", "records"), ("amr", amr), ("auth_time", SIGNED_IN)],
        )
    };
    assert_eq!(used("[otp pwd]"), None);
    assert_eq!(used("pwd otp mfa"), None);
    for amr in [
        "",
        "[pwd]",
        "[]",
        "null",
        "[pwdotp]",
        "map[pwd:otp]",
        "map[a:x pwd otp b:y]",
    ] {
        assert_eq!(used(amr), Some(Shortfall::Methods), "{amr}");
    }
    let missing = shortfall(&required, [("scope", "records"), ("auth_time", SIGNED_IN)]);
    assert_eq!(missing, Some(Shortfall::Methods));
}

#[test]
fn class_outside_the_required_list_is_refused() {
    let required = assurance(&[], &["urn:example:aal2", "phrh"]);
    let reached = |acr| {
        shortfall(
            &required,
            [("scope", "records"), ("acr", acr), ("auth_time", SIGNED_IN)],
        )
    };
    assert_eq!((reached("phrh"), reached("[c1 phrh]")), (None, None));
    for acr in ["", "0", "phr", "[]", "map[phrh:1]"] {
        assert_eq!(reached(acr), Some(Shortfall::Class), "{acr}");
    }
}

#[test]
fn sign_in_must_be_recent() {
    let required = assurance(&[], &[]);
    let at = |auth_time: &str, secs| {
        let claims = claims([("scope", "records"), ("auth_time", auth_time)]);
        required.check(&claims, now_after(secs))
    };
    for (auth_time, secs) in [
        (SIGNED_IN, 0),
        (SIGNED_IN, 43_200),
        ("1.76428e+09", 60),
        ("1764280000.9", 60),
        // The issuer's clock is five minutes ahead.
        ("1764280300", 0),
    ] {
        assert_eq!(at(auth_time, secs), Ok(()), "{auth_time} {secs}");
    }
    let long = "1".repeat(10_000);
    for (auth_time, secs) in [
        (SIGNED_IN, 43_201),
        ("1764280301", 0),
        ("1764280000000", 0),
        ("", 0),
        ("null", 0),
        ("inf", 0),
        ("NaN", 0),
        ("0", 0),
        ("-1764280000", 0),
        ("9223372036854775807", 0),
        ("1e300", 0),
        (long.as_str(), 0),
    ] {
        assert_eq!(at(auth_time, secs), Err(Shortfall::Age), "{auth_time:.30} {secs}");
    }
}

/// The claims are those that each issuer documents. An issuer without a claim for a requirement cannot meet that
/// requirement.
#[test]
fn tokens_of_known_issuers_meet_their_requirements() {
    // Amazon Cognito, "Understanding the access token" and "Understanding the identity (ID) token".
    let mut pool = assurance(&[], &[]);
    pool.scope = "aws.cognito.signin.user.admin".to_owned();
    pool.takes_id_tokens = true;
    let access = [
        ("token_use", "access"),
        ("scope", "aws.cognito.signin.user.admin"),
        ("auth_time", SIGNED_IN),
    ];
    let id = [("token_use", "id"), ("given_name", "Jane"), ("auth_time", SIGNED_IN)];
    assert_eq!((shortfall(&pool, access), shortfall(&pool, id)), (None, None));
    // Auth0, "Create Custom Claims": an Action adds claims under names with a namespace.
    let mut tenant = assurance(&["mfa"], &[]);
    tenant.claims = ClaimNames::parse("amr=https://a.example/amr,auth_time=https://a.example/auth_time").unwrap();
    let (scope, amr) = (("scope", "openid records"), ("https://a.example/amr", "[pwd mfa]"));
    let auth0 = [scope, amr, ("https://a.example/auth_time", SIGNED_IN)];
    assert_eq!(shortfall(&tenant, auth0), None);
    let registered = [scope, ("amr", "[mfa]"), ("auth_time", SIGNED_IN)];
    assert_eq!(shortfall(&tenant, registered), Some(Shortfall::Methods));
    // Okta, "Step-up authentication using ACR values": `scp` is a list.
    let okta = [
        ("scp", "[openid records]"),
        ("acr", "urn:okta:loa:2fa:any"),
        ("auth_time", SIGNED_IN),
    ];
    assert_eq!(shortfall(&assurance(&[], &["urn:okta:loa:2fa:any"]), okta), None);
    // Microsoft Entra, "Access token claims reference": `scp` is a text, and tokens of version 1.0 have `amr`. `acrs`
    // lists authentication contexts, and `auth_time` is an optional claim.
    let entra = [("scp", "records"), ("amr", "[pwd mfa]"), ("auth_time", SIGNED_IN)];
    assert_eq!(shortfall(&assurance(&["mfa"], &[]), entra), None);
    let mut contexts = assurance(&[], &["c1"]);
    contexts.claims = ClaimNames::parse("acr=acrs").unwrap();
    let entra = [("scp", "records"), ("acrs", "[c1 c2]"), ("auth_time", SIGNED_IN)];
    assert_eq!(shortfall(&contexts, entra), None);
    // An ID token of any other issuer is not meant for an API.
    let foreign = [("token_use", "id"), ("amr", "[mfa]"), ("auth_time", SIGNED_IN)];
    assert_eq!(shortfall(&assurance(&["mfa"], &[]), foreign), Some(Shortfall::Scope));
}

#[test]
fn claim_names_are_refused_if_malformed_or_repeated() {
    assert_eq!(ClaimNames::parse(" "), Ok(ClaimNames::default()));
    assert_eq!(ClaimNames::parse("amr=amr, acr=acr"), Ok(ClaimNames::default()));
    for text in ["amr", "amr=", "scope=a", "amr=a,amr=b", "amr:a"] {
        assert_eq!(ClaimNames::parse(text), Err(ClaimNamesError), "{text}");
    }
}

#[test]
fn only_a_plain_text_names_a_person() {
    for text in [
        "nora",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "12345678901234567890",
        "5071234567890e12",
        "née.q@example.test",
        "a b",
        "e",
    ] {
        assert!(is_plain_text(text), "{text}");
    }
    let long = "a".repeat(256);
    for text in [
        "",
        " ",
        " nora",
        "null",
        "<nil>",
        "None",
        "true",
        "[nora]",
        "[]",
        "map[a:b]",
        "{\"a\":1}",
        "\"nora\"",
        "1.2345678901234567e+19",
        "1E+5",
        "1.5",
        "no\nra",
        "no\0ra",
        long.as_str(),
    ] {
        assert!(!is_plain_text(text), "{text:?}");
    }
}
