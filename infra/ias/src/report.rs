//! The output of the commands. Text from outside (records, Metriport, files, logs) reaches the terminal only through
//! this module. The module keeps such text from controlling the terminal and from looking like a line of the command.

use std::io::Write as _;
use std::time::Duration;

use sandbox_fhir::Summary;

/// Prints text that the command lays out in lines. Text from outside must first pass through `one_line`.
#[expect(clippy::print_stdout, reason = "the command's output")]
pub fn say(text: &str) {
    println!("{}", show(text, |character| character != '\n' && is_unsafe(character)));
}

/// Prints one line that contains text from outside.
pub(crate) fn say_line(line: &str) {
    say(&one_line(line));
}

/// Prints an error. Lines after the first are indented, so that they do not look like lines of the command.
#[expect(clippy::print_stderr, reason = "the command's output")]
pub fn say_error(text: &str) {
    let lines: Vec<String> = text.split('\n').map(|line| one_line(line.trim_start())).collect();
    eprintln!("{}", lines.join("\n       "));
}

/// Replaces unsafe characters by JSON escapes, so that the text stays on one line and cannot control the terminal. JSON
/// keeps its meaning.
pub(crate) fn one_line(text: &str) -> String {
    show(text, is_unsafe)
}

fn show(text: &str, hides: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if !hides(character) {
            shown.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            shown.push_str(&format!("\\u{unit:04x}"));
        }
    }
    shown
}

/// Whether a character controls a terminal, ends a line, changes the direction of text, or is invisible (Unicode's
/// categories Cc, Cf, Zl and Zp).
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Progress, shown only on a terminal.
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// Creates a progress display, which shows nothing if `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        use std::io::IsTerminal;
        Self {
            shown: !quiet && std::io::stderr().is_terminal(),
        }
    }

    /// Replaces the text shown. A failure to write it is ignored.
    pub fn show(&self, text: &str) {
        if self.shown {
            let mut out = std::io::stderr();
            let text = one_line(text);
            drop(write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush()));
        }
    }

    /// Removes the text shown.
    pub fn clear(&self) {
        self.show("");
    }
}

/// Formats a duration in milliseconds or, from one second on, in seconds.
#[must_use]
pub fn time(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        format!("{} ms", span.as_millis())
    } else {
        format!("{:.2} s", span.as_secs_f64())
    }
}

/// A record as a table: resources per type, the range of dates, and resources per named source.
pub(crate) fn table(summary: &Summary) -> String {
    let counted = summary.by_type.iter().map(|(name, count)| (one_line(name), *count));
    let counted: Vec<_> = counted.chain([("total".to_owned(), summary.total)]).collect();
    let width = counted.iter().map(|(name, _)| name.len()).max().unwrap_or(8).max(8);
    let mut lines: Vec<String> = counted
        .iter()
        .map(|(name, count)| format!("  {name:<width$}  {count:>7}"))
        .collect();
    if let (Some(first), Some(last)) = (summary.earliest, summary.latest) {
        lines.push(format!("  dates     {first} to {last}"));
    }
    lines.extend(
        summary
            .by_source
            .iter()
            .map(|(source, count)| format!("  from {}: {count}", one_line(source))),
    );
    lines.join("\n")
}

pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SOURCE: &str = "\u{1b}[31mhttp://evil\u{1b}[0m\r\nfake\u{9b}2J line\u{202e}\u{2028}\u{feff}\u{e0041}\u{7f}";

    #[test]
    fn unsafe_characters_in_a_line_are_escaped() {
        assert_eq!(
            one_line(SOURCE),
            r"\u001b[31mhttp://evil\u001b[0m\u000d\u000afake\u009b2J line\u202e\u2028\ufeff\udb40\udc41\u007f"
        );
        for plain in ["Zoë O'Brien-東 😀", "a\u{301}", "https://x.example/?a=1&b=\\u"] {
            assert_eq!(one_line(plain), plain);
        }
    }

    #[test]
    fn escaped_json_keeps_its_value() {
        let json = serde_json::json!({ "source": SOURCE }).to_string();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&one_line(&json)).unwrap()["source"],
            SOURCE
        );
    }

    #[test]
    fn table_has_one_line_per_type_and_source() {
        let summary = Summary {
            total: 2,
            by_type: BTreeMap::from([("Observation\n  total  9".to_owned(), 2)]),
            by_source: BTreeMap::from([(SOURCE.to_owned(), 1)]),
            ..Summary::default()
        };
        let table = table(&summary);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(!table.replace('\n', "").contains(is_unsafe), "{table}");
    }
}
