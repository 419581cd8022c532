// Each check of the product's validator, and how to remove it: the file below `shared/src/domain`, the text with the
// check, and the text without it.

const TEXT = "demographics/text.rs";
const ADDRESS = "demographics/address.rs";
const CONTACT = "demographics/contact.rs";
const PERSON = "demographics.rs";
const INPUT = "input.rs";

const NO_FIELDS = "return Some(Fields { pointer: self.pointer.clone(), entries: Vec::new() });";

export const CHECKS = [
  ["unknown fields", INPUT, "fields.note_unknown(known, faults);", ""],
  ["length of an unknown name", INPUT, "name.chars().nth(NAME_CHARS_MAX).is_none()", "true"],
  ["escapes of a pointer", INPUT, `name.replace('~', "~0").replace('/', "~1")`, "name"],
  ["doubled fields", INPUT, ".count() > 1", ".count() > 9"],
  ["objects and not arrays", INPUT, 'faults.add(&self.pointer, "an object");\n            return None;', NO_FIELDS],
  ["null for an optional field", INPUT, "self.get(name)?;", 'self.get(name).filter(|input| input.json != "null")?;'],
  ["text that is empty", TEXT, ".filter(|text| !text.is_empty())", ""],
  ["length of a text", TEXT, "short && text", "text"],
  ["characters of a text", TEXT, "(short && text.chars().all(is_shown))", "short"],
  ["controls", TEXT, "Category::Control\n            | ", ""],
  ["format characters", TEXT, "| Category::Format", ""],
  ["separators of lines", TEXT, "| Category::LineSeparator", ""],
  ["separators of paragraphs", TEXT, "| Category::ParagraphSeparator", ""],
  ["private characters", TEXT, "| Category::PrivateUse", ""],
  ["unassigned characters", TEXT, "| Category::Unassigned", ""],
  ["U+0085 around a text", TEXT, " && character != '\\u{85}'", ""],
  ["calendar of the birth date", PERSON, "is_calendar_date(date) && ", "date.len() == 10 && "],
  ["form of the birth date", "time.rs", "date.to_string() == text", "date.year() > 0"],
  ["birth date from 1900", PERSON, ' && date >= "1900"', ""],
  ["birth date of the past", PERSON, " && date <= now.date().as_str()", ""],
  ["gender", PERSON, "_ => None,", "_ => Some(Gender::U),"],
  ["an address, a contact", PERSON, "inputs.is_empty() || ", ""],
  ["ten addresses, ten contacts", PERSON, "|| inputs.len() > ENTRIES_MAX", ""],
  ["second line of an address", ADDRESS, '"addressLine2", LINE, faults, line)', '"addressLine2", LINE, faults, Input::text)'],
  ["states", ADDRESS, "STATES.contains(&state.as_str())", "(state.len() == 2)"],
  ["territories", ADDRESS, 'const STATES: [&str; 55] = [', 'const STATES: [&str; 59] = ["FM", "MH", "MP", "PW", '],
  ["length of a ZIP code", ADDRESS, "zip.len() == 5 && ", ""],
  ["digits of a ZIP code", ADDRESS, "&& zip.bytes().all(|byte| byte.is_ascii_digit())", ""],
  ["placeholders of ZIP codes", ADDRESS, "digits && !PLACEHOLDER_ZIPS.contains(&zip)", "digits"],
  ["country", ADDRESS, ".filter(|text| text == COUNTRY)", ""],
  ["phone or e-mail", CONTACT, 'faults.add(input.pointer(), "an e-mail address or a phone number");', ""],
  ["length of a phone number", CONTACT, "(national.len() == 10).then_some(national)", "Some(national)"],
  ["country code of a phone number", CONTACT, "Some(rest) if digits.len() == 11 =>", "Some(rest) =>"],
  ["e-mail: bytes", CONTACT, "text.len() <= EMAIL_BYTES_MAX", "true"],
  ["e-mail: like a phone number", CONTACT, '&& !text.starts_with("+1")', ""],
  ["e-mail: bytes before the @", CONTACT, "&& local.len() <= LOCAL_BYTES_MAX", ""],
  ["e-mail: before the @", CONTACT, "&& local.split('.').all(is_atom)", ""],
  ["e-mail: after the @", CONTACT, "&& host.split('.').all(is_label)", ""],
  ["e-mail: last part", CONTACT, "&& host.rsplit_once('.').is_some_and(|(_, last)| is_top_level(last))", ""],
  ["e-mail: empty part before the @", CONTACT, "!atom.is_empty() && ", ""],
  ["e-mail: characters before the @", CONTACT, "&& atom.chars().all(is_allowed)", ""],
  ["e-mail: empty part after the @", CONTACT, "!label.is_empty()\n        &&", ""],
  ["e-mail: length of a part", CONTACT, "&& label.chars().count() <= LABEL_CHARS_MAX", ""],
  ["e-mail: hyphen before a part", CONTACT, "&& !label.starts_with('-')", ""],
  ["e-mail: hyphen behind a part", CONTACT, "&& !label.ends_with('-')", ""],
  ["e-mail: characters after the @", CONTACT, "&& label.chars().all(is_allowed)", ""],
  ["e-mail: wide characters", CONTACT, " && !('\\u{FF01}'..='\\u{FF5E}').contains(&character)", ""],
  ["e-mail: one letter at the end", CONTACT, "label.chars().count() > 1 && ", ""],
  ["e-mail: letters at the end", CONTACT, "(label.chars().count() > 1 && label.chars().all(is_letter))", "(label.chars().count() > 1)"],
  ["e-mail: sign at the end", CONTACT, "(!character.is_ascii() && character != '©')", "!character.is_ascii()"],
  ["e-mail: encoded letters", CONTACT, "(encoded && label.len()", "(label.len()"],
  ["e-mail: length of encoded letters", CONTACT, "encoded && label.len() > 3 &&", "encoded &&"],
  ["e-mail: ASCII of encoded letters", CONTACT, " && label.is_ascii())", ")"],
  ["e-mail: characters beyond ASCII", CONTACT, "taken && is_shown(character)", "!character.is_ascii() && is_shown(character)"],
  ["e-mail: hidden characters", CONTACT, "taken && is_shown(character)", "taken"],
  ["e-mail: blank characters", CONTACT, " && !character.is_whitespace()", ""],
];
