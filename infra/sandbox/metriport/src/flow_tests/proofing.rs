//! Identity sessions and AAL2 challenges.

use super::*;
use crate::authenticator::Authenticator;

#[test]
fn proofing_announces_the_identity_with_its_metadata() {
    let (mut world, facility) = world();
    world.webhooks.url = Some("http://127.0.0.1:1/hook".to_owned());
    let patient_id = patient(&mut world, &facility, "Nora");
    let session = open_session(&mut world, 0, &patient_id);
    place(world.identity_page(at(0), &session));
    world.advance(at(99));
    assert!(sent(&mut world).is_empty());
    world.advance(at(100));
    let event = sent(&mut world).remove(0);
    assert_eq!(event["meta"]["type"], "ias.identity.verified");
    assert_eq!(event["meta"]["data"], json!({ "linkId": "l-1" }));
    assert_eq!(event["meta"]["requestId"], event["payload"]["sessionId"]);
    assert_eq!(
        (
            text(&event["payload"]["patientId"]),
            text(&event["payload"]["externalId"])
        ),
        (&*patient_id, "user-1")
    );
    assert_eq!(page(world.identity_page(at(200), &session)).0, 410);
}

#[test]
fn identity_page_ends_after_five_wrong_codes() {
    let (mut world, facility) = world();
    world.options.auto_approve = false;
    let patient_id = patient(&mut world, &facility, "Nora");
    let session = open_session(&mut world, 0, &patient_id);
    let secret = world.identities.authenticators[&patient_id].base32();
    let (status, html) = page(world.identity_page(at(0), &session));
    assert!(status == 200 && html.contains(&secret) && html.contains("77 Birch Ln"));
    for left in (1..5).rev() {
        let (status, html) = page(world.identity_answer(at(1), &session, &code("000000x")));
        assert!(status == 422 && html.contains(&format!("{left} tr")), "{left}");
    }
    assert_eq!(place(world.identity_answer(at(1), &session, &code(""))), RETURN_URL);
    assert_eq!(page(world.identity_page(at(1), &session)).0, 410);
    assert!(world.identities.proofed.is_empty());
    let again = open_session(&mut world, 2, &patient_id);
    let right = world.identities.authenticators[&patient_id].code(at(3));
    assert_eq!(place(world.identity_answer(at(3), &again, &code(&right))), RETURN_URL);
    assert_eq!(world.identities.proofed.len(), 1);
}

#[test]
fn cancelled_and_expired_sessions_never_give_an_identity() {
    let (mut world, facility) = world();
    world.options.auto_approve = false;
    let patient_id = patient(&mut world, &facility, "Nora");
    let cancelled = open_session(&mut world, 0, &patient_id);
    assert_eq!(place(world.identity_answer(at(1), &cancelled, &cancel())), RETURN_URL);
    let expired = open_session(&mut world, 0, &patient_id);
    let right = world.identities.authenticators[&patient_id].code(at(1_200_000));
    assert_eq!(
        page(world.identity_answer(at(1_200_000), &expired, &code(&right))).0,
        410
    );
    world.advance(at(2_000_000));
    assert!(world.identities.proofed.is_empty());
}

#[test]
fn identity_of_sam_belongs_to_another_patient() {
    let (mut world, facility) = world();
    world.webhooks.url = Some("http://127.0.0.1:1/hook".to_owned());
    let patient_id = patient(&mut world, &facility, "Sam");
    let session = open_session(&mut world, 0, &patient_id);
    place(world.identity_page(at(0), &session));
    world.advance(at(100));
    let payload = sent(&mut world).remove(0)["payload"].clone();
    assert!(text(&payload["sessionId"]).starts_with("ids_"));
    assert_ne!(payload["patientId"], patient_id.as_str());
    let identity_id = text(&payload["proofedIdentityId"]).to_owned();
    let session = aal2(&mut world, 200, &identity_id);
    let refused = start(&mut world, 200, &patient_id, &identity_id, Some(&session)).unwrap_err();
    assert_eq!(refused.status, 403);
}

#[test]
fn challenges_need_the_right_code_and_an_active_identity() {
    let (mut world, patient_id, identity_id) = proofed("Nora");
    world.options.auto_approve = false;
    let challenge = open_challenge(&mut world, 200, &identity_id);
    let other = Authenticator::new([1; 20], "x").code(at(200));
    assert_eq!(page(world.challenge_answer(at(200), &challenge, &code(&other))).0, 422);
    let right = world.identities.authenticators[&patient_id].code(at(200));
    let back = place(world.challenge_answer(at(200), &challenge, &code(&right)));
    assert!(back.starts_with(&format!("{RETURN_URL}?aal2SessionId=aal2_")) && back.ends_with("&status=verified"));
    assert_eq!(page(world.challenge_page(at(201), &challenge)).0, 410);
    let cancelled = open_challenge(&mut world, 200, &identity_id);
    let back = place(world.challenge_answer(at(200), &cancelled, &cancel()));
    assert_eq!(back, format!("{RETURN_URL}?status=cancelled"));
    world.identities.proofed.get_mut(&identity_id).unwrap().active = false;
    let body = json!({ "proofedIdentityId": identity_id, "redirectUrl": RETURN_URL });
    assert_eq!(world.create_challenge(at(300), &body).unwrap_err().status, 400);
}

#[test]
fn five_wrong_codes_end_a_challenge() {
    let (mut world, _, identity_id) = proofed("Nora");
    world.options.auto_approve = false;
    let challenge = open_challenge(&mut world, 200, &identity_id);
    for _ in 0..4 {
        assert_eq!(page(world.challenge_answer(at(200), &challenge, &code("nope"))).0, 422);
    }
    let back = place(world.challenge_answer(at(200), &challenge, &code("nope")));
    assert_eq!(back, format!("{RETURN_URL}?status=failed"));
}

#[test]
fn newer_proofing_supersedes_the_older() {
    let (mut world, patient_id, first) = proofed("Nora");
    let session = open_session(&mut world, 200, &patient_id);
    place(world.identity_page(at(200), &session));
    let active = world.identities.proofed.iter().filter(|(_, identity)| identity.active);
    assert!(active.map(|(id, _)| id).all(|id| *id != first) && world.identities.proofed.len() == 2);
}
