//! Judges 800 to 5,000 inputs of every entry. The command `fuzz` judges any number.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fuzz::entries;
use fuzz::run::run;

const SEED: u64 = 20_261_122;

fn judge(name: &str, inputs: u64, reached: &[&str]) {
    let started = entries::start(name);
    let judged = started.map(|mut entry| run(entry.as_mut(), SEED, 0..inputs));
    // The functions replace the panic hook. Restore it, so that a panic of the test is printed.
    drop(std::panic::take_hook());
    let tally = judged.unwrap().unwrap_or_else(|finding| panic!("{finding}"));
    // The test proves nothing about a class that no input reaches.
    for class in reached {
        assert!(
            tally.classes.contains_key(class),
            "{name} never had the result {class}: {:?}",
            tally.classes
        );
    }
}

#[test]
fn every_entry_has_a_test_in_this_file() {
    let tests = include_str!("entries.rs");
    for name in entries::names() {
        assert!(tests.contains(&format!("\"{name}\",")), "{name} is not tested");
    }
}

#[test]
fn identity_session_survives_mutated_requests() {
    let reached = [
        "accepted",
        "invalid_request",
        "invalid_json",
        "unsupported_media_type",
        "replayed",
        "idempotency_key_malformed",
        "not an event",
    ];
    judge("identity-session", 800, &reached);
}

#[test]
fn webhook_intake_survives_mutated_requests() {
    judge(
        "webhook-intake",
        1000,
        &["accepted", "signature_invalid", "not an event"],
    );
}

#[test]
fn aal2_challenge_survives_mutated_requests() {
    judge(
        "aal2-challenge",
        1000,
        &[
            "accepted",
            "redirect_url_not_allowed",
            "patient_not_linked",
            "consent_required",
            "token_incomplete",
            "replayed",
            "idempotency_key_reused",
            "idempotency_key_malformed",
        ],
    );
}

#[test]
fn network_query_survives_mutated_requests() {
    let reached = [
        "accepted",
        "accepted for later",
        "no_source_enabled",
        "challenge_not_pending",
        "replayed",
        "idempotency_key_reused",
        "not_found",
        "aal2_session_missing",
    ];
    judge("network-query", 1500, &reached);
}

#[test]
fn record_read_survives_mutated_requests() {
    judge(
        "record-read",
        1000,
        &[
            "accepted",
            "accepted for later",
            "replayed",
            "idempotency_key_reused",
            "invalid_request",
            "not_found",
            "patient_not_linked",
        ],
    );
}

#[test]
fn account_survives_mutated_requests() {
    judge(
        "account",
        1000,
        &[
            "accepted",
            "accepted for later",
            "invalid_request",
            "notice_not_in_force",
            "not_found",
            "erasure_in_progress",
            "token_incomplete",
        ],
    );
}

#[test]
fn webhook_process_survives_mutated_batches() {
    judge(
        "webhook-process",
        1000,
        &[
            "done",
            "given up",
            "done and given up",
            "not stored, redelivered",
            "not a batch",
        ],
    );
}

#[test]
fn query_dispatch_survives_mutated_batches() {
    judge("query-dispatch", 1000, &["done", "given up", "not stored, redelivered"]);
}

#[test]
fn record_fetch_survives_mutated_batches() {
    judge("record-fetch", 1000, &["done", "given up", "not stored, redelivered"]);
}

#[test]
fn account_work_survives_mutated_batches() {
    judge("account-work", 1000, &["done", "given up", "not stored, redelivered"]);
}

#[test]
fn mutated_queue_messages_keep_their_meaning_or_are_refused() {
    judge(
        "queue-message",
        5000,
        &["advance", "fetch-record", "account-work", "webhook-event", "refused"],
    );
}

#[test]
fn mutated_webhook_bodies_keep_their_meaning() {
    let reached = [
        "source",
        "consolidated",
        "identity",
        "identity-unclear",
        "other",
        "ping",
    ];
    judge("webhook-body", 5000, &reached);
}

#[test]
fn mutated_record_links_reach_only_allowed_hosts() {
    judge("record-link", 5000, &["followed", "refused"]);
}

#[test]
fn mutated_upstream_answers_are_read_or_refused() {
    let reached = [
        "taken",
        "absent",
        "garbage",
        "interrupted",
        "rate-limited",
        "locked",
        "server",
        "not-found",
    ];
    judge("upstream-answer", 3000, &reached);
}

#[test]
fn mutated_bundles_are_counted_as_serde_json_reads_them() {
    let reached = [
        "read",
        "not-json",
        "not-utf8",
        "too-deep",
        "doubled",
        "escaped",
        "not-a-bundle",
        "truncated",
    ];
    judge("fhir-bundle", 2000, &reached);
}
