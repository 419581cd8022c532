use serde_json::json;

use super::*;
use crate::webhook::{UnverifiedWebhook, WebhookKeys};

fn read_bytes(body: &[u8]) -> Incoming {
    use hmac::{Hmac, KeyInit, Mac};
    let signature = Hmac::<sha2::Sha256>::new_from_slice(b"k")
        .unwrap()
        .chain_update(body)
        .finalize()
        .into_bytes();
    let signature = hex::encode(signature);
    let keys = WebhookKeys::new("k".into());
    UnverifiedWebhook {
        body,
        signature: Some(&signature),
    }
    .verify(&keys, Time::from_millis(7))
    .unwrap()
    .read(Time::from_millis(7))
}

fn read(body: &Value) -> WebhookEvent {
    match read_bytes(body.to_string().as_bytes()) {
        Incoming::Event(event) => *event,
        Incoming::Ping(_) => panic!("a ping"),
    }
}

fn meta(event_type: &str) -> Value {
    json!({"messageId": "m-1", "requestId": "r-1", "when": "2026-11-22T11:31:07.412Z", "type": event_type,
           "data": {"runId": "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d", "env": "dev"}})
}

#[test]
fn ping_without_text_keeps_only_its_envelope() {
    assert_eq!(
        read_bytes(br#"{"ping":"p-1","meta":{"type":"ping"}}"#),
        Incoming::Ping("p-1".into())
    );
    assert_eq!(read(&json!({"meta": {"type": "ping"}})).event, Event::Other);
}

#[test]
fn source_event_is_read_without_its_optional_fields() {
    let mut body = json!({"meta": meta("network-query.hie"), "payload": {"patientId": "p-1", "externalId": "u-1",
        "purposeOfUse": "ias", "consolidatedDataUrl": "https://CANARY.test/x", "unknown": [1],
        "source": {"type": "hie", "source": "national-hie", "status": "completed",
            "completedAt": "2026-11-22T11:31:06.900Z"}}});
    let event = read(&body);
    let expected = Event::Source {
        patient: PatientId::parse("p-1").unwrap(),
        source: SourceKind::Hie,
        status: SourceOutcome::Completed,
    };
    assert_eq!(event.event, expected);
    assert!(event.marks.pull.is_some() && event.request.is_some());
    assert!(
        !serde_json::to_string(&event).unwrap().contains("CANARY"),
        "links of network queries are not ours to follow"
    );
    body["meta"] = json!({"type": "network-query.hie"});
    body["payload"]["source"].as_object_mut().unwrap().remove("type");
    let replayed = read(&body);
    assert_eq!(replayed.event, expected);
    assert!(replayed.message.as_str().starts_with("sha256.") && replayed.marks == Marks::default());
}

#[test]
fn skipped_source_counts_as_completed() {
    let skipped =
        json!({"meta": meta("network-query.lab"), "payload": {"patientId": "p-1", "source": {"status": "skipped"}}});
    let Event::Source { status, .. } = read(&skipped).event else {
        panic!()
    };
    assert_eq!(status, SourceOutcome::Completed);
}

#[test]
fn processing_source_keeps_only_its_envelope() {
    let mut body = json!({"meta": meta("network-query.hie"),
        "payload": {"patientId": "p-1", "source": {"type": "hie", "status": "processing"}}});
    assert_eq!(read(&body).event, Event::Other);
    body["meta"]["type"] = json!("network-query.hie.first-data-ready");
    let first_data = read(&body);
    assert_eq!((first_data.kind(), first_data.event), (EventKind::Other, Event::Other));
}

#[test]
fn delivery_keeps_its_link_and_prefers_the_gzip_copy() {
    let body = json!({"meta": meta("medical.consolidated-data"), "patients": [{
        "patientId": "p-1", "status": "completed",
        "filters": {"resources": "", "conversionType": "json"},
        "bundle": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "DocumentReference",
            "subject": {"reference": "Patient/p-1"},
            "content": [{"attachment": {"contentType": "application/json", "url": "https://b.test/x?sig=1"}},
                        {"attachment": {"contentType": "application/gzip", "url": "https://b.test/x.gz"}}]}}]}}]});
    let Event::Consolidated { delivery } = read(&body).event else {
        panic!()
    };
    assert_eq!(delivery.link.as_ref().map(Link::as_str), Some("https://b.test/x.gz"));
    assert_eq!(delivery.subject, Some(PatientId::parse("p-1").unwrap()));
    let mut plain = body;
    let attachments = plain
        .pointer_mut("/patients/0/bundle/entry/0/resource/content")
        .unwrap();
    attachments.as_array_mut().unwrap().pop();
    let Event::Consolidated { delivery } = read(&plain).event else {
        panic!()
    };
    assert_eq!(delivery.link.as_ref().map(Link::as_str), Some("https://b.test/x?sig=1"));
}

fn delivery_of(part: Value) -> ConsolidatedDelivery {
    let mut patient = json!({"patientId": "p-1", "status": "completed"});
    patient
        .as_object_mut()
        .unwrap()
        .extend(part.as_object().unwrap().clone());
    match read(&json!({"meta": meta("medical.consolidated-data"), "patients": [patient]})).event {
        Event::Consolidated { delivery } => delivery,
        other => panic!("{other:?}"),
    }
}

/// FHIR forbids empty lists, so an empty result may have no list.
#[test]
fn bundle_without_entries_counts_as_empty() {
    for nothing in [
        json!({"bundle": {"entry": []}}),
        json!({"bundle": {"entry": null}}),
        json!({"bundle": {"resourceType": "Bundle", "type": "searchset", "total": 0}}),
    ] {
        let delivery = delivery_of(nothing.clone());
        assert_eq!(
            (delivery.link, delivery.subject, delivery.empty),
            (None, None, true),
            "{nothing}"
        );
    }
    for unclear in [
        json!({}),
        json!({"bundle": null}),
        json!({"bundle": []}),
        json!({"bundle": {"entry": [null]}}),
        json!({"bundle": {"entry": {}}}),
        json!({"bundle": {"entry": "none"}}),
    ] {
        assert!(!delivery_of(unclear.clone()).empty, "{unclear}");
    }
}

/// In the published schema, a filter is a text, a boolean or null. The object of all filters may be null too.
#[test]
fn filters_may_be_absent_null_or_of_several_types() {
    for none in [
        json!({}),
        json!({"filters": null}),
        json!({"filters": {"resources": null}}),
    ] {
        assert_eq!(delivery_of(none.clone()).filters, BTreeMap::new(), "{none}");
    }
    let some = delivery_of(json!({"filters": {"resources": "", "dateFrom": false, "dateTo": 1e3, "other": "x"}}));
    let read: Vec<_> = some
        .filters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(read, [("dateFrom", "false"), ("dateTo", "0"), ("resources", "")]);
}

fn verification_of(body: &Value) -> Verification {
    match read(body).event {
        Event::Identity { verification } => verification,
        other => panic!("{body}: {other:?}"),
    }
}

fn session(id: &str) -> IdentitySessionId {
    IdentitySessionId::parse(id).unwrap()
}

#[test]
fn verification_is_found_in_every_known_place() {
    let ids = json!({"proofedIdentityId": "pid_1", "patientId": "p-1", "sessionId": "ids_1", "externalId": "u"});
    let meta = json!({"messageId": "m", "type": "ias.identity.verified"});
    let shapes = [
        json!({"meta": meta, "payload": ids}),
        json!({"meta": meta, "payload": {"patient": ids}}),
        json!({"meta": meta, "payload": {"identity": ids}}),
        json!({"meta": meta, "payload": {"data": ids}}),
        json!({"meta": meta, "patients": [ids]}),
        json!({"meta": meta, "identity": ids}),
        json!({"meta": meta, "data": ids}),
        json!({"meta": meta, "proofedIdentityId": "pid_1", "patientId": "p-1", "sessionId": "ids_1"}),
        json!({"meta": meta, "payload": {"patientId": "p-1"}, "patients": [ids]}),
    ];
    for shape in shapes {
        let verification = verification_of(&shape);
        assert_eq!(verification.proofed_identity.as_str(), "pid_1");
        assert_eq!(verification.sessions, [session("ids_1")]);
        assert_eq!(verification.patient, PatientId::parse("p-1").ok());
    }
    let by_request = json!({"meta": {"type": "ias.identity.verified", "requestId": "ids_9"},
        "payload": {"proofedIdentityId": "pid_1"}});
    assert_eq!(verification_of(&by_request).sessions, [session("ids_9")]);
}

/// Every session is read, because only the caller knows which session is ours.
#[test]
fn every_session_of_an_identity_event_is_read() {
    let body = json!({"meta": {"type": "ias.identity.verified", "requestId": "ids_1"},
        "sessionId": "csp-7", "identity": {"sessionId": "ids_2"}, "patients": [{"sessionId": "ids_1"}],
        "payload": {"sessionId": "ids_3", "proofedIdentityId": "pid_1", "patient": {"sessionId": 4}}});
    let sessions = verification_of(&body).sessions;
    assert_eq!(sessions, ["ids_3", "ids_1", "ids_2"].map(session));
}

#[test]
fn identity_event_with_two_identities_or_patients_is_kept() {
    for other in [json!({"proofedIdentityId": "pid_2"}), json!({"patientId": "p-2"})] {
        let body = json!({"meta": {"type": "ias.identity.verified", "requestId": "ids_1"}, "patients": [other],
            "payload": {"sessionId": "ids_1", "proofedIdentityId": "pid_1", "patientId": "p-1"}});
        let event = read(&body).event;
        assert!(
            matches!(&event, Event::IdentityUnclear { body } if body.verification().is_none()),
            "{body}"
        );
    }
}

/// `JSON.stringify` writes half of a surrogate pair as an escape that is not valid text.
#[test]
fn odd_value_in_an_unread_member_keeps_the_event_readable() {
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    for odd in [r#""B\ud83d""#, "1e999", &deep, r#"{"a":1,"a":2}"#] {
        let identity = format!(
            r#"{{"meta":{{"type":"ias.identity.verified","messageId":"m"}},"payload":{{"person":{odd},"sessionId":"ids_1","patientId":"p-1","proofedIdentityId":"pid_1"}}}}"#
        );
        let source = format!(
            r#"{{"meta":{{"type":"network-query.lab","x":{odd}}},"payload":{{"patientId":"p-1","source":{{"status":"completed","y":{odd}}}}}}}"#
        );
        for (body, kind) in [(identity, EventKind::Identity), (source, EventKind::Source)] {
            let Incoming::Event(event) = read_bytes(body.as_bytes()) else {
                panic!("{body}")
            };
            assert!(
                event.kind() == kind && !matches!(event.event, Event::IdentityUnclear { .. }),
                "{body}"
            );
        }
    }
}

#[test]
fn duplicate_name_makes_an_identity_event_unclear() {
    let body = r#"{"meta":{"type":"ias.identity.verified"},"payload":{"proofedIdentityId":"pid_1","sessionId":"ids_1","sessionId":"ids_2"}}"#;
    let Incoming::Event(event) = read_bytes(body.as_bytes()) else {
        panic!()
    };
    let unclear = UnclearBody(body.to_owned());
    assert_eq!(
        (unclear.verification(), event.event),
        (None, Event::IdentityUnclear { body: unclear.clone() })
    );
}

#[test]
fn unreadable_identity_event_keeps_its_body() {
    let body = json!({"meta": {"type": "ias.identity.verified", "messageId": "m"},
        "payload": {"deep": {"deeper": {"proofedIdentityId": "pid_1"}}}});
    assert_eq!(
        read(&body).event,
        Event::IdentityUnclear {
            body: UnclearBody(body.to_string())
        }
    );
    assert_eq!(UnclearBody(body.to_string()).verification(), None);
    // The event had this name earlier. Dead letters with the earlier name may still be sent back to their queue.
    let earlier = json!({"kind": "identityUnreadable", "body": "x"});
    let earlier: Event = serde_json::from_value(earlier).unwrap();
    assert_eq!(
        earlier,
        Event::IdentityUnclear {
            body: UnclearBody("x".to_owned())
        }
    );
}

/// An event in which no session or mark is found may hold them in a place that only a later version reads.
#[test]
fn identity_event_without_a_session_is_kept_and_read_again() {
    for payload in [
        json!({"proofedIdentityId": "pid_1", "patientId": "p-1"}),
        json!({"proofedIdentityId": "pid_1"}),
    ] {
        let body = json!({"meta": {"type": "ias.identity.verified", "messageId": "m"}, "payload": payload});
        let event = read(&body);
        assert_eq!(event.kind(), EventKind::Identity);
        let Event::IdentityUnclear { body: unclear } = event.event else {
            panic!("{body}")
        };
        assert_eq!(unclear, UnclearBody(body.to_string()));
        let verification = unclear.verification().unwrap();
        assert_eq!(verification.proofed_identity.as_str(), "pid_1");
        assert_eq!(verification.patient.is_some(), payload.get("patientId").is_some());
    }
}

#[test]
fn identity_event_without_json_or_type_keeps_its_body() {
    for body in [
        r#"{"meta":{"type":"ias.identity.verified"},"payload":{"name":"\ud8","proofedIdentityId":"pid_1"}}"#,
        r#"{"event":"ias.identity.verified","proofedIdentityId":"pid_1"}"#,
        "ias.identity.verified",
    ] {
        let Incoming::Event(event) = read_bytes(body.as_bytes()) else {
            panic!()
        };
        let unclear = UnclearBody(body.to_owned());
        assert_eq!(event.event, Event::IdentityUnclear { body: unclear }, "{body}");
    }
}

#[test]
fn signed_body_of_any_form_becomes_an_event() {
    for body in [&b"not json"[..], b"", b"[]", b"null", b"{\"meta\":1}", b"\xff\xfe"] {
        let Incoming::Event(event) = read_bytes(body) else {
            panic!()
        };
        assert_eq!((event.event, event.event_type.as_str()), (Event::Other, "unreadable"));
    }
    let unknown =
        read(&json!({"meta": {"type": "patient.admit <CANARY>", "messageId": "m"}, "payload": {"name": "CANARY"}}));
    assert_eq!(
        (unknown.event, unknown.event_type.as_str()),
        (Event::Other, "patient.admitCANARY")
    );
}

#[test]
fn known_type_without_content_is_unreadable() {
    for promising in [
        "ping",
        "network-query.hie",
        "network-query.pharmacy",
        "network-query.lab",
        "medical.consolidated-data",
        "ias.identity.verified",
    ] {
        let kind = read(&json!({"meta": meta(promising)})).kind();
        assert_eq!(kind, EventKind::Unreadable, "{promising}");
    }
    assert_eq!(read(&json!({"meta": meta("patient.admit")})).kind(), EventKind::Other);
    assert_eq!(read(&json!([])).kind(), EventKind::Unreadable);
    let source = json!({"meta": meta("network-query.lab"),
        "payload": {"patientId": "p-1", "source": {"type": "lab", "status": "completed"}}});
    assert_eq!(read(&source).kind(), EventKind::Source);
}

#[test]
fn only_an_event_with_our_metadata_and_time_has_an_age() {
    let received_at = Time::parse("2026-11-22T11:31:08Z").unwrap();
    let age = |body: &Value| {
        WebhookEvent {
            received_at,
            ..read(body)
        }
        .age()
    };
    let delivery = json!({"meta": meta("medical.consolidated-data")});
    assert_eq!(age(&delivery), Some(std::time::Duration::from_millis(588)));
    let with = |name: &str, value: Value| {
        let mut other = delivery.clone();
        other["meta"][name] = value;
        other
    };
    // A replay, an event of another application, a clock ahead of ours, no time.
    for other in [
        with("data", Value::Null),
        with("data", json!({"env": "dev"})),
        with("when", json!("2026-11-22T11:31:08.001Z")),
        with("when", Value::Null),
    ] {
        assert_eq!(age(&other), None, "{other}");
    }
}
