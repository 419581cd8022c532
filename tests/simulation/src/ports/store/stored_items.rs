//! Items to erase, as the steps see them. [`StoredItem`] has no constructor outside `shared::store`, so the real
//! adapter reads one item of each kind, once, from a server that answers only that. The steps look only at the item's
//! kind.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread;

use serde_json::json;
use shared::aws::Aws;
use shared::config::Env;
use shared::store::{EraseItems as _, StoredItem, Table};

use crate::ids;
use crate::store::Key;

/// Partition and sort key of one item of each kind.
const KINDS: [(&str, &str); 14] = [
    ("OWNER#o", "PATIENT"),
    ("OWNER#o", "IDENTITY"),
    ("OWNER#o", "CHALLENGE"),
    ("OWNER#o", "RUN#p"),
    ("OWNER#o", "EVENT#p"),
    ("OWNER#o", "RECORD#r"),
    ("OWNER#o", "OPEN_RECORDS"),
    ("PATIENT#p", "OWNER"),
    ("PATIENT#p", "OPEN_RUN"),
    ("PATIENT#p", "OPEN_CONSOLIDATED"),
    ("SESSION#s", "OWNER"),
    ("MARK#m", "OWNER"),
    ("REQUEST#r", "RUN"),
    ("AAL2#a", "USED"),
];

static ITEMS: LazyLock<Vec<StoredItem>> = LazyLock::new(|| {
    let items = read();
    items.unwrap_or_else(|error| unreachable!("{error}"))
});

/// The item of this kind.
pub(super) fn stored_item(key: &Key) -> StoredItem {
    let kind = match key {
        Key::Patient(_) => 0,
        Key::Identity(_) => 1,
        Key::Challenge(_) => 2,
        Key::Pull(..) => 3,
        Key::Entry(..) => 4,
        Key::Record(..) => 5,
        Key::OpenRecords(_) => 6,
        Key::PatientOwner(_) => 7,
        Key::OpenPull(_) => 8,
        Key::OpenConsolidated(_) => 9,
        Key::Session(_) => 10,
        Key::Mark(_) => 11,
        Key::Request(_) => 12,
        Key::Used(_) => 13,
        Key::Root(_) | Key::Shares(_) | Key::Log(_) | Key::Seen(_) | Key::Replays | Key::Erasure(_) => {
            unreachable!("no erasure deletes {key:?}")
        }
    };
    let item = ITEMS.get(kind).cloned();
    item.unwrap_or_else(|| unreachable!("kind {kind}"))
}

/// Reads the items through the real adapter.
fn read() -> Result<Vec<StoredItem>, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        answer(stream)
    });
    let env = Env::from_pairs([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "simulated"),
        ("AWS_SECRET_ACCESS_KEY", "simulated"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("TABLE_NAME", "simulated"),
    ]);
    let aws = Aws::read(&env)?;
    let table = Table::read(&aws.dynamodb(), &env)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let items = runtime.block_on(table.items_to_erase(&ids::owner(0), None))?.items;
    drop(runtime);
    server.join().map_err(|_panicked| "the server panicked")??;
    Ok(items)
}

/// Answers one query with the keys.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    // The client sends a small JSON object, whose last byte is a brace.
    while request.last() != Some(&b'}') {
        let length = stream.read(&mut part)?;
        request.extend(part.iter().take(length));
        if length == 0 {
            break;
        }
    }
    let items: Vec<_> = KINDS
        .iter()
        .map(|(pk, sk)| json!({ "pk": { "S": pk }, "sk": { "S": sk } }))
        .collect();
    // A last key says that there are more items, so that the adapter asks nothing else.
    let body = json!({ "Items": items, "Count": items.len(), "LastEvaluatedKey": items.last() }).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
