//! Measures the memory that reading a large webhook takes. It is the only test in its process, because the system
//! records only one peak of memory for each process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use shared::domain::Time;
use shared::message::webhook::Incoming;
use shared::webhook::{UnverifiedWebhook, WebhookKeys, sign};

/// Size of a body. Two trees of a dense body of this size would need more than the 256 MiB that a function has for
/// everything.
const BODY_BYTES: usize = 1_400_000;
/// Largest growth of the process's memory with which the test passes.
const GROWTH_BYTES_MAX: usize = 16 * BODY_BYTES;

/// The peak of the process's memory so far (proc(5), `VmHWM`).
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

/// An array that repeats one item.
fn array(item: &str) -> String {
    format!("[{}null]", format!("{item},").repeat(BODY_BYTES / (item.len() + 1)))
}

fn object() -> String {
    let members = (0..BODY_BYTES / 12).map(|number| format!(r#""{number:07}":1,"#));
    format!(r#"{{{}"last":1}}"#, members.collect::<String>())
}

#[cfg(target_os = "linux")]
#[test]
fn dense_body_is_read_within_16_times_its_bytes() {
    let bodies = [
        array(r#"{"a":1}"#),
        array(r#"{"a":{"a":[]}}"#),
        array("[]"),
        array("1"),
        object(),
    ];
    let keys = WebhookKeys::new("key".into());
    for body in &bodies {
        let signature = sign(&keys, body.as_bytes());
        let before = peak_bytes();
        let webhook = UnverifiedWebhook {
            body: body.as_bytes(),
            signature: Some(&signature),
        };
        let read = webhook
            .verify(&keys, Time::from_millis(0))
            .unwrap()
            .read(Time::from_millis(0));
        let growth = peak_bytes() - before;
        assert!(matches!(read, Incoming::Event(_)));
        assert!(
            growth < GROWTH_BYTES_MAX,
            "{body:.20}: {growth} bytes for {} bytes",
            body.len()
        );
    }
}
