//! Patients, facilities, settings.

use serde_json::json;
use shared::domain::ExternalId;
use shared::metriport::*;

use super::{PATIENT, assert_common, external_id, facility, patient_body};
use crate::upstream::{Answer, Upstream, demographics, patient_id, patient_json};

#[tokio::test]
async fn create_patient_sends_the_exact_request() {
    let upstream = Upstream::answering_json(201, patient_json()).await;
    let new = NewPatient {
        facility: facility(),
        external_id: external_id(),
        demographics: demographics(),
        hie_opt_out: None,
    };
    let patient = upstream
        .client()
        .create_patient(&new)
        .await
        .unwrap()
        .verify(&external_id())
        .unwrap();
    assert_eq!(patient.id, patient_id());
    assert_eq!(patient.facilities, [facility()]);
    let request = upstream.only();
    assert_common(&request, true);
    assert_eq!(
        request.line,
        "POST /medical/v1/patient?facilityId=01989f00-1111-7222-8333-444455556666"
    );
    assert_eq!(request.json(), patient_body());
}

#[tokio::test]
async fn get_and_find_patient_send_the_exact_request() {
    let upstream = Upstream::answering_json(200, patient_json()).await;
    upstream
        .client()
        .get_patient(&patient_id())
        .await
        .unwrap()
        .verify(&external_id())
        .unwrap();
    let request = upstream.only();
    assert_common(&request, false);
    assert_eq!(request.line, format!("GET {PATIENT}"));

    let mut named = patient_json();
    named["externalId"] = json!("user 48&213");
    let upstream = Upstream::answering_json(200, named).await;
    let odd = ExternalId::parse("user 48&213").unwrap();
    assert_eq!(
        upstream.client().find_patient(&odd).await.unwrap().unwrap().id,
        patient_id()
    );
    assert_eq!(
        upstream.only().line,
        "GET /medical/v1/patient/external-id?externalId=user+48%26213"
    );
}

#[tokio::test]
async fn update_patient_sends_the_exact_request() {
    let upstream = Upstream::answering_json(200, patient_json()).await;
    let update = PatientUpdate {
        patient: patient_id(),
        facility: facility(),
        external_id: external_id(),
        demographics: demographics(),
        hie_opt_out: None,
    };
    upstream.client().update_patient(&update).await.unwrap();
    let request = upstream.only();
    assert_common(&request, true);
    assert_eq!(
        request.line,
        format!("PUT {PATIENT}?facilityId=01989f00-1111-7222-8333-444455556666")
    );
    assert_eq!(request.json(), patient_body());
}

#[tokio::test]
async fn opt_out_is_sent_in_the_status() {
    for opt_out in [true, false] {
        let upstream = Upstream::answering_json(200, patient_json()).await;
        let new = NewPatient {
            facility: facility(),
            external_id: external_id(),
            demographics: demographics(),
            hie_opt_out: Some(opt_out),
        };
        let update = PatientUpdate {
            patient: patient_id(),
            facility: facility(),
            external_id: external_id(),
            demographics: demographics(),
            hie_opt_out: Some(opt_out),
        };
        upstream.client().create_patient(&new).await.unwrap();
        upstream.client().update_patient(&update).await.unwrap();
        let mut body = patient_body();
        body["status"] = json!({ "hieOptOut": opt_out });
        for request in upstream.requests() {
            assert_eq!(request.json(), body);
        }
    }
}

#[tokio::test]
async fn delete_patient_sends_the_exact_request() {
    let upstream = Upstream::answering(Answer::new(204, "text/plain", "")).await;
    let deletion = PatientDeletion {
        patient: patient_id(),
        facility: Some(facility()),
    };
    upstream.client().delete_patient(&deletion).await.unwrap();
    let request = upstream.only();
    assert_common(&request, false);
    assert_eq!(
        request.line,
        format!("DELETE {PATIENT}?facilityId=01989f00-1111-7222-8333-444455556666")
    );
}

#[tokio::test]
async fn facilities_are_created_and_listed() {
    let reply =
        json!({"id": "01989f00-1111-7222-8333-444455556666", "name": "Example", "npi": "1234567893", "oid": "2.16"});
    let upstream = Upstream::answering_json(201, reply.clone()).await;
    let address = FacilityAddress {
        address_line1: "10 Harbor St".to_owned(),
        address_line2: None,
        city: "Columbus".to_owned(),
        state: "OH".to_owned(),
        zip: "43215".to_owned(),
    };
    let new = NewFacility {
        name: "Example".to_owned(),
        npi: Npi::parse("1234567893").unwrap(),
        address,
        tin: None,
    };
    assert_eq!(upstream.client().create_facility(&new).await.unwrap().id, facility());
    let request = upstream.only();
    assert_common(&request, true);
    assert_eq!(request.line, "POST /medical/v1/facility");
    let address = json!({"addressLine1": "10 Harbor St", "city": "Columbus", "state": "OH", "zip": "43215"});
    assert_eq!(
        request.json(),
        json!({"name": "Example", "npi": "1234567893", "active": true, "address": address})
    );

    for list in [json!({"facilities": [reply, {"name": "no id"}]}), json!([reply])] {
        let upstream = Upstream::answering_json(200, list).await;
        let found = upstream.client().list_facilities().await.unwrap();
        assert_eq!(
            found.iter().map(|facility| &facility.id).collect::<Vec<_>>(),
            [&facility()]
        );
        assert_eq!(upstream.only().line, "GET /medical/v1/facility");
    }
}

#[tokio::test]
async fn settings_are_read_and_written_at_the_root() {
    let reply = json!({"id": "x", "webhookUrl": "https://hooks.test/m", "webhookKey": "Qk3v", "mrFilters": null});
    let upstream = Upstream::answering_json(200, reply).await;
    let client = upstream.client();
    assert_eq!(
        client.read_settings().await.unwrap().webhook_url.as_deref(),
        Some("https://hooks.test/m")
    );
    client
        .set_webhook_url(&"https://hooks.test/m".parse().unwrap())
        .await
        .unwrap();
    let requests = upstream.requests();
    assert_common(&requests[0], false);
    assert_common(&requests[1], true);
    assert_eq!(
        (requests[0].line.as_str(), requests[1].line.as_str()),
        ("GET /settings", "POST /settings")
    );
    assert_eq!(requests[1].json(), json!({"webhookUrl": "https://hooks.test/m"}));
    let settings = client.clear_webhook_url().await.unwrap();
    assert!(settings.is_of_same_account(&client.read_settings().await.unwrap()));
    let other = Upstream::answering_json(200, json!({"id": "y"})).await;
    assert!(!settings.is_of_same_account(&other.client().read_settings().await.unwrap()));
    let unnamed = Upstream::answering_json(200, json!({})).await;
    let unnamed = unnamed.client().read_settings().await.unwrap();
    assert!(!unnamed.is_of_same_account(&unnamed));
    let requests = upstream.requests();
    assert_eq!(
        (requests[2].line.as_str(), requests[2].json()),
        ("POST /settings", json!({"webhookUrl": ""}))
    );
}

#[tokio::test]
async fn webhook_status_and_retry_send_the_exact_request() {
    let upstream = Upstream::answering(Answer::new(200, "text/plain", "OK")).await;
    upstream.client().retry_webhooks().await.unwrap();
    let request = upstream.only();
    assert_common(&request, false);
    assert_eq!(request.line, "POST /settings/webhook/retry");
    assert_eq!(request.header("content-length"), Some("0"));

    let upstream = Upstream::answering_json(200, json!({"webhookEnabled": true, "webhookRequestsFailed": 2})).await;
    assert_eq!(upstream.client().webhook_status().await.unwrap().unwrap().failed, 2);
    assert_eq!(upstream.only().line, "GET /settings/webhook");
}
