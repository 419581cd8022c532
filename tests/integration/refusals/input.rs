//! Bad input is refused. The table stays unchanged, and nothing is written at Metriport. A challenge that the person
//! passed before still starts a pull afterwards.

use sandbox_machine::app::{Reply, consent, reply};
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN, NOTICE};
use serde_json::{Value, json};

use crate::faults::rough;
use crate::harness::{Passed, Person, TestApp, pointers, refused};

/// A redirect URL that is on the deployment's allowlist, but is refused because it lacks TLS.
const PLAIN: &str = "http://plain.example.test/return";
const UNKNOWN: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";

/// The report of an unknown record.
const NOT_ME: &str = "/v1/records/0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d/not-me";

/// The routes that take a body, each with a valid body.
fn bodies(passed: &Passed, person: &Person) -> [(&'static str, &'static str, Value); 7] {
    let [version, sha256, _] = NOTICE;
    [
        ("POST", NOT_ME, json!({ "reason": "other_person" })),
        ("PUT", "/v1/me/consent", consent(version, sha256, &["pull"])),
        ("PUT", "/v1/patient", person.demographics().clone()),
        (
            "POST",
            "/v1/identity-sessions",
            json!({ "redirectUrl": IDENTITY_RETURN }),
        ),
        ("POST", "/v1/aal2-challenges", json!({ "redirectUrl": AAL2_RETURN })),
        ("POST", "/v1/network-queries", passed.ask().body),
        ("POST", "/v1/records", json!({ "conversionType": "json" })),
    ]
}

async fn raw(person: &Person, method: &str, path: &str, content_type: Option<&str>, body: String) -> Reply {
    let mut request = person.app.request(method.parse().unwrap(), path).body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    reply(request.header("x-aal2-session", "aal2_any"))
        .await
        .expect("an answer")
}

async fn bad_bodies(person: &Person, passed: &Passed) {
    for (method, path, good) in bodies(passed, person) {
        let json = Some("application/json");
        let mut cut = good.to_string();
        cut.pop();
        for text in ["", "{", "nonsense", &cut] {
            let answer = raw(person, method, path, json, text.to_owned()).await;
            refused(&answer, 400, "invalid_json", "fix_request");
        }
        for media_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonp"),
        ] {
            let answer = raw(person, method, path, media_type, good.to_string()).await;
            refused(&answer, 415, "unsupported_media_type", "fix_request");
        }
        let large = format!("{good}{}", " ".repeat(1024 * 1024 + 1 - good.to_string().len()));
        refused(
            &raw(person, method, path, json, large).await,
            413,
            "body_too_large",
            "fix_request",
        );

        let fields: Vec<_> = good.as_object().unwrap().iter().collect();
        let positional: Vec<_> = fields.iter().map(|(_, value)| *value).collect();
        for body in [json!(positional), json!([]), json!("CANARY"), json!(7), Value::Null] {
            let answer = raw(person, method, path, json, body.to_string()).await;
            refused(&answer, 400, "invalid_request", "fix_request");
            assert_eq!(pointers(&answer), [""]);
        }
        let (name, _) = fields[0];
        let open = good.to_string().replacen('{', "", 1);
        let faulty = format!(r#"{{"a/b~c":"CANARY","{name}":["CANARY"],{open}"#);
        let answer = raw(person, method, path, json, faulty).await;
        refused(&answer, 400, "invalid_request", "fix_request");
        let named = pointers(&answer);
        assert!(named.len() > 2 && named[0] == "/a~1b~0c", "{named:?}");
        let place = format!("/{name}");
        assert!(
            named[1..].iter().all(|pointer| pointer.starts_with(&place)),
            "{named:?}"
        );
        assert!(!answer.body.to_string().contains("CANARY"), "{:?}", answer.body);
    }
}

async fn bad_demographics(person: &Person) {
    absent_and_wrong_fields(person).await;
    bad_contacts(person).await;
    unknown_field_inside(person).await;
}

async fn absent_and_wrong_fields(person: &Person) {
    let empty = person.send("PUT", "/v1/patient", &json!({})).await;
    refused(&empty, 400, "invalid_request", "fix_request");
    assert_eq!(
        pointers(&empty),
        [
            "/firstName",
            "/lastName",
            "/dob",
            "/genderAtBirth",
            "/address",
            "/contact"
        ]
    );

    // This list is sorted by pointer.
    let wrong = [
        ("/address/0/state", json!("CANARY")),
        ("/address/0/zip", json!("12345")),
        ("/contact/0/email", json!("CANARY at example")),
        ("/contact/0/phone", json!("555-0142")),
        ("/dob", json!("1984-02-30")),
        ("/firstName", json!("   ")),
        ("/genderAtBirth", json!("CANARY")),
    ];
    let mut bad = person.demographics().clone();
    for (pointer, value) in &wrong {
        *bad.pointer_mut(pointer).unwrap() = value.clone();
    }
    let answer = person.send("PUT", "/v1/patient", &bad).await;
    refused(&answer, 400, "invalid_request", "fix_request");
    let mut named = pointers(&answer);
    named.sort_unstable();
    assert_eq!(named, wrong.map(|(pointer, _)| pointer));
    assert!(!answer.body.to_string().contains("CANARY"), "{:?}", answer.body);
}

async fn bad_contacts(person: &Person) {
    for (contact, pointer) in [
        (json!([]), "/contact"),
        (json!([{}]), "/contact/0"),
        (json!([{ "email": " " }]), "/contact/0/email"),
        (json!([["9375550142", null]]), "/contact/0"),
    ] {
        let mut without = person.demographics().clone();
        without["contact"] = contact;
        let answer = person.send("PUT", "/v1/patient", &without).await;
        refused(&answer, 400, "invalid_request", "fix_request");
        assert_eq!(pointers(&answer), [pointer]);
    }
}

async fn unknown_field_inside(person: &Person) {
    let mut nested = person.demographics().clone();
    nested["address"][0]["county"] = json!("CANARY");
    let answer = person.send("PUT", "/v1/patient", &nested).await;
    refused(&answer, 400, "invalid_request", "fix_request");
    assert_eq!(pointers(&answer), ["/address/0/county"]);
    assert!(!answer.body.to_string().contains("CANARY"), "{:?}", answer.body);
}

async fn bad_redirects(person: &Person, path: &str, allowed: &str) {
    let decorated = [
        format!("{allowed}?x=1"),
        format!("{allowed}/"),
        format!("{allowed}#x"),
        allowed.to_uppercase(),
    ];
    let foreign = [
        PLAIN,
        "https://other.example.test/return",
        "javascript:alert(1)",
        "/return",
        "",
    ];
    for redirect in decorated.iter().map(String::as_str).chain(foreign) {
        let answer = person.send("POST", path, &json!({ "redirectUrl": redirect })).await;
        refused(&answer, 400, "redirect_url_not_allowed", "fix_request");
        assert_eq!(pointers(&answer), ["/redirectUrl"]);
    }
    let missing = person.send("POST", path, &json!({})).await;
    refused(&missing, 400, "invalid_request", "fix_request");
    assert_eq!(pointers(&missing), ["/redirectUrl"]);
}

fn changed(passed: &Passed, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = passed.ask().body;
    change(&mut body);
    body
}

async fn query(person: &Person, session: Option<&str>, body: Value) -> Reply {
    let ask = sandbox_machine::app::QueryAsk {
        session: session.map(str::to_owned),
        body,
    };
    person.app.start_query(&ask).await.expect("an answer")
}

async fn bad_queries(person: &Person, passed: &Passed) {
    bad_sources(person, passed).await;
    several_wrong_fields(person, &passed.session).await;
    bad_purposes(person, passed).await;
    bad_sessions(person, passed).await;
    bad_challenges(person, passed).await;
}

async fn query_changed(person: &Person, passed: &Passed, change: impl FnOnce(&mut Value)) -> Reply {
    query(person, Some(&passed.session), changed(passed, change)).await
}

async fn bad_sources(person: &Person, passed: &Passed) {
    let off = json!({ "hie": { "enabled": false }, "lab": { "enabled": false } });
    for (sources, code, pointer) in [
        (json!({ "fax": { "enabled": true } }), "invalid_request", "/sources/fax"),
        (
            json!({ "hie": { "enabled": "yes" } }),
            "invalid_request",
            "/sources/hie/enabled",
        ),
        (json!({ "hie": {} }), "invalid_request", "/sources/hie/enabled"),
        (json!({ "lab": [true] }), "invalid_request", "/sources/lab"),
        (json!({ "lab": null }), "invalid_request", "/sources/lab"),
        (json!(["hie"]), "invalid_request", "/sources"),
        (json!([[true], null, null]), "invalid_request", "/sources"),
        (Value::Null, "invalid_request", "/sources"),
        (json!({}), "no_source_enabled", "/sources"),
        (off, "no_source_enabled", "/sources"),
    ] {
        let answer = query_changed(person, passed, |body| body["sources"] = sources).await;
        refused(&answer, 400, code, "fix_request");
        assert_eq!(pointers(&answer), [pointer]);
    }
}

async fn several_wrong_fields(person: &Person, session: &str) {
    let all = json!({ "challengeId": "", "aal2Status": 1, "sources": { "hie": { "enabled": 1, "x": 2 } }, "y": 3 });
    let answer = query(person, Some(session), all).await;
    refused(&answer, 400, "invalid_request", "fix_request");
    let expected = [
        "/y",
        "/challengeId",
        "/aal2Status",
        "/sources/hie/x",
        "/sources/hie/enabled",
    ];
    assert_eq!(pointers(&answer), expected);
}

async fn bad_purposes(person: &Person, passed: &Passed) {
    for purpose in ["treatment", "IAS", "ias ", ""] {
        let answer = query_changed(person, passed, |body| body["purposeOfUse"] = json!(purpose)).await;
        refused(&answer, 403, "purpose_not_supported", "fix_request");
    }
}

async fn bad_sessions(person: &Person, passed: &Passed) {
    refused(
        &query(person, None, passed.ask().body).await,
        400,
        "aal2_session_missing",
        "open_challenge",
    );
    let long = "a".repeat(300);
    for session in ["", "two words", "aal2_one,aal2_two", &long] {
        let answer = query(person, Some(session), passed.ask().body).await;
        refused(&answer, 400, "aal2_session_malformed", "open_challenge");
    }
}

async fn bad_challenges(person: &Person, passed: &Passed) {
    for status in ["failed", "cancelled", "Verified", "verified ", ""] {
        let answer = query_changed(person, passed, |body| body["aal2Status"] = json!(status)).await;
        refused(&answer, 403, "aal2_not_verified", "open_challenge");
    }
    let malformed = query_changed(person, passed, |body| body["challengeId"] = json!("")).await;
    refused(&malformed, 400, "invalid_request", "fix_request");
    assert_eq!(pointers(&malformed), ["/challengeId"]);
    let unknown = query_changed(person, passed, |body| body["challengeId"] = json!("aalc_unknown")).await;
    refused(&unknown, 409, "challenge_not_pending", "open_challenge");
}

async fn bad_records(person: &Person) {
    for (body, pointer) in [
        (json!({ "conversionType": "xml" }), "/conversionType"),
        (json!({ "conversionType": "JSON" }), "/conversionType"),
        (
            json!({ "conversionType": "json", "resources": ["Observation", "Nonsense"] }),
            "/resources/1",
        ),
        (
            json!({ "conversionType": "json", "dateFrom": "2024-02-30" }),
            "/dateFrom",
        ),
        (json!({ "conversionType": "json", "dateFrom": "2024-2-3" }), "/dateFrom"),
        (json!({ "conversionType": "pdf", "dateTo": "tomorrow" }), "/dateTo"),
        (
            json!({ "conversionType": "pdf", "dateFrom": "2024-03-01", "dateTo": "2024-02-29" }),
            "/dateTo",
        ),
    ] {
        let answer = person.app.ask_record(&body).await.unwrap();
        refused(&answer, 400, "invalid_request", "fix_request");
        assert_eq!(pointers(&answer), [pointer], "{body}");
    }
}

async fn unknown_ids(person: &Person) {
    for id in [
        UNKNOWN,
        "1",
        "not-an-id",
        "0198A0D4-6C70-7D1A-9B02-3F4E5A6B7C8D0",
        "%F0%9F%92%A9",
    ] {
        for path in [
            format!("/v1/network-queries/{id}"),
            format!("/v1/network-queries/{id}/timeline"),
            format!("/v1/records/{id}"),
        ] {
            refused(&person.app.get(&path).await.unwrap(), 404, "not_found", "none");
        }
    }
}

/// Checks that each refusal names the earlier step that is missing.
async fn too_early(newcomer: &Person, linked: &Person, verified: &Person, passed: &Passed) {
    for (method, path, body) in bodies(passed, newcomer).into_iter().skip(3) {
        let mut request = newcomer.app.request(method.parse().unwrap(), path).json(&body);
        request = request.header("x-aal2-session", &passed.session);
        refused(&reply(request).await.unwrap(), 409, "patient_not_linked", "put_patient");
    }
    for (method, path, body) in bodies(passed, linked).into_iter().skip(4) {
        let mut request = linked.app.request(method.parse().unwrap(), path).json(&body);
        request = request.header("x-aal2-session", &passed.session);
        refused(
            &reply(request).await.unwrap(),
            409,
            "identity_not_verified",
            "verify_identity",
        );
    }
    let again = verified.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
    refused(&again, 409, "identity_already_verified", "open_challenge");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_and_changes_nothing() {
    let app = TestApp::with(|options| options.redirects.push(PLAIN.to_owned())).await;
    refuses_bad_input(&app).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_despite_throttling_and_duplicates() {
    let app = TestApp::with(|options| {
        options.redirects.push(PLAIN.to_owned());
        rough(options);
    })
    .await;
    app.quick_redelivery().await;
    refuses_bad_input(&app).await;
    let faults = app.sandbox().aws().fault_counts();
    assert!(faults["throttled"] > 0 && faults["message_doubled"] > 0, "{faults:?}");
    app.end().await;
}

async fn refuses_bad_input(app: &TestApp) {
    let (newcomer, linked) = (app.person("newcomer", "Jane").await, app.person("linked", "Jane").await);
    let verified = app.person("verified", "Jane").await;
    assert_eq!(linked.link().await.status, 200);
    verified.verify_identity().await;
    let passed = verified.pass_challenge().await;
    app.drain().await;
    let before = app.snapshot().await;

    bad_bodies(&verified, &passed).await;
    assert_eq!(app.snapshot().await, before);
    bad_demographics(&newcomer).await;
    assert_eq!(app.snapshot().await, before);
    bad_redirects(&linked, "/v1/identity-sessions", IDENTITY_RETURN).await;
    bad_redirects(&verified, "/v1/aal2-challenges", AAL2_RETURN).await;
    assert_eq!(app.snapshot().await, before);
    bad_queries(&verified, &passed).await;
    assert_eq!(app.snapshot().await, before);
    bad_records(&verified).await;
    unknown_ids(&verified).await;
    assert_eq!(app.snapshot().await, before);
    too_early(&newcomer, &linked, &verified, &passed).await;
    app.drain().await;
    assert_eq!(app.snapshot().await, before);

    let accepted = verified.app.start_query(&passed.ask_of(&["hie"])).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    assert_eq!(
        verified.until_ended(&accepted.text("/id")).await.text("/status"),
        "completed"
    );
}
