//! The functions' standard streams, line by line.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// One line of a function's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The binary's name.
    pub function: String,
    /// The process id, or 0 for the host's own lines about the function.
    pub pid: u32,
    /// The text without its line end. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Receives log lines. The host's tasks call it, so it must not block.
pub type LogSink = Arc<dyn Fn(LogLine) + Send + Sync>;

pub(super) async fn forward(stream: impl AsyncRead + Unpin, function: Arc<str>, pid: u32, sink: LogSink) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // A stream that cannot be read counts as ended.
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        sink(LogLine {
            function: function.to_string(),
            pid,
            text,
        });
        line.clear();
    }
}
