//! What the commands print.

use std::io::Write as _;
use std::time::Duration;

use sandbox_fhir::Summary;

/// A line of the result.
#[expect(clippy::print_stdout, reason = "the command's output")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// A line about what went wrong.
#[expect(clippy::print_stderr, reason = "the command's output")]
pub(crate) fn say_error(line: &str) {
    eprintln!("{line}");
}

/// Progress, shown where a person watches and nowhere else.
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        use std::io::IsTerminal;
        Self {
            shown: !quiet && std::io::stderr().is_terminal(),
        }
    }

    /// Replaces what is shown; failing to show it matters to nobody.
    pub(crate) fn show(&self, text: &str) {
        if self.shown {
            let mut out = std::io::stderr();
            drop(write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush()));
        }
    }

    pub(crate) fn clear(&self) {
        self.show("");
    }
}

/// A duration as people read it.
pub(crate) fn time(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        format!("{} ms", span.as_millis())
    } else {
        format!("{:.2} s", span.as_secs_f64())
    }
}

/// A record as a table: resources per type, the range of dates, and per source where a resource names one.
pub(crate) fn table(summary: &Summary) -> String {
    let width = summary.by_type.keys().map(String::len).max().unwrap_or(8).max(8);
    let counted = summary.by_type.iter().map(|(name, count)| (name.as_str(), *count));
    let counted = counted.chain([("total", summary.total)]);
    let mut lines: Vec<String> = counted
        .map(|(name, count)| format!("  {name:<width$}  {count:>7}"))
        .collect();
    if let (Some(first), Some(last)) = (summary.earliest, summary.latest) {
        lines.push(format!("  dates     {first} to {last}"));
    }
    lines.extend(
        summary
            .by_source
            .iter()
            .map(|(source, count)| format!("  from {source}: {count}")),
    );
    lines.join("\n")
}

/// Bytes as people read them.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}
