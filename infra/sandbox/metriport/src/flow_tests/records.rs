//! Tests of consolidated queries and their records.

use super::*;

#[test]
fn consolidated_queries_run_in_order_and_equal_ones_share() {
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
    let query = world
        .read_consolidated(&patient_id, text(&pdf_query["requestId"]))
        .unwrap();
    assert_eq!(query["status"], "completed");
    assert_eq!(
        world.list_consolidated(&patient_id).unwrap()["queries"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn record_without_data_has_an_empty_bundle() {
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

/// The resources of a patient's record after a query of all sources.
fn pulled(world: &mut World, patient_id: &str, ms: i64) -> Vec<Value> {
    treatment(world, ms, patient_id);
    world.advance(at(ms + 800));
    let view = world.consolidated(at(ms + 800), patient_id, ask("json").filter());
    let bundle = view.bundle();
    bundle
        .resources()
        .map(|resource| serde_json::from_str(resource.get()).unwrap())
        .collect()
}

fn patients(resources: &[Value]) -> Vec<&Value> {
    let patients = resources
        .iter()
        .filter(|resource| resource["resourceType"] == "Patient");
    patients.collect()
}

fn subjects(resources: &[Value]) -> impl Iterator<Item = &str> {
    let subjects = resources.iter().filter_map(|resource| resource.get("subject"));
    subjects.map(|subject| text(&subject["reference"]))
}

#[test]
fn record_has_the_patient_with_the_account_demographics() {
    let (mut world, patient_id, _) = proofed("Nora");
    let resources = pulled(&mut world, &patient_id, 200);
    let made = patients(&resources);
    assert_eq!(made.len(), 1);
    assert_eq!(
        (text(&made[0]["id"]), text(&made[0]["gender"])),
        (&*patient_id, "female")
    );
    assert_eq!(made[0]["name"], json!([{ "family": "Quill", "given": ["Nora"] }]));
    assert_eq!(made[0]["telecom"], Value::Null, "the account gave no contact");
    let link = format!("Patient/{patient_id}");
    assert!(subjects(&resources).all(|subject| subject == link));
    assert!(subjects(&resources).count() > 100);
    // After an update of the patient, the next record shows the new name.
    let facility = world.facilities[0].id.clone();
    let mut renamed = crate::world::testing::patient_body("Nora", "user-1");
    renamed["lastName"] = json!("Quillon");
    world
        .update_patient(at(2000), &patient_id, Some(&facility), None, &renamed)
        .unwrap();
    let resources = pulled(&mut world, &patient_id, 2000);
    assert_eq!(patients(&resources)[0]["name"][0]["family"], "Quillon");
}

#[test]
fn option_keeps_the_patients_of_a_given_record() {
    let given = concat!(
        r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"p1"}},"#,
        r#"{"resource":{"resourceType":"Goal","subject":{"reference":"Patient/p1"}}}]}"#
    );
    for replaces in [false, true] {
        let (mut world, patient_id, _) = proofed("Nora");
        world.record = Some(std::sync::Arc::new(sandbox_fhir::split(given.as_bytes()).unwrap()));
        world.options.replace_patient = replaces;
        let resources = pulled(&mut world, &patient_id, 200);
        let id = if replaces { patient_id.as_str() } else { "p1" };
        assert_eq!(patients(&resources)[0]["id"], id);
        let goal = resources
            .iter()
            .find(|resource| resource["resourceType"] == "Goal")
            .unwrap();
        assert_eq!(text(&goal["subject"]["reference"]), format!("Patient/{id}"));
    }
}

/// As in Metriport's sandbox (docs.metriport.com, page `getting-started/sandbox`).
#[test]
fn metriport_sandbox_persons_have_full_records() {
    for first_name in ["Jane", "Chris", "Ollie", "Andreas", "Kyla"] {
        let (mut world, patient_id, _) = proofed(first_name);
        let resources = pulled(&mut world, &patient_id, 200);
        for kind in ["Observation", "MedicationRequest", "DiagnosticReport"] {
            let found = resources.iter().any(|resource| resource["resourceType"] == kind);
            assert!(found, "{first_name}: no {kind}");
        }
    }
}

#[test]
fn new_hie_query_empties_the_record_until_it_ends() {
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
fn failed_query_omits_bundle_and_flag_stops_the_webhook() {
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
fn deleting_a_patient_deletes_queries_and_identity() {
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
