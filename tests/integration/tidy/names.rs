//! Rules for names: a function says what it does, and each type of the product has its own name.

use std::collections::{BTreeMap, BTreeSet};

use super::{Tracked, assert_none, crates, is_comment, is_ident, package, tracked};

/// Names of functions that leave out the object and, mostly, the verb.
const VAGUE: [&str; 16] = [
    "told", "heeded", "measured", "seen", "done", "kept", "asked", "letter", "letters", "word", "words", "fate",
    "deed", "blow", "sit", "weather",
];
/// Types that each function has, by convention.
const CONVENTIONAL: [&str; 2] = ["Ports", "Deps"];

/// The name that follows a keyword in a line of code, such as `fn` or `struct`.
fn named_after<'l>(line: &'l str, keyword: &str) -> Option<&'l str> {
    let mut words = line
        .split(|character| !is_ident(character))
        .filter(|word| !word.is_empty());
    words.find(|word| *word == keyword)?;
    words.next()
}

fn vague_functions(file: &Tracked) -> Vec<String> {
    let code = file
        .lines()
        .filter(|(_, line)| !is_comment(line) && !line.contains('"'));
    let named = code.filter_map(|(place, line)| Some((place, named_after(line, "fn")?)));
    let vague = named.filter(|(_, name)| VAGUE.contains(name));
    vague.map(|(place, name)| format!("{place}: {name}")).collect()
}

/// The `use` declarations of a file, each in one line.
fn imports(file: &Tracked) -> Vec<String> {
    let (mut imports, mut open) = (Vec::new(), String::new());
    for (_, line) in file.lines().filter(|(_, line)| !is_comment(line)) {
        let line = line.trim();
        let begins = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
        if open.is_empty() && !begins.iter().any(|begin| line.starts_with(begin)) {
            continue;
        }
        open.push_str(line);
        open.push(' ');
        if line.ends_with(';') {
            imports.push(std::mem::take(&mut open));
        }
    }
    imports
}

/// Types and constants of these crates that a file imports under another name.
fn renamed_imports(file: &Tracked, own: &BTreeSet<String>) -> Vec<String> {
    let of_ours = |import: &String| {
        let path = import.split_once("use ").map_or("", |(_, path)| path);
        let first = path.split("::").next().unwrap_or_default();
        own.contains(first)
    };
    let renames = |import: &String| {
        let renamed = import.split(" as ").skip(1);
        renamed
            .into_iter()
            .any(|name| name.starts_with(|first: char| first.is_uppercase()))
    };
    let found = imports(file)
        .into_iter()
        .filter(|import| of_ours(import) && renames(import));
    found.map(|import| format!("{}: {import}", file.path)).collect()
}

/// The public types of a file, except the conventional ones.
fn public_types(file: &Tracked) -> Vec<&str> {
    let code = file.lines().map(|(_, line)| line.trim_start());
    // A type that a macro declares has the name of the macro's argument.
    let public = code.filter(|line| (line.starts_with("pub ") || line.starts_with("pub(")) && !line.contains('$'));
    let named = public.filter_map(|line| {
        let kind = ["struct", "enum", "trait", "type"].into_iter();
        kind.filter(|kind| line.split(' ').nth(1) == Some(kind))
            .find_map(|kind| named_after(line, kind))
    });
    named.filter(|name| !CONVENTIONAL.contains(name)).collect()
}

fn shared_names(files: &[&Tracked]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files {
        for name in public_types(file) {
            places.entry(name).or_default().push(&file.path);
        }
    }
    places.retain(|_, paths| paths.len() > 1);
    places
        .iter()
        .map(|(name, paths)| format!("{name}: {}", paths.join(", ")))
        .collect()
}

#[test]
fn function_names_have_a_verb_and_an_object() {
    let files = tracked();
    let places = files.iter().filter(|file| file.is("rs")).flat_map(vague_functions);
    assert_none("vague names of functions", &places.collect::<Vec<_>>());
}

#[test]
fn own_types_are_imported_under_their_own_names() {
    let own: BTreeSet<String> = crates()
        .iter()
        .filter_map(|manifest| package(manifest).map(|name| name.replace('-', "_")))
        .chain(["crate", "self", "super"].map(str::to_owned))
        .collect();
    let files = tracked();
    let places = files.iter().filter(|file| file.is("rs"));
    let places = places.flat_map(|file| renamed_imports(file, &own));
    assert_none("types under another name", &places.collect::<Vec<_>>());
}

#[test]
fn public_types_of_the_product_have_unique_names() {
    let files = tracked();
    let product = |file: &&Tracked| file.is("rs") && file.is_under(&["shared/src/", "functions/", "infra/ias/src/"]);
    let product: Vec<&Tracked> = files.iter().filter(product).collect();
    assert_none("types that share a name", &shared_names(&product));
}

#[test]
fn each_kind_of_bad_name_is_noticed() {
    let vague = Tracked::new("a.rs", "pub async fn told<T>() {}\nfn tell() {}\n// fn seen()\n");
    assert_eq!(vague_functions(&vague), ["a.rs:1: told"]);
    let own = BTreeSet::from(["crate".to_owned(), "shared".to_owned()]);
    let imports = "use axum::Form as Body;\nuse shared::{\n    A as B,\n    C,\n};\nuse crate::d as e;\n";
    assert_eq!(
        renamed_imports(&Tracked::new("a.rs", imports), &own),
        ["a.rs: use shared::{ A as B, C, }; "]
    );
    let (one, two) = (
        Tracked::new("a.rs", "pub struct Deps;\npub(crate) enum Reply<T> {}\nstruct Call;\n"),
        Tracked::new("b.rs", "pub type Reply = u8;\npub struct Deps {}\npub struct Call;\n"),
    );
    assert_eq!(shared_names(&[&one, &two]), ["Reply: a.rs, b.rs"]);
}
