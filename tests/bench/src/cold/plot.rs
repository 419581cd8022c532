//! The picture of cold starts: a bar to the first reply for each function, and the usual way's under it.

use super::run::Run;
use super::{Kind, Runs};
use crate::builds::FUNCTIONS;
use crate::spread::quantile;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 64.0;
const ROW: f64 = 46.0;
const BAR: f64 = 15.0;

/// Colours that are told apart by anybody, on white and on black.
const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .note { font-size: 12px; fill: #59636e } \
.ours { fill: #0969da } .init { fill: #0a4a94 } .usual { fill: #d4a72c } .usual-init { fill: #9a6700 } \
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 } .ours { fill: #58a6ff } \
.init { fill: #1f6feb } .usual { fill: #e3b341 } .usual-init { fill: #bb8009 } }";

/// As SVG.
pub fn cold(runs: &Runs) -> String {
    let median = |function, kind, of: fn(&Run) -> f64| {
        let runs = runs.get(&(function, kind)).into_iter().flatten();
        quantile(&runs.map(of).collect::<Vec<_>>(), 0.5).unwrap_or_default()
    };
    let longest = FUNCTIONS.map(|function| median(function, Kind::Usual, |run| run.first_ms));
    let longest = longest.into_iter().fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / longest;
    let mut parts = vec![legend()];
    let mut y = TOP;
    for function in FUNCTIONS {
        parts.push(format!(
            r#"<text x="{x}" y="{at}" text-anchor="end">{function}</text>"#,
            x = LEFT - 10.0,
            at = y + BAR + 5.0
        ));
        for (kind, whole, part, y) in [
            (Kind::Function, "ours", "init", y),
            (Kind::Usual, "usual", "usual-init", y + BAR + 2.0),
        ] {
            let (first, init) = (
                median(function, kind, |run| run.first_ms),
                median(function, kind, |run| run.init_ms),
            );
            parts.push(bar(whole, y, first * scale) + &bar(part, y, init * scale));
            parts.push(format!(
                r#"<text class="note" x="{x:.1}" y="{at:.1}">{first:.1} ms</text>"#,
                x = LEFT + first * scale + 6.0,
                at = y + BAR - 3.0
            ));
        }
        y += ROW;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Start of a process to its first reply, by function\">\n<style>{STYLE}</style>\n{}\n</svg>\n",
        parts.join("\n"),
        height = y + 6.0
    )
}

fn bar(class: &str, y: f64, length: f64) -> String {
    format!(r#"<rect class="{class}" x="{LEFT}" y="{y:.1}" width="{length:.1}" height="{BAR}"/>"#)
}

fn legend() -> String {
    let mut x = LEFT;
    let mut parts = vec![format!(
        r#"<text x="{LEFT}" y="20">Start of a process to its first reply, in ms</text>"#
    )];
    for (class, name, width) in [
        ("init", "init", 60.0),
        ("ours", "first event", 100.0),
        ("usual-init", "init, the usual way", 150.0),
        ("usual", "first event, the usual way", 0.0),
    ] {
        parts.push(format!(
            r#"<rect class="{class}" x="{x}" y="32" width="12" height="12"/>"#
        ));
        parts.push(format!(r#"<text class="note" x="{}" y="42">{name}</text>"#, x + 17.0));
        x += width;
    }
    parts.join("\n")
}
