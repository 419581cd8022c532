//! The trait bounds of a step are its privileges. A function's `Ports` can do exactly what its policy grants, so that
//! neither the ports nor the policy can grow alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::harness::TestApp;
use crate::template::ROOT;

/// An action, and the kind of item, queue, object or secret that it concerns.
type PortAction = (String, String);

const API_KEY: &str = "GetSecretValue MetriportApiKeySecret";

/// The actions of each port, written as `Action kind kind, Action kind`.
const PORTS: [(&str, &str); 86] = [
    ("ReadPatient", "GetItem OWNER"),
    (
        "WritePatient",
        "GetItem PATIENT, PutItem OWNER PATIENT LOG, ConditionCheckItem OWNER PATIENT",
    ),
    ("ReadIdentity", "GetItem OWNER"),
    ("ReadPerson", "Query OWNER"),
    ("ReadRoot", "GetItem OWNER"),
    ("WriteConsent", "PutItem OWNER LOG"),
    (
        "WithdrawConsent",
        "GetItem OWNER, Query OWNER, PutItem OWNER PATIENT LOG, ConditionCheckItem OWNER, DeleteItem PATIENT",
    ),
    (
        "WriteIdentity",
        "PutItem OWNER SESSION MARK LOG, ConditionCheckItem OWNER",
    ),
    ("RejectIdentity", "PutItem OWNER"),
    ("BindIdentity", "PutItem OWNER MESSAGE LOG"),
    ("ReadChallenge", "GetItem OWNER"),
    ("WriteChallenge", "PutItem OWNER LOG, ConditionCheckItem OWNER"),
    (
        "AcceptPull",
        "GetItem AAL2 PATIENT, PutItem OWNER AAL2 PATIENT LOG, ConditionCheckItem OWNER",
    ),
    ("ReadPull", "GetItem OWNER"),
    ("ListPulls", "Query OWNER"),
    (
        "WritePull",
        "GetItem OWNER, PutItem OWNER REQUEST LOG, ConditionCheckItem OWNER, DeleteItem PATIENT",
    ),
    (
        "WritePullOnce",
        "GetItem OWNER, PutItem OWNER REQUEST MESSAGE LOG, DeleteItem PATIENT",
    ),
    ("ReadRecord", "GetItem OWNER"),
    ("ListRecords", "Query OWNER"),
    ("CreateRecord", "GetItem OWNER, PutItem OWNER, ConditionCheckItem OWNER"),
    (
        "WriteRecord",
        "PutItem OWNER REQUEST PATIENT LOG, ConditionCheckItem OWNER, DeleteItem PATIENT",
    ),
    (
        "WriteRecordOnce",
        "PutItem OWNER REQUEST PATIENT MESSAGE LOG, DeleteItem PATIENT",
    ),
    ("ReportRecord", "PutItem OWNER LOG, ConditionCheckItem OWNER"),
    ("WriteQuarantine", "PutItem OWNER LOG, ConditionCheckItem OWNER"),
    ("CountQuarantines", "Query DUE"),
    ("ReadExport", "GetItem OWNER, Query OWNER"),
    ("RequestExport", "PutItem OWNER LOG, ConditionCheckItem OWNER"),
    (
        "WriteExport",
        "PutItem OWNER, ConditionCheckItem OWNER, DeleteItem OWNER",
    ),
    ("ReadStates", "Query OWNER"),
    ("RequestErasure", "PutItem OWNER ERASURE LOG"),
    ("ReadErasure", "GetItem ERASURE"),
    ("WriteErasure", "PutItem ERASURE"),
    (
        "EraseItems",
        "Query OWNER owned, GetItem PATIENT SESSION MARK REQUEST AAL2, PutItem OWNER ERASURE LOG, \
         DeleteItem OWNER PATIENT SESSION MARK REQUEST AAL2",
    ),
    ("ReadUnfinishedErasures", "Query DUE"),
    ("ReadRetention", "GetItem OWNER, Query OWNER"),
    (
        "EndRecords",
        "PutItem OWNER LOG, ConditionCheckItem OWNER, DeleteItem OWNER",
    ),
    ("NoteHour", "PutItem LOG"),
    ("ReadLog", "Query LOG"),
    ("ReadLogDays", "Query DAY"),
    (
        "MintEntry",
        "GetItem OWNER, PutItem OWNER LOG, ConditionCheckItem OWNER",
    ),
    ("Correlate", "GetItem REQUEST SESSION MARK PATIENT"),
    ("RememberMessage", "GetItem MESSAGE, PutItem MESSAGE"),
    ("ReadDue", "Query DUE"),
    ("ReadDueAccountWork", "Query DUE"),
    ("KeepReplays", "GetItem REPLAYS, PutItem REPLAYS"),
    ("CountCall", "UpdateItem BUDGET"),
    ("PlanStart", "GetItem BUDGET, UpdateItem BUDGET"),
    ("StartInTurn", "UpdateItem BUDGET"),
    ("TakeShare", "UpdateItem OWNER"),
    ("TakeTurn", "UpdateItem OWNER BUDGET"),
    ("DeleteInTurn", "UpdateItem BUDGET"),
    ("PauseCalls", "UpdateItem BUDGET"),
    ("SendAdvance", "SendMessage RunAdvanceQueue"),
    ("SendFetch", "SendMessage RecordFetchQueue"),
    ("SendAccountWork", "SendMessage AccountWorkQueue"),
    ("SendWebhookEvent", "SendMessage WebhookEventsQueue"),
    ("KeepObject", "PutObject records, AbortMultipartUpload records"),
    ("MintLink", "GetObject records"),
    ("MintExportLink", "GetObject exports"),
    ("PutExport", "PutObject exports"),
    ("ListObjects", "ListBucket records"),
    (
        "EraseObjects",
        "ListBucket records, ListBucketMultipartUploads records, DeleteObject records exports, \
         AbortMultipartUpload records",
    ),
    ("ReadSeals", "ListBucket seals, GetObject seals"),
    ("ReadShards", "GetObject shards"),
    ("PutSeals", "PutObject seals shards"),
    ("SignSeal", "Sign SealKey, GetPublicKey SealKey"),
    ("VerifyKeys", "GetSecretValue WebhookKeysSecret"),
    // These ports call Metriport with the API key, which a function reads when it starts.
    ("FindPatient", API_KEY),
    ("CreatePatient", API_KEY),
    ("UpdatePatient", API_KEY),
    ("DeletePatient", API_KEY),
    ("OpenIdentitySession", API_KEY),
    ("OpenAal2Challenge", API_KEY),
    ("StartNetworkQuery", API_KEY),
    ("ReadNetworkQuery", API_KEY),
    ("StartConsolidatedQuery", API_KEY),
    ("WebhookReplay", API_KEY),
    ("Clock", ""),
    ("Pause", ""),
    ("ReportConflict", ""),
    ("NewIds", ""),
    ("Stage", ""),
    ("StackName", ""),
    ("ConsentTerms", ""),
    ("Retention", ""),
    ("LogRetention", ""),
];

/// Actions that functions perform outside their steps.
const AROUND: [(&[&str], &str); 6] = [
    // Turns tokens into owner ids.
    (&["account"], "GetSecretValue OwnerKeySecret"),
    // These functions turn tokens into owner ids, and store the reply to a POST under its idempotency key.
    (
        &["aal2-challenge", "identity-session", "network-query", "record-read"],
        "GetItem OWNER, PutItem OWNER, GetSecretValue OwnerKeySecret",
    ),
    // Lambda receives and deletes messages with the function's role. The function sends dead letters itself.
    (
        &["query-dispatch"],
        "ReceiveMessage RunAdvanceQueue, DeleteMessage RunAdvanceQueue, SendMessage RunAdvanceDeadLetters",
    ),
    (
        &["record-fetch"],
        "ReceiveMessage RecordFetchQueue, DeleteMessage RecordFetchQueue, SendMessage RecordFetchDeadLetters",
    ),
    (
        &["webhook-process"],
        "ReceiveMessage WebhookEventsQueue, DeleteMessage WebhookEventsQueue, SendMessage WebhookEventsDeadLetters",
    ),
    (
        &["account-work"],
        "ReceiveMessage AccountWorkQueue, DeleteMessage AccountWorkQueue, SendMessage AccountWorkDeadLetters",
    ),
];

/// Actions of a port that a function never performs, with the reason.
const NEVER: [(&str, &str, &str); 2] = [
    (
        "record-fetch",
        "PutItem REQUEST PATIENT",
        "the end of a transfer neither binds a request nor takes a lock",
    ),
    (
        "webhook-process",
        "PutItem PATIENT",
        "no message of Metriport's takes a lock",
    ),
];

fn parse_actions(actions: &str) -> impl Iterator<Item = PortAction> + '_ {
    actions
        .split(", ")
        .filter(|clause| !clause.is_empty())
        .flat_map(|clause| {
            let mut words = clause.split(' ');
            let action = words.next().unwrap_or_default().to_owned();
            words.map(move |kind| (action.clone(), kind.to_owned()))
        })
}

/// The ports in the `Ports` of `functions/NAME/src/lib.rs`.
fn ports(function: &str) -> Vec<String> {
    let path = Path::new(ROOT).join("functions").join(function).join("src/lib.rs");
    let text = std::fs::read_to_string(path).expect("a function's library");
    let (_, after) = text.split_once("pub trait Ports =").expect("its ports");
    let (named, _) = after.split_once(';').expect("their end");
    named.split('+').map(|port| port.trim().to_owned()).collect()
}

/// A granted action in this file's words; `None` if only AWS services perform it.
fn granted(action: &str, resource: &str, key: Option<&str>) -> Option<PortAction> {
    let (service, action) = action.split_once(':')?;
    let kind = match (service, key) {
        ("dynamodb", _) if resource.ends_with("/index/due") => "DUE",
        ("dynamodb", _) if resource.ends_with("/index/owner") => "owned",
        ("dynamodb", Some(key)) => key.split('#').next()?,
        // Lambda reads the queue's attributes.
        ("sqs", _) if action == "GetQueueAttributes" => return None,
        ("sqs", _) => resource.rsplit("ias-").next()?,
        // These actions concern a whole bucket.
        ("s3", _) if action.starts_with("ListBucket") => {
            let buckets = [("recordsbucket", "records"), ("sealsbucket", "seals")];
            buckets.into_iter().find(|(bucket, _)| resource.ends_with(bucket))?.1
        }
        ("s3", _) => resource.trim_end_matches("/*").rsplit('/').next()?,
        // Services use the key of the data.
        ("kms", _) => resource.rsplit('/').next().filter(|key| *key == "SealKey")?,
        ("secretsmanager", _) => resource
            .rsplit(":ias-")
            .next()?
            .rsplit_once('-')
            .map_or(resource, |(name, _)| name),
        _ => return None,
    };
    Some((action.to_owned(), kind.to_owned()))
}

/// A function's expected actions: those of its ports and those outside its steps, without those that it never performs.
fn expected(function: &str) -> BTreeSet<PortAction> {
    let of_port = |port: String| {
        let known = PORTS.iter().find(|(name, _)| *name == port);
        parse_actions(known.unwrap_or_else(|| panic!("what does the port {port} do?")).1)
    };
    let around = AROUND.iter().filter(|(functions, _)| functions.contains(&function));
    let mut expected: BTreeSet<_> = ports(function).into_iter().flat_map(of_port).collect();
    expected.extend(around.flat_map(|(_, actions)| parse_actions(actions)));
    for (_, never, why) in NEVER.iter().filter(|(of, ..)| *of == function) {
        for action in parse_actions(never) {
            assert!(expected.remove(&action), "{function} has no port to {action:?} ({why})");
        }
    }
    expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_of_a_function_equal_its_policy() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let mut policies: BTreeMap<String, BTreeSet<PortAction>> = BTreeMap::new();
    for privilege in app.sandbox().privileges().granted() {
        let action = granted(&privilege.action, &privilege.resource, privilege.leading_key.as_deref());
        policies.entry(privilege.function).or_default().extend(action);
    }
    assert_eq!(policies.len(), 12);
    for (function, policy) in policies {
        assert_eq!(policy, expected(&function), "{function}");
    }
    app.end().await;
}
