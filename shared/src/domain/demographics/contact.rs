//! Phone numbers and e-mail addresses, as Metriport accepts them.

use serde::{Deserialize, Serialize};

use super::text::is_shown;
use crate::domain::input::{Faults, Input};

/// Longest e-mail address, in bytes (RFC 5321, section 4.5.3.1.3: 256 for a path, which includes two angle brackets).
const EMAIL_BYTES_MAX: usize = 254;
/// Longest part before the `@`, in bytes (RFC 5321, section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Longest part of a host name, in characters (RFC 1035, section 2.3.4).
const LABEL_CHARS_MAX: usize = 63;

/// A phone number of ten digits, an e-mail address, or both.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl Contact {
    pub(super) fn read(input: &Input<'_>, faults: &mut Faults) -> Option<Self> {
        let fields = input.fields(&["phone", "email"], faults)?;
        if fields.get("phone").or(fields.get("email")).is_none() {
            faults.add(input.pointer(), "an e-mail address or a phone number");
        }
        let phone = |input: &Input<'_>| ten_digits(&input.text()?);
        let email = |input: &Input<'_>| input.text().filter(|text| is_email(text));
        Some(Self {
            phone: fields.optional("phone", "a US phone number of ten digits", faults, phone),
            email: fields.optional("email", "an e-mail address", faults, email),
        })
    }
}

fn ten_digits(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let national = match digits.strip_prefix('1') {
        Some(rest) if digits.len() == 11 => rest.to_owned(),
        _ => digits,
    };
    (national.len() == 10).then_some(national)
}

/// Whether the text has the shape of an e-mail address; only a confirmation mail shows that the address exists. An
/// address that begins with `+1` is refused, because Metriport reads it as a phone number.
fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else {
        return false;
    };
    text.len() <= EMAIL_BYTES_MAX
        && !text.starts_with("+1")
        && local.len() <= LOCAL_BYTES_MAX
        && local.split('.').all(is_atom)
        && host.split('.').all(is_label)
        && host.rsplit_once('.').is_some_and(|(_, last)| is_top_level(last))
}

/// Whether the text is a valid part between two dots before the `@`. A part in quotes is not accepted.
fn is_atom(atom: &str) -> bool {
    let is_allowed = |character: char| {
        character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character) || is_international(character)
    };
    !atom.is_empty() && atom.chars().all(is_allowed)
}

/// Whether the text is a valid part between two dots of a host name.
fn is_label(label: &str) -> bool {
    let is_allowed = |character: char| {
        character.is_ascii_alphanumeric()
            || character == '-'
            || (is_international(character) && !('\u{FF01}'..='\u{FF5E}').contains(&character))
    };
    !label.is_empty()
        && label.chars().count() <= LABEL_CHARS_MAX
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(is_allowed)
}

/// Whether the text is a valid last part of a host name: letters, or their encoded form (`xn--…`).
fn is_top_level(label: &str) -> bool {
    let is_letter = |character: char| character.is_ascii_alphabetic() || (!character.is_ascii() && character != '©');
    let encoded = label.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn"));
    (label.chars().count() > 1 && label.chars().all(is_letter)) || (encoded && label.len() > 3 && label.is_ascii())
}

/// Whether the character is beyond ASCII, accepted by Metriport in an address, and visible.
fn is_international(character: char) -> bool {
    let taken = matches!(character, '\u{A1}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFEF}');
    taken && is_shown(character) && !character.is_whitespace()
}
