//! Texts that programs often handle wrongly.

use crate::canary::CANARY;
use crate::chance::Chance;

/// Longest text made here, in bytes; the HTTP entry makes bodies above the request limit itself.
const LONG: usize = 70_000;

/// A text, usually with the canary in it.
pub fn odd(chance: &mut Chance) -> String {
    match chance.below(20) {
        0 => String::new(),
        1 => " \t\r\n".to_owned(),
        2 => "\0".to_owned(),
        3 => format!("\u{202e}{CANARY}\u{2066}"),
        4 => format!("{CANARY}\u{1F4A5}\u{1F469}\u{200D}\u{1F467}"),
        5 => CANARY.repeat(1 + chance.below(LONG / CANARY.len())),
        6 => format!("../../{CANARY}/%2e%2e%00"),
        7 => format!("{CANARY}\r\nx-aal2-session: {CANARY}"),
        8 => format!("\u{FEFF}\u{FFFD}{CANARY}e\u{301}\u{130}\u{DF}\u{2028}"),
        9 => chance
            .pick(["NaN", "Infinity", "-0", "1e999", "0x1F", "true", "null", "undefined"])
            .to_owned(),
        10 => chance
            .pick([
                "2026-02-30",
                "0000-00-00",
                "+292277026596-12-04",
                "2026-11-22T24:60:61Z",
                "1951-02-03",
            ])
            .to_owned(),
        11 => format!("https://{CANARY}.example.test/%zz?{CANARY}#@[::1"),
        12 => format!("{CANARY}'; --\"`$({CANARY})${{jndi:x}}"),
        13 => "x".repeat(chance.pick([63, 64, 65, 255, 256, 257, 1024, 4096])),
        14 => format!("\u{661}\u{662}\u{663}{CANARY}"),
        15 => format!("\u{7f}\u{80}\u{85}{CANARY}"),
        _ => CANARY.to_owned(),
    }
}
