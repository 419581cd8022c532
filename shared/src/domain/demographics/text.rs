//! Names and lines of an address.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

use crate::domain::input::Input;

/// Longest name or line, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Describes what [`text`] accepts.
pub(super) const TEXT: &str = "a text of 1 to 200 characters, without control or invisible characters";

/// A name or a line that must not be empty.
pub(super) fn text(input: &Input<'_>) -> Option<String> {
    line(input).filter(|text| !text.is_empty())
}

/// A line that may be empty: not too long, and only of visible characters.
pub(super) fn line(input: &Input<'_>) -> Option<String> {
    let text = input.text()?;
    let text = trim(&text);
    let short = text.chars().nth(TEXT_CHARS_MAX).is_none();
    (short && text.chars().all(is_shown)).then(|| text.to_owned())
}

/// Removes the white space around a text. U+0085 stays, since JavaScript does not count it as white space.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() && character != '\u{85}')
}

/// Whether the character is visible and does not move other characters. It must not be a control (Cc), format (Cf),
/// separator of lines or paragraphs (Zl, Zp), private (Co) or unassigned (Cn) one.
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
