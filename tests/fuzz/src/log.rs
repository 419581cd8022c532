//! Captures the system's log and metrics while an input is judged. Our own code logs at the finest level.

use std::cell::RefCell;
use std::io;

use serde_json::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Fields whose value the sender may choose: the message id of SQS or Metriport, and the type of an event.
const FREE: [&str; 2] = ["message_id", "event"];

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes into a buffer of the logging thread. Each entry runs on one thread, so its log is complete.
struct Capture;

impl io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Capture {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

/// Starts capturing in the functions' log format. The functions' own setup does not replace it.
pub fn capture() {
    let ours = [
        "shared",
        "aal2_challenge",
        "account",
        "identity_session",
        "network_query",
        "query_dispatch",
        "record_fetch",
        "record_read",
        "webhook_intake",
        "webhook_process",
    ];
    let filter = ours.map(|module| format!("{module}=trace")).join(",");
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_ansi(false)
        .with_current_span(false)
        .with_writer(Capture)
        .with_env_filter(EnvFilter::new(format!("warn,{filter}")));
    // An earlier entry of this process may already have started the capture.
    drop(subscriber.try_init());
}

/// Adds the line of a metric to the log.
pub fn metric(line: &str) {
    LINES.with_borrow_mut(|lines| {
        lines.extend_from_slice(line.as_bytes());
        lines.push(b'\n');
    });
}

/// Drops the log.
pub fn clear() {
    LINES.with_borrow_mut(Vec::clear);
}

/// The log of this thread since the last `clear`, as written.
#[must_use]
pub fn text() -> String {
    LINES.with_borrow(|lines| String::from_utf8_lossy(lines).into_owned())
}

/// The first line that contains `word` in a field that a sender must not influence.
#[must_use]
pub fn line_with(word: &str) -> Option<String> {
    LINES.with_borrow(|lines| {
        let found = lines.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
        found
            .filter(|line| line.contains(word))
            .find(|line| says(line, word))
            .map(std::borrow::Cow::into_owned)
    })
}

fn says(line: &str, word: &str) -> bool {
    match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|name, _| !FREE.contains(&name.as_str()));
            Value::Object(fields).to_string().contains(word)
        }
        _ => true,
    }
}
