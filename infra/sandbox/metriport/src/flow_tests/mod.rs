//! Tests the whole flow on `World` alone, at times that the tests choose: proofing, challenge, query, record.

mod proofing;
mod queries;
mod records;

use serde_json::{Value, json};

use crate::consolidated_request::Ask;
use crate::envelope::Refusal;
use crate::hosted::{Form, Hosted};
use crate::network::Start;
use crate::webhooks::Outgoing;
use crate::world::World;
use crate::world::testing::{RETURN_URL, at, patient, world};

fn all_sources() -> Value {
    json!({ "hie": { "enabled": true }, "pharmacy": { "enabled": true }, "lab": { "enabled": true } })
}

fn token(url: &Value) -> String {
    url.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn open_session(world: &mut World, ms: i64, patient_id: &str) -> String {
    let body = json!({ "patientId": patient_id, "redirectUrl": RETURN_URL, "metadata": { "linkId": "l-1" } });
    token(&world.create_identity_session(at(ms), &body).unwrap()["sessionUrl"])
}

fn open_challenge(world: &mut World, ms: i64, identity_id: &str) -> String {
    let body = json!({ "proofedIdentityId": identity_id, "redirectUrl": RETURN_URL });
    token(&world.create_challenge(at(ms), &body).unwrap()["challengeUrl"])
}

fn place(hosted: Hosted) -> String {
    match hosted {
        Hosted::Leave(place) => place,
        Hosted::Show { status, .. } => panic!("a page with status {status}"),
    }
}

fn page(hosted: Hosted) -> (u16, String) {
    match hosted {
        Hosted::Show { status, html } => (status, html),
        Hosted::Leave(_) => panic!("left"),
    }
}

fn code(code: &str) -> Form {
    Form {
        code: code.to_owned(),
        cancelled: false,
    }
}

fn cancel() -> Form {
    Form {
        code: String::new(),
        cancelled: true,
    }
}

/// The bodies of the messages that were sent since the last call.
fn sent(world: &mut World) -> Vec<Value> {
    let prepare = |outgoing, world: &World| match outgoing {
        Outgoing::Message(id) => world.webhooks.prepare(&id, true).map(|ready| ready.body),
        _ => None,
    };
    let outgoing = world.webhooks.take_outgoing();
    let bodies = outgoing.into_iter().filter_map(|outgoing| prepare(outgoing, world));
    bodies.map(|body| serde_json::from_slice(&body).unwrap()).collect()
}

/// Returns a world with a webhook URL and a proofed patient, the patient's id, and the identity's id.
fn proofed(first_name: &str) -> (World, String, String) {
    let (mut world, facility) = world();
    world.webhooks.url = Some("http://127.0.0.1:1/hook".to_owned());
    let patient_id = patient(&mut world, &facility, first_name);
    let session = open_session(&mut world, 0, &patient_id);
    assert_eq!(place(world.identity_page(at(0), &session)), RETURN_URL);
    world.advance(at(100));
    let identity_id = text(&sent(&mut world)[0]["payload"]["proofedIdentityId"]).to_owned();
    (world, patient_id, identity_id)
}

fn aal2(world: &mut World, ms: i64, identity_id: &str) -> String {
    let challenge = open_challenge(world, ms, identity_id);
    let back = url::Url::parse(&place(world.challenge_page(at(ms), &challenge))).unwrap();
    back.query_pairs()
        .find(|(name, _)| name == "aal2SessionId")
        .unwrap()
        .1
        .into_owned()
}

fn start(
    world: &mut World,
    ms: i64,
    patient_id: &str,
    identity_id: &str,
    session: Option<&str>,
) -> Result<Value, Refusal> {
    let body = json!({ "sources": all_sources(), "proofedIdentityId": identity_id, "metadata": { "runId": "r-1" } });
    let start = Start {
        patient_id: Some(patient_id),
        purpose_of_use: Some("ias"),
        aal2_session: session,
        body: &body,
        refused: None,
    };
    world.start_network_query(at(ms), &start)
}

fn treatment(world: &mut World, ms: i64, patient_id: &str) -> Value {
    let body = json!({ "sources": all_sources() });
    let start = Start {
        patient_id: Some(patient_id),
        purpose_of_use: None,
        aal2_session: None,
        body: &body,
        refused: None,
    };
    world.start_network_query(at(ms), &start).unwrap()
}

fn ask(conversion: &str) -> Ask {
    Ask::read(&[("conversionType".to_owned(), conversion.to_owned())].into()).unwrap()
}
