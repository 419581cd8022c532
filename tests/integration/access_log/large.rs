//! The export of a person with very many entries.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use serde_json::{Value, json};
use shared::domain::log::{LogEntry, leaf};
use tokio::task::JoinSet;

use super::entries;
use super::later::{KeyFile, days_later, pages, seal};
use super::sealing::{note, person};
use crate::harness::TestApp;

/// Items of one transaction.
const PUTS: usize = 100;
/// Transactions at once.
const AT_ONCE: usize = 8;

/// The item of an entry that is this many milliseconds later.
fn later_item(item: &Value, millis: u64) -> Value {
    let mut entry = LogEntry::parse(item["entry"].as_str().expect("an entry")).expect("an entry");
    entry.at = entry.at.plus(Duration::from_millis(millis));
    let (mut item, text) = (item.clone(), entry.text());
    item["sk"] = json!(entry.sort_key());
    item["leaf"] = json!(leaf(&text).to_string());
    item["entry"] = json!(text);
    item
}

/// Writes further entries like this one, in its day.
pub(super) async fn add_entries(app: &TestApp, item: &Value, count: u64) {
    let client = app.aws().dynamodb();
    let mut writing = JoinSet::new();
    let numbers: Vec<u64> = (1..=count).collect();
    for part in numbers.chunks(PUTS) {
        let put = |millis: &u64| {
            let item = serde_dynamo::to_item(later_item(item, *millis)).expect("an item");
            let put = Put::builder().table_name("ias-Table").set_item(Some(item));
            TransactWriteItem::builder().put(put.build().expect("a put")).build()
        };
        let puts = part.iter().map(put).collect();
        if writing.len() == AT_ONCE {
            writing.join_next().await;
        }
        let call = client.transact_write_items().set_transact_items(Some(puts));
        writing.spawn(async move { call.send().await.expect("a transaction") });
    }
    writing.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_entries_are_exported_and_verified() {
    const FURTHER: [u64; 3] = [12_000, 7_997, 0];
    let app = TestApp::with(|options| options.prewarm = false).await;
    let nora = person(1);
    for day in 0..3 {
        note(&app, &nora, days_later(day)).await;
    }
    for (item, further) in entries(&app).await.iter().zip(FURTHER) {
        add_entries(&app, item, further).await;
    }
    assert_eq!(seal(&app, 3).await.ok(), Some(3));
    let export = pages(&app, &nora, 3).await;
    // The last page has the export's own entry, which is not sealed.
    assert_eq!(export.len(), 21);
    // A page of 1,000 entries with their leaves.
    assert!(export.iter().all(|page| page.len() < 500_000));
    let (code, output) = KeyFile::of(&app).await.verify(&export).await;
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("20000 entries, complete and unchanged"), "{output}");
    app.end().await;
}
