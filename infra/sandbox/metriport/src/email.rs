//! Validates e-mail addresses like `isEmailValid` of Metriport's published packages. It refuses addresses that begin
//! like a phone number; otherwise it follows `isEmail` of the npm package `validator`, with UTF-8 before the `@`.
//!
//! It counts and compares UTF-16 code units, as JavaScript does.

use std::ops::RangeInclusive;

/// Code units beyond ASCII that are accepted before the `@`.
const LOCAL: [RangeInclusive<u16>; 3] = [0xA1..=0xD7FF, 0xF900..=0xFDCF, 0xFDF0..=0xFFEF];
/// Code units beyond ASCII that are accepted in the last part of the host name.
const TOP: [RangeInclusive<u16>; 4] = [0xA1..=0xA8, 0xAA..=0xD7FF, 0xF900..=0xFDCF, 0xFDF0..=0xFFEF];
/// Wide forms of ASCII, which a host name must not contain.
const WIDE: RangeInclusive<u16> = 0xFF01..=0xFF5E;

pub(crate) fn is_valid(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else {
        return false;
    };
    let bounded = text.encode_utf16().count() <= 254 && user.len() <= 64 && host.len() <= 254;
    bounded && !text.starts_with("+1") && is_host(host) && is_user(user)
}

fn is_user(user: &str) -> bool {
    if user.starts_with('"') && user.ends_with('"') {
        return is_quoted(user.get(1..user.len() - 1).unwrap_or_default());
    }
    user.split('.')
        .all(|part| !part.is_empty() && units(part, is_user_unit))
}

fn is_user_unit(unit: u16) -> bool {
    let ascii =
        u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte));
    ascii || LOCAL.iter().any(|range| range.contains(&unit))
}

/// Between quotes, any character may stand except a bare quote or backslash. A backslash escapes almost any character.
fn is_quoted(inner: &str) -> bool {
    let mut units = inner.encode_utf16();
    while let Some(unit) = units.next() {
        let taken = match unit {
            0x5C => units.next().is_some_and(|next| next != 0x0A && is_quotable(next)),
            0x22 => false,
            unit => is_quotable(unit),
        };
        if !taken {
            return false;
        }
    }
    true
}

fn is_quotable(unit: u16) -> bool {
    (0x01..0x80).contains(&unit) || unit == 0xA0 || LOCAL.iter().any(|range| range.contains(&unit))
}

fn is_host(host: &str) -> bool {
    let parts: Vec<&str> = host.split('.').collect();
    parts.len() > 1 && parts.last().is_some_and(|top| is_top(top)) && parts.iter().all(|part| is_part(part))
}

fn is_top(top: &str) -> bool {
    let is_letter = |unit: u16| {
        let ascii = u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphabetic());
        ascii || TOP.iter().any(|range| range.contains(&unit))
    };
    let alphabetic = top.encode_utf16().count() > 1 && units(top, is_letter);
    let encoded = top.len() > 3 && top.to_ascii_lowercase().starts_with("xn") && top.is_ascii();
    (alphabetic || encoded) && !top.contains(|unit: char| unit.is_whitespace() || unit == '\u{feff}')
}

fn is_part(part: &str) -> bool {
    let is_taken = |unit: u16| {
        let ascii = u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        ascii || (unit >= 0xA1 && !WIDE.contains(&unit))
    };
    let ends = part.starts_with('-') || part.ends_with('-');
    !part.is_empty() && part.encode_utf16().count() <= 63 && !ends && units(part, is_taken)
}

fn units(text: &str, is_taken: impl Fn(u16) -> bool) -> bool {
    text.encode_utf16().all(is_taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_check_agrees_with_the_published_schema() {
        for valid in [
            "nora@example.test",
            "n.q+x@a-b.example",
            "\"nora quill\"@example.test",
            "jösé@bücher.example",
            "nora@example.xn--p1ai",
        ] {
            assert!(is_valid(valid), "{valid}");
        }
        for refused in [
            "+1937@example.test",
            "nora",
            "mailto:nora@example.test",
            "nora..quill@example.test",
            "nora,quill@example.test",
            "nora@example.t",
            "nora@exa_mple.test",
            "nora@example.test ",
            "nora@example.\u{a9}a",
            "\"no\"ra\"@example.test",
        ] {
            assert!(!is_valid(refused), "{refused}");
        }
        assert!(is_valid(&format!("{}@example.test", "n".repeat(64))));
        assert!(!is_valid(&format!("{}@example.test", "n".repeat(65))));
    }
}
