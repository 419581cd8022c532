//! `Idempotency-Key`: the operations that accept it, their refusals, and the headers for browsers.

use super::WEBHOOK;
use super::document::{Document, Operation};
use crate::template::stack;

fn takes_a_key(document: &Document, operation: &Operation) -> bool {
    let parameters = document.parameters(operation);
    parameters
        .iter()
        .any(|parameter| parameter["in"] == "header" && parameter["name"] == "Idempotency-Key")
}

#[test]
fn only_posts_of_persons_and_the_erasure_document_a_key() {
    let document = Document::read();
    let mut count = 0;
    for operation in document.operations() {
        let is_post = operation.method == "POST" && operation.name() != WEBHOOK;
        let expected = is_post || operation.name() == "DELETE /v1/me";
        assert_eq!(takes_a_key(&document, &operation), expected, "{}", operation.name());
        let text = operation.body["responses"].to_string();
        for code in ["malformed", "reused", "in_flight"] {
            assert_eq!(
                text.contains(&format!("`idempotency_key_{code}`")),
                expected,
                "{}",
                operation.name()
            );
        }
        let replays = |status: &str| operation.body["responses"][status]["headers"]["Idempotency-Replayed"].is_object();
        assert_eq!(replays("201") || replays("202"), expected, "{}", operation.name());
        // Only a reply with a link for the browser can be spent.
        let hosted = text.contains("schemas/IdentitySession") || text.contains("schemas/Aal2Challenge");
        assert_eq!(
            text.contains("`idempotency_key_spent`"),
            expected && hosted,
            "{}",
            operation.name()
        );
        count += usize::from(expected);
    }
    assert_eq!(count, 7);
}

#[test]
fn browser_may_send_a_key_and_see_a_replay() {
    let stack = stack();
    // The template has `!If [HasCors, the configuration, nothing]` here.
    let cors = &stack.resource("Api").unwrap()["Properties"]["CorsConfiguration"]["Fn::If"][1];
    let lists = |list: &str, header: &str| cors[list].as_array().unwrap().iter().any(|name| name == header);
    assert!(lists("AllowHeaders", "idempotency-key") && lists("ExposeHeaders", "idempotency-replayed"));
    // A caller can report this id, and the operator finds the request in the logs by it.
    assert!(lists("ExposeHeaders", "apigw-requestid"));
}
