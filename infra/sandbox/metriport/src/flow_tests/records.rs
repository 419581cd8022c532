//! Consolidated queries and what becomes of a record.

use super::*;

#[test]
fn consolidated_queries_wait_their_turn_and_the_same_one_is_shared() {
    let (mut world, patient_id, _) = proofed("Nora");
    treatment(&mut world, 200, &patient_id);
    world.advance(at(1000));
    sent(&mut world);
    let json_query = world
        .start_consolidated(at(1000), &patient_id, ask("json"), &json!({}))
        .unwrap();
    let same = world
        .start_consolidated(at(1050), &patient_id, ask("json"), &json!({}))
        .unwrap();
    let pdf_query = world
        .start_consolidated(at(1050), &patient_id, ask("pdf"), &json!({}))
        .unwrap();
    assert_eq!(json_query["requestId"], same["requestId"]);
    assert_ne!(json_query["requestId"], pdf_query["requestId"]);
    world.advance(at(1100));
    let first = sent(&mut world);
    assert_eq!(first[0]["meta"]["requestId"], json_query["requestId"]);
    assert_eq!(first.len(), 1);
    world.advance(at(1200));
    let second = sent(&mut world).remove(0);
    let content = &second["patients"][0]["bundle"]["entry"][0]["resource"]["content"];
    assert_eq!(content[0]["attachment"]["contentType"], "application/pdf");
    let seen = world
        .read_consolidated(&patient_id, text(&pdf_query["requestId"]))
        .unwrap();
    assert_eq!(seen["status"], "completed");
    assert_eq!(
        world.list_consolidated(&patient_id).unwrap()["queries"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_record_without_data_has_no_entry() {
    let (mut world, patient_id, _) = proofed("Nadia");
    treatment(&mut world, 200, &patient_id);
    world.advance(at(1000));
    sent(&mut world);
    world
        .start_consolidated(at(1000), &patient_id, ask("json"), &json!({}))
        .unwrap();
    world.advance(at(1100));
    let part = sent(&mut world).remove(0)["patients"][0].clone();
    assert_eq!(
        (&part["status"], &part["bundle"]["entry"]),
        (&json!("completed"), &json!([]))
    );
}

#[test]
fn a_new_hie_query_empties_the_record_until_it_ends() {
    let (mut world, patient_id, _) = proofed("Nora");
    treatment(&mut world, 200, &patient_id);
    world.advance(at(1000));
    let total = |world: &mut World, ms| {
        let count = Ask::read_count(&Default::default()).unwrap();
        world.count_consolidated(at(ms), &patient_id, &count).unwrap()["total"]
            .as_u64()
            .unwrap()
    };
    let full = total(&mut world, 1000);
    treatment(&mut world, 1000, &patient_id);
    assert_eq!(total(&mut world, 1050), 0);
    world.advance(at(1100));
    assert!(full > 0 && total(&mut world, 1100) == full);
}

#[test]
fn failed_consolidated_queries_carry_no_bundle_and_the_flag_silences() {
    let (mut world, patient_id, _) = proofed("Nora");
    world.consolidated_failures = 1;
    world
        .start_consolidated(at(1000), &patient_id, ask("json"), &json!({}))
        .unwrap();
    world.advance(at(1100));
    let part = sent(&mut world).remove(0)["patients"][0].clone();
    assert_eq!((&part["status"], part.get("bundle")), (&json!("failed"), None));
    let silent = json!({ "metadata": { "disableWHFlag": "true" } });
    world
        .start_consolidated(at(1200), &patient_id, ask("json"), &silent)
        .unwrap();
    world.advance(at(1300));
    assert!(sent(&mut world).is_empty());
}

#[test]
fn a_deleted_patient_takes_everything_along() {
    let (mut world, patient_id, identity_id) = proofed("Nora");
    let started = treatment(&mut world, 200, &patient_id);
    world.delete_patient(&patient_id, None).unwrap();
    world.advance(at(10_000));
    assert!(sent(&mut world).is_empty());
    assert_eq!(
        world
            .read_network_query(text(&started["requestId"]))
            .unwrap_err()
            .status,
        404
    );
    let body = json!({ "proofedIdentityId": identity_id, "redirectUrl": RETURN_URL });
    assert_eq!(world.create_challenge(at(10_000), &body).unwrap_err().status, 404);
}
