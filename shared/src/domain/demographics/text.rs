//! Names and lines of an address.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

use crate::domain::input::Input;

/// Longest name or line, in characters.
pub const TEXT_CHARS_MAX: usize = 200;

/// Description of a text that [`text`] accepts.
pub(super) const TEXT: &str = "a text of 1 to 200 characters, without control or invisible characters";

/// A name or a line that must not be empty.
pub(super) fn text(input: &Input<'_>) -> Option<String> {
    line(input).filter(|text| !text.is_empty())
}

/// A line that may be empty: at most [`TEXT_CHARS_MAX`] characters, all of them visible.
pub(super) fn line(input: &Input<'_>) -> Option<String> {
    let text = input.text()?;
    let text = trim(&text);
    let short = text.chars().nth(TEXT_CHARS_MAX).is_none();
    (short && text.chars().all(is_shown)).then(|| text.to_owned())
}

/// Removes the white space around a text. U+0085 stays, because Metriport trims in JavaScript, which does not count it
/// as white space.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() && character != '\u{85}')
}

/// Whether the character is visible and does not move other characters. Control characters (Cc), format characters
/// (Cf), separators of lines and paragraphs (Zl, Zp), and private (Co) and unassigned (Cn) ones are refused.
pub(super) fn is_shown(character: char) -> bool {
    use GeneralCategory as Category;
    !matches!(
        CodePointMapData::<GeneralCategory>::new().get(character),
        Category::Control
            | Category::Format
            | Category::LineSeparator
            | Category::ParagraphSeparator
            | Category::PrivateUse
            | Category::Unassigned
    )
}
