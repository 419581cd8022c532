//! Values of a person that no store may hold after their erasure, and the search for them in everything that the
//! sandbox stores.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_machine::Sandbox;
use sandbox_machine::sandbox::NOTICE;
use serde_json::Value;
use shared::domain::retention::kind_of;

use super::judge::tally;
use crate::table::{Item, read_key, scan};

/// The source of values in replies to the app.
pub(super) const REPLY: &str = "replies";
/// The source of demographics that other persons may share.
pub(super) const SHARED: &str = "demographics";
/// The source of ids of our own pulls and records. The access log and dead letters may hold them.
pub(super) const OUR_IDS: &str = "our ids";
/// The kind of the entries of the access log.
const LOG: &str = "LOG#/DATE";
/// An id has at least this many characters.
const ID_CHARS_MIN: usize = 16;
/// The search finds values by this many of their first bytes. Shorter values are not searched for.
const BEGIN_BYTES: usize = 4;

/// Values with their sources.
pub(super) type Planted = BTreeMap<String, &'static str>;

/// The values of one person.
#[derive(Default)]
pub(super) struct Values(Mutex<Planted>);

impl Values {
    pub(super) fn lock(&self) -> MutexGuard<'_, Planted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plants a whole value.
    pub(super) fn plant(&self, source: &'static str, value: &str) {
        if value.len() >= BEGIN_BYTES {
            self.lock().entry(value.to_owned()).or_insert(source);
        }
    }

    /// Plants every id in the texts of a JSON value.
    pub(super) fn plant_ids(&self, source: &'static str, value: &Value) {
        match value {
            Value::String(text) => ids(text).for_each(|id| self.plant(source, id)),
            Value::Array(values) => values.iter().for_each(|value| self.plant_ids(source, value)),
            Value::Object(fields) => fields.values().for_each(|value| self.plant_ids(source, value)),
            _ => {}
        }
    }

    /// Plants every id in a person's items. The owner id is a hash, which may stay.
    pub(super) fn plant_items(&self, items: &[Item], owner: &str) {
        for item in items {
            let (kind, (pk, sk)) = (kind_of_item(item), read_key(item).unwrap_or_default());
            let mut item = item.clone();
            // Equal requests of different persons have the same hash.
            item.remove("fingerprint");
            ids(&String::from_utf8_lossy(&content_of(&item))).for_each(|id| self.plant(kind, id));
            match (pk.split_once('#'), sk.split_once('#')) {
                (Some(("OWNER", _)), Some(("RUN" | "RECORD", id))) => drop(self.lock().insert(id.to_owned(), OUR_IDS)),
                (Some(("OWNER", _)), _) | (None, _) => {}
                (Some((_, id)), _) => self.plant(kind, id),
            }
        }
        self.lock().retain(|value, _| !owner.contains(value));
    }
}

/// The ids in a text: long words with a digit. The hash of the notice belongs to no person.
pub(super) fn ids(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let long = words.filter(|word| word.len() >= ID_CHARS_MIN && word.bytes().any(|byte| byte.is_ascii_digit()));
    long.filter(|word| !NOTICE.contains(word))
}

fn kind_of_item(item: &Item) -> &'static str {
    let (pk, sk) = read_key(item).unwrap_or_default();
    kind_of(&pk, &sk).map_or("another kind", |kind| kind.keys)
}

/// Everything that the sandbox stores, with its places: items with their index keys, files of S3 with their names, and
/// messages.
pub(super) async fn read_all(sandbox: &Sandbox) -> Result<Vec<(String, Vec<u8>)>, String> {
    let items = scan(sandbox).await?;
    let items = items
        .iter()
        .map(|item| (kind_of_item(item).to_owned(), content_of(item)));
    let mut stored: Vec<_> = items.collect();
    for file in sandbox.aws().stored_files().list().map_err(|error| error.to_string())? {
        let content = std::fs::read(&file.path).unwrap_or_default();
        stored.push((
            format!("file {}", file.name),
            [file.name.as_bytes(), b"\n", &content].concat(),
        ));
    }
    let queues = sandbox.aws().queues();
    for name in queues.depths().into_keys() {
        let messages = queues.messages(&name).unwrap_or_default().into_iter();
        stored.extend(messages.map(|message| (format!("queue {name}"), message.body.into_bytes())));
    }
    Ok(stored)
}

/// Every attribute of an item, by name and value.
fn content_of(item: &Item) -> Vec<u8> {
    let attributes = item.iter().map(|(name, value)| {
        let mut content = format!("{name}=").into_bytes();
        write_value(value, &mut content);
        content
    });
    attributes.collect::<Vec<_>>().concat()
}

fn write_value(value: &AttributeValue, content: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => content.extend(text.bytes()),
        AttributeValue::B(bytes) => content.extend(bytes.as_ref()),
        AttributeValue::L(values) => values.iter().for_each(|value| write_value(value, content)),
        AttributeValue::M(fields) => content.extend(content_of(fields)),
        AttributeValue::Ss(texts) => content.extend(texts.join("\n").bytes()),
        _ => {}
    }
    content.push(b'\n');
}

/// The result of a search.
#[derive(Debug, Default)]
pub(super) struct SearchResult {
    /// Values that were found somewhere.
    pub(super) present: u64,
    /// Our own ids in the access log and in dead letters.
    pub(super) excepted: u64,
    /// Findings that must not be: value, source and place.
    pub(super) found: Vec<String>,
}

/// Searches for values in everything.
pub(super) fn search(planted: &Planted, stored: &[(String, Vec<u8>)]) -> SearchResult {
    let mut index: HashMap<&[u8], Vec<&str>> = HashMap::new();
    for value in planted.keys() {
        let begin = value.as_bytes().get(..BEGIN_BYTES).unwrap_or_default();
        index.entry(begin).or_default().push(value);
    }
    let (mut present, mut excepted, mut found) = (BTreeSet::new(), 0, Vec::new());
    for (place, content) in stored {
        let is_excepted = place == LOG || (place.starts_with("queue ") && place.ends_with("DeadLetters"));
        for value in find_values(&index, content) {
            present.insert(value);
            match planted.get(value) {
                Some(&OUR_IDS) if is_excepted => excepted += 1,
                source => found.push(format!("{value} of {} in {place}", source.copied().unwrap_or_default())),
            }
        }
    }
    let found = tally(found)
        .into_iter()
        .map(|(finding, count)| format!("{finding} ({count})"));
    SearchResult {
        present: present.len() as u64,
        excepted,
        found: found.collect(),
    }
}

/// The values in a text. A short value counts only as a whole word.
fn find_values<'v>(index: &HashMap<&[u8], Vec<&'v str>>, content: &[u8]) -> BTreeSet<&'v str> {
    let mut found = BTreeSet::new();
    for (at, begin) in content.windows(BEGIN_BYTES).enumerate() {
        let Some(values) = index.get(begin) else { continue };
        let (before, rest) = content.split_at(at);
        let continues = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let is_word = |value: &str| !continues(before.last()) && !continues(rest.get(value.len()));
        let here = values.iter().filter(|value| rest.starts_with(value.as_bytes()));
        found.extend(here.filter(|value| value.len() >= ID_CHARS_MIN || is_word(value)));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found_unless_they_are_our_ids_in_the_log() {
        let (id, session) = ("0196c0de-0000-7000-8000-000000000001", "session-000000000001");
        let item = |pk: &str, sk: &str| {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
        };
        let (owner, values) = ("v1.0123456789abcdef0", Values::default());
        values.plant(SHARED, "Jane");
        values.plant_ids(
            REPLY,
            &json!({ "next": { "url": "/v1/pages/page-0123456789abcdef?a-word-without-digits" } }),
        );
        let run = item(&format!("OWNER#{owner}"), &format!("RUN#{id}"));
        values.plant_items(&[run, item(&format!("SESSION#{session}"), "OWNER")], owner);
        let of =
            |place: &str, content: &str| search(&values.lock(), &[(place.to_owned(), content.as_bytes().to_vec())]);
        assert_eq!(
            of("OWNER#/RUN#", "Janet, aJane, 0123456789abcdef0 a-word-without-digits").present,
            0
        );
        assert_eq!(of("file f", "xpage-0123456789abcdefx (Jane)").found.len(), 2);
        let log = of(LOG, &format!("{owner} {id} {session}"));
        assert_eq!((log.present, log.excepted), (2, 1));
        assert_eq!(log.found, ["session-000000000001 of SESSION#/OWNER in LOG#/DATE (1)"]);
    }
}
