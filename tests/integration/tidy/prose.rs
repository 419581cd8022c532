//! Phrases that need a second reading: in comments and texts of Rust, in YAML and in pages.

use std::sync::LazyLock;

use fancy_regex::{Captures, Regex};

use super::{Tracked, assert_none, tracked};

/// Words with which a sentence must not begin, because its subject comes first.
const OPENINGS: [&str; 5] = ["what", "whoever", "who", "that", "of"];

/// Phrases for which there is a plainer one.
const PHRASES: [&str; 12] = [
    "all the same",
    "to be had",
    "for good",
    "in vain",
    "at hand",
    "comes back",
    "under way",
    "says so",
    "said so",
    "heeded",
    "told",
    "whoever",
];

/// A page with texts of other authors, and files with examples.
const EXEMPT: [&str; 3] = [
    "docs/name-comparison.md",
    "tests/integration/tidy/names.rs",
    "tests/integration/tidy/prose.rs",
];

/// The text literals of Rust. Comments and characters are matched, too, because a quote in them opens no literal.
static LITERALS: LazyLock<Regex> = LazyLock::new(|| {
    const COMMENT: &str = r"//[^\n]*";
    const CHARACTER: &str = r"'(?:\\.|[^\\'])'";
    const RAW: &str = r#"\br(?<hashes>#*)"(?<raw>.*?)"\k<hashes>"#;
    const PLAIN: &str = r#""(?<plain>(?:\\.|[^"\\])*)""#;
    Regex::new(&format!("(?s){COMMENT}|{CHARACTER}|{RAW}|{PLAIN}")).unwrap()
});
/// The end of a line within a literal, and a placeholder, whose name is code.
static GAPS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\?\n\s*|\\n|\{[^}]*\}").unwrap());

/// The text literals of a Rust file that have several words, each with the number of its first line.
fn literals(file: &Tracked) -> Vec<(usize, String)> {
    let literal = |captures: Captures<'_, str>| {
        let found = captures.name("raw").or(captures.name("plain"))?;
        let line = file.text.get(..found.start())?.lines().count();
        let text = GAPS.replace_all(found.as_str(), " ").into_owned();
        text.trim().contains(' ').then_some((line, text))
    };
    let all = LITERALS.captures_iter(file.text.as_str()).map(Result::unwrap);
    all.filter_map(literal).collect()
}

/// The comments of a Rust file, or the text of another file: its paragraphs, each with the number of its first line.
fn paragraphs(file: &Tracked) -> Vec<(usize, String)> {
    let (is_rust, is_yaml) = (file.is("rs"), file.is("yaml"));
    let (mut paragraphs, mut open, mut in_code) = (Vec::new(), None::<(usize, String)>, false);
    for (index, line) in file.text.lines().enumerate() {
        let text = line.trim_start();
        let text = match is_rust {
            true => text
                .strip_prefix("//")
                .map(|text| text.trim_start_matches(['/', '!']).trim()),
            false => Some(text.trim_end()),
        };
        let text = text.unwrap_or_default();
        let (text, is_value) = if is_yaml { value(text) } else { (text, false) };
        let is_fence = text.starts_with("```");
        if is_fence {
            in_code = !in_code;
        }
        let begins = is_value
            || text.starts_with(['#', '|', '-', '*', '`'])
            || text.starts_with(|first: char| first.is_ascii_digit());
        if text.is_empty() || begins || in_code || is_fence {
            paragraphs.extend(open.take());
        }
        if !text.is_empty() && !in_code && !is_fence && !text.starts_with('#') {
            let (_, paragraph) = open.get_or_insert((index + 1, String::new()));
            paragraph.push_str(text);
            paragraph.push(' ');
        }
    }
    paragraphs.extend(open);
    paragraphs
}

/// A line of YAML without the marks of a comment, of a list and of a text, and without its key; and whether it had a
/// key.
fn value(line: &str) -> (&str, bool) {
    let text = line.trim_start_matches(['#', '-', ' ']);
    let is_key = |key: &str| {
        key.chars()
            .all(|character| character.is_alphanumeric() || "-_/$".contains(character))
    };
    match text.split_once(':') {
        Some((key, value)) if is_key(key) => (value.trim_start_matches([' ', '>', '|', '-', '"', '\'']), true),
        _ => (text, false),
    }
}

/// A paragraph without the text in backticks, and without the addresses of links.
fn plain(paragraph: &str) -> String {
    let outside_code = paragraph.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let mut parts = outside_code.split("](");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once(')').map_or(part, |(_, after)| after));
    }
    plain
}

/// The sentences of a paragraph, and the cells of a row. Questions are left out, because they may begin with any word.
fn sentences(plain: &str) -> impl Iterator<Item = &str> {
    let ends = |text: &str| text.ends_with(['.', ':', ';', '|', '?']);
    let mut rest = plain;
    std::iter::from_fn(move || {
        let text = rest.trim_start_matches([' ', '|', '-', '*', '>', '[', '(']);
        if text.is_empty() {
            return None;
        }
        let breaks = text
            .char_indices()
            .find(|(at, character)| *character == '|' || (*character == ' ' && text.get(..*at).is_some_and(ends)));
        let (sentence, after) = breaks.map_or((text, ""), |(at, _)| text.split_at(at));
        rest = after;
        Some(sentence)
    })
    .filter(|sentence| !sentence.trim_end().ends_with('?'))
}

fn split_words(sentence: &str) -> Vec<String> {
    let parts = sentence.split(|character: char| !character.is_alphanumeric() && character != '\'' && character != '`');
    parts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn holds(words: &[String], phrase: &str) -> bool {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    words.windows(phrase.len()).any(|window| window == phrase.as_slice())
}

/// Whether the words contain `is no` or `is none`. `there is no` and `is no longer` are allowed.
fn denies_by_no(words: &[String]) -> bool {
    let is = |word: &String| ["is", "are", "was", "were"].contains(&word.as_str());
    words.iter().enumerate().any(|(at, word)| {
        let next = |places: usize| words.get(at + places).map_or("", String::as_str);
        let after_there = at.checked_sub(1).is_some_and(|before| words[before] == "there");
        is(word) && !after_there && (next(1) == "none" || (next(1) == "no" && next(2) != "longer" && next(2) != "more"))
    })
}

/// The faults of a paragraph; empty if it has none.
fn faults(paragraph: &str) -> Vec<String> {
    let plain = plain(paragraph);
    let mut faults = Vec::new();
    for sentence in sentences(&plain) {
        let words = split_words(sentence);
        let begins = sentence
            .starts_with(char::is_uppercase)
            .then(|| words.first())
            .flatten();
        let opening = begins.filter(|word| OPENINGS.contains(&word.as_str()));
        faults.extend(opening.map(|word| format!("begins with `{word}`: {sentence}")));
        let phrases = PHRASES.iter().filter(|phrase| holds(&words, phrase));
        faults.extend(phrases.map(|phrase| format!("`{phrase}`: {sentence}")));
        faults.extend(denies_by_no(&words).then(|| format!("`is no`: {sentence}")));
    }
    faults
}

#[test]
fn comments_texts_and_pages_avoid_the_listed_phrases() {
    let prose = |file: &&Tracked| {
        ["rs", "md", "yaml"].iter().any(|kind| file.is(kind)) && !EXEMPT.contains(&file.path.as_str())
    };
    let mut places = Vec::new();
    for file in tracked().iter().filter(prose) {
        let texts = if file.is("rs") { literals(file) } else { Vec::new() };
        for (line, paragraph) in paragraphs(file).into_iter().chain(texts) {
            let found = faults(&paragraph).into_iter();
            places.extend(found.map(|fault| format!("{}:{line}: {fault}", file.path)));
        }
    }
    assert_none("sentences that need a second reading", &places);
}

#[test]
fn each_phrase_and_opening_is_noticed() {
    for (paragraph, count) in [
        ("What is no id names nothing.", 2),
        ("A plain line. Whoever reads it, is told so.", 3),
        ("A lease comes back. It is none of ours.", 2),
        ("- Of two, one wins.", 1),
        ("| rule | That is kept | x |", 1),
        (
            "There is no id. It is no longer here. `told` and [this](what-is-said-so.md) are names.",
            0,
        ),
        ("What is it? The caller asks what it is.", 0),
    ] {
        assert_eq!(faults(paragraph).len(), count, "{paragraph}: {:?}", faults(paragraph));
    }
}

#[test]
fn paragraphs_of_comments_and_pages_are_found() {
    let rust = Tracked::new(
        "a.rs",
        "/// One\n/// two.\n///\n/// Three.\nlet a = \"// no\"; // neither\n    // Four.\n",
    );
    let found = paragraphs(&rust);
    assert_eq!(
        found,
        [
            (1, "One two. ".to_owned()),
            (4, "Three. ".to_owned()),
            (6, "Four. ".to_owned())
        ]
    );
    let texts = Tracked::new(
        "a.rs",
        "// \"no\"\nlet a = ('\"', \"key\", \"One {told}\\\n  two.\");\nlet b = r#\"A \"b\" c\"#;\n",
    );
    assert_eq!(
        literals(&texts),
        [(2, "One   two.".to_owned()), (4, "A \"b\" c".to_owned())]
    );
    let values = Tracked::new("a.yaml", "# One\n# two.\nKey: >-\n  Three\n  four.\nOther: What\n");
    assert_eq!(
        paragraphs(&values),
        [
            (1, "One two. ".to_owned()),
            (4, "Three four. ".to_owned()),
            (6, "What ".to_owned())
        ]
    );
    let page = Tracked::new("a.md", "# What\n\nOne\ntwo.\n- three\n```\nWhat\n```\n");
    assert_eq!(
        paragraphs(&page),
        [(3, "One two. ".to_owned()), (5, "- three ".to_owned())]
    );
}
