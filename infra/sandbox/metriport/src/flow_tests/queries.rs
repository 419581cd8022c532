//! Tests of network queries: who may start them, and how they run.

use super::*;

#[test]
fn aal2_session_serves_once_for_its_identity_until_it_expires() {
    let (mut world, patient_id, identity_id) = proofed("Nora");
    let refused = |world: &mut World, ms, session: Option<&str>| {
        start(world, ms, &patient_id, &identity_id, session).unwrap_err().status
    };
    assert_eq!(refused(&mut world, 200, None), 401);
    assert_eq!(refused(&mut world, 200, Some("aal2_made-up")), 401);
    let old = aal2(&mut world, 200, &identity_id);
    assert_eq!(refused(&mut world, 200 + 300_000, Some(&old)), 401);
    let fresh = aal2(&mut world, 400_000, &identity_id);
    let wrong_identity = start(&mut world, 400_000, &patient_id, "pid_made-up", Some(&fresh)).unwrap_err();
    assert_eq!(wrong_identity.status, 403);
    start(&mut world, 400_000, &patient_id, &identity_id, Some(&fresh)).unwrap();
    assert_eq!(refused(&mut world, 400_001, Some(&fresh)), 401);
    world.options.check_aal2 = false;
    start(&mut world, 400_002, &patient_id, &identity_id, Some("anything")).unwrap();
}

#[test]
fn refused_start_keeps_the_aal2_session_unused() {
    let (mut world, patient_id, identity_id) = proofed("Nora");
    let session = aal2(&mut world, 200, &identity_id);
    let body = json!({ "sources": { "hie": { "enabled": false } }, "proofedIdentityId": identity_id });
    let bad = Start {
        patient_id: Some(&patient_id),
        purpose_of_use: Some("ias"),
        aal2_session: Some(&session),
        body: &body,
        refused: None,
    };
    assert_eq!(world.start_network_query(at(200), &bad).unwrap_err().status, 400);
    start(&mut world, 201, &patient_id, &identity_id, Some(&session)).unwrap();
}

#[test]
fn sources_complete_one_by_one_with_a_webhook_each() {
    let (mut world, patient_id, identity_id) = proofed("Nora");
    world.options.delays.lab_ms = 300;
    let session = aal2(&mut world, 200, &identity_id);
    let started = start(&mut world, 200, &patient_id, &identity_id, Some(&session)).unwrap();
    let id = text(&started["requestId"]).to_owned();
    assert_eq!(
        (&started["status"], started.get("errors")),
        (&json!("processing"), None)
    );
    world.advance(at(300));
    let events = sent(&mut world);
    let types: Vec<_> = events.iter().map(|event| text(&event["meta"]["type"])).collect();
    assert_eq!(types, ["network-query.hie", "network-query.pharmacy"]);
    assert_eq!(events[0]["payload"]["purposeOfUse"], "ias");
    assert_eq!(events[0]["meta"]["requestId"], id.as_str());
    assert_eq!(events[0]["meta"]["data"], json!({ "runId": "r-1" }));
    assert_eq!(world.read_network_query(&id).unwrap()["status"], "processing");
    world.advance(at(500));
    let query = world.read_network_query(&id).unwrap();
    assert_eq!(query["status"], "completed");
    assert_eq!(query["sources"][2]["completedAt"], json!(at(500)));
    assert_eq!(
        world
            .read_network_query("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d")
            .unwrap_err()
            .status,
        404
    );
    assert_eq!(world.read_network_query("nonsense").unwrap_err().status, 400);
}

#[test]
fn pharmacy_of_silas_fails_without_a_webhook() {
    let (mut world, patient_id, _) = proofed("Silas");
    let started = treatment(&mut world, 200, &patient_id);
    world.advance(at(300));
    let types: Vec<_> = sent(&mut world)
        .iter()
        .map(|event| text(&event["meta"]["type"]).to_owned())
        .collect();
    assert_eq!(types, ["network-query.hie", "network-query.lab"]);
    let query = world.read_network_query(text(&started["requestId"])).unwrap();
    assert_eq!(
        (&query["status"], &query["sources"][1]["status"]),
        (&json!("partial"), &json!("failed"))
    );
}

#[test]
fn lab_of_sloan_takes_eight_times_as_long() {
    let (mut world, patient_id, _) = proofed("Sloan");
    let started = treatment(&mut world, 200, &patient_id);
    let status = |world: &mut World, ms| {
        world.advance(at(ms));
        world.read_network_query(text(&started["requestId"])).unwrap()["status"].clone()
    };
    assert_eq!(status(&mut world, 999), "processing");
    assert_eq!(status(&mut world, 1000), "completed");
}

#[test]
fn robins_sources_are_refused_at_once() {
    let (mut world, patient_id, _) = proofed("Robin");
    let started = treatment(&mut world, 200, &patient_id);
    let refused: Vec<_> = started["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["source"])
        .collect();
    assert_eq!(refused, ["pharmacy", "lab"]);
    assert_eq!(
        (&started["status"], &started["errors"][0]["httpStatus"]),
        (&json!("processing"), &json!(400))
    );
    world.advance(at(300));
    assert_eq!(
        world.read_network_query(text(&started["requestId"])).unwrap()["status"],
        "partial"
    );
}

#[test]
fn overlapping_hie_query_is_skipped_and_never_ends() {
    let (mut world, patient_id, _) = proofed("Nora");
    treatment(&mut world, 200, &patient_id);
    let second = treatment(&mut world, 250, &patient_id);
    world.advance(at(10_000));
    let hies = sent(&mut world)
        .iter()
        .filter(|event| event["meta"]["type"] == "network-query.hie")
        .count();
    assert_eq!(hies, 1);
    assert_eq!(
        world.read_network_query(text(&second["requestId"])).unwrap()["status"],
        "processing"
    );
}

#[test]
fn first_data_event_is_sent_halfway() {
    let (mut world, patient_id, _) = proofed("Nora");
    world.options.data_ready_events = true;
    treatment(&mut world, 200, &patient_id);
    world.advance(at(250));
    let event = sent(&mut world).remove(0);
    assert_eq!(event["meta"]["type"], "network-query.hie.first-data-ready");
    assert_eq!(event["payload"]["source"]["status"], "processing");
    assert!(event["payload"].get("purposeOfUse").is_none());
}

#[test]
fn updates_are_locked_while_hie_runs() {
    let (mut world, patient_id, _) = proofed("Nora");
    let facility = world.facilities[0].id.clone();
    let body = crate::world::testing::patient_body("Nora", "user-1");
    treatment(&mut world, 200, &patient_id);
    let locked = world
        .update_patient(at(250), &patient_id, Some(&facility), None, &body)
        .unwrap_err();
    assert_eq!(locked.status, 423);
    world.advance(at(300));
    world
        .update_patient(at(300), &patient_id, Some(&facility), None, &body)
        .unwrap();
}

#[test]
fn source_is_refused_beyond_its_own_limit() {
    let (mut world, patient_id, _) = proofed("Nora");
    world.options.per_source_rate_limits = true;
    let mut last = treatment(&mut world, 200, &patient_id);
    for _ in 0..20 {
        assert!(last.get("errors").is_none());
        last = treatment(&mut world, 200, &patient_id);
    }
    assert_eq!(
        (&last["status"], &last["errors"][2]["httpStatus"]),
        (&json!("failed"), &json!(429))
    );
}

#[test]
fn hie_source_fails_for_a_patient_with_opt_out() {
    let (mut world, patient_id, _) = proofed("Nora");
    world.patients.get_mut(&patient_id).unwrap().hie_opt_out = true;
    let started = treatment(&mut world, 200, &patient_id);
    assert_eq!(
        (&started["errors"][0]["source"], &started["errors"][0]["httpStatus"]),
        (&json!("hie"), &json!(500))
    );
}

#[test]
fn failed_source_sends_a_webhook_with_failure_events() {
    let (mut world, patient_id, _) = proofed("Silas");
    world.options.failure_events = true;
    treatment(&mut world, 200, &patient_id);
    world.advance(at(300));
    let events = sent(&mut world);
    let failed = events
        .iter()
        .find(|event| event["payload"]["source"]["status"] == "failed")
        .unwrap();
    assert_eq!(failed["meta"]["type"], "network-query.pharmacy");
    assert!(failed["payload"]["consolidatedDataUrl"].is_string());
}

#[test]
fn time_scale_shortens_delays_and_lifetimes() {
    let (mut world, patient_id, identity_id) = proofed("Nora");
    world.options.time_scale = 10;
    let session = aal2(&mut world, 200, &identity_id);
    assert_eq!(
        start(&mut world, 30_200, &patient_id, &identity_id, Some(&session))
            .unwrap_err()
            .status,
        401
    );
    let session = aal2(&mut world, 40_000, &identity_id);
    start(&mut world, 69_999, &patient_id, &identity_id, Some(&session)).unwrap();
    world.advance(at(70_009));
    assert_eq!(sent(&mut world).len(), 3);
}
