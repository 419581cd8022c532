//! What the system logs while an input is judged, at the finest level our own code has, and what it measures.

use std::cell::RefCell;
use std::io;

use serde_json::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Fields that hold what a sender is free to choose, on purpose: the id SQS or Metriport gave a message, and the type
/// of an event as far as it looks like one.
const FREE: [&str; 2] = ["message_id", "event"];

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes into the memory of the thread that logs: each entry runs on one thread.
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

/// Starts capturing, in the form the functions log in. What they set up themselves afterwards finds it set.
pub fn capture() {
    let ours = [
        "shared",
        "aal2_challenge",
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
    // Another entry of this process has set it up before: it is the same.
    drop(subscriber.try_init());
}

/// Takes the line of a metric.
pub fn metric(line: &str) {
    LINES.with_borrow_mut(|lines| {
        lines.extend_from_slice(line.as_bytes());
        lines.push(b'\n');
    });
}

/// Forgets what was logged so far.
pub fn clear() {
    LINES.with_borrow_mut(Vec::clear);
}

/// What this thread has logged since, as it was written.
#[must_use]
pub fn text() -> String {
    LINES.with_borrow(|lines| String::from_utf8_lossy(lines).into_owned())
}

/// The first line that holds `word` in a field where nobody's words belong.
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
