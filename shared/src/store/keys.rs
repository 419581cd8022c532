//! Names of items. A key's prefix says what the item is; a whole id follows. IAM policies distinguish partitions by
//! their prefix: `template.yaml` says which function reaches which kind of item.

use crate::domain::budget::Budget;
use crate::domain::{
    Aal2SessionHash, IdentitySessionId, MessageId, OwnerId, PatientId, RecordId, RunId, UpstreamRequestId,
};
use crate::idempotency::KeyHash;

/// Partition and sort key of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

fn key(pk: String, sk: impl Into<String>) -> Key {
    Key { pk, sk: sk.into() }
}

pub(super) const PATIENT: &str = "PATIENT";
pub(super) const IDENTITY: &str = "IDENTITY";
pub(super) const RUN: &str = "RUN#";
pub(super) const RECORD: &str = "RECORD#";

pub(super) fn owner_partition(owner: &OwnerId) -> String {
    format!("OWNER#{}", owner.as_str())
}

/// The owner in a partition key, for the due index, whose reads do not start from a person.
pub(super) fn read_owner(pk: &str) -> Option<OwnerId> {
    OwnerId::parse(pk.strip_prefix("OWNER#")?).ok()
}

pub(super) fn patient(owner: &OwnerId) -> Key {
    key(owner_partition(owner), PATIENT)
}
pub(super) fn identity(owner: &OwnerId) -> Key {
    key(owner_partition(owner), IDENTITY)
}
pub(super) fn challenge(owner: &OwnerId) -> Key {
    key(owner_partition(owner), "CHALLENGE")
}
pub(super) fn run(owner: &OwnerId, run: RunId) -> Key {
    key(owner_partition(owner), format!("{RUN}{run}"))
}
pub(super) fn event_prefix(run: RunId) -> String {
    format!("EVENT#{run}#")
}
/// Zero-padded, so that sort order is time order.
pub(super) fn event(owner: &OwnerId, run: RunId, n: u64) -> Key {
    key(owner_partition(owner), format!("{}{n:06}", event_prefix(run)))
}
pub(super) fn record(owner: &OwnerId, record: RecordId) -> Key {
    key(owner_partition(owner), format!("{RECORD}{record}"))
}
pub(super) fn idempotency(owner: &OwnerId, hash: &KeyHash) -> Key {
    key(owner_partition(owner), format!("IDEMPOTENCY#{}", hash.as_str()))
}
/// The shares that the person has taken.
pub(super) fn shares(owner: &OwnerId) -> Key {
    key(owner_partition(owner), "SHARES")
}
/// The unfinished records that the person has asked for.
pub(super) fn open_records(owner: &OwnerId) -> Key {
    key(owner_partition(owner), "OPEN_RECORDS")
}
pub(super) fn patient_owner(patient: &PatientId) -> Key {
    key(format!("PATIENT#{}", patient.as_str()), "OWNER")
}
pub(super) fn open_run(patient: &PatientId) -> Key {
    key(format!("PATIENT#{}", patient.as_str()), "OPEN_RUN")
}
pub(super) fn open_consolidated(patient: &PatientId) -> Key {
    key(format!("PATIENT#{}", patient.as_str()), "OPEN_CONSOLIDATED")
}
pub(super) fn identity_session(session: &IdentitySessionId) -> Key {
    key(format!("SESSION#{}", session.as_str()), "OWNER")
}
pub(super) fn identity_mark(mark: &str) -> Key {
    key(format!("MARK#{mark}"), "OWNER")
}
pub(super) fn upstream_request(request: &UpstreamRequestId) -> Key {
    key(format!("REQUEST#{}", request.as_str()), "RUN")
}
pub(super) fn used_aal2(session: &Aal2SessionHash) -> Key {
    key(format!("AAL2#{}", session.as_str()), "USED")
}
pub(super) fn message(message: &MessageId) -> Key {
    key(format!("MESSAGE#{}", message.as_str()), "SEEN")
}

/// The one row about failed deliveries, for the whole account.
pub(super) fn replays() -> Key {
    key("REPLAYS".to_owned(), "STATE")
}

/// The next turn or the places of a budget. IAM policies name each budget by its key.
pub(super) fn budget(budget: Budget) -> Key {
    key(format!("BUDGET#{}", budget.name()), "STATE")
}

/// The count of calls on a day, `YYYY-MM-DD`.
pub(super) fn day(date: String) -> Key {
    key("BUDGET#day".to_owned(), date)
}

/// Shards of the due index: enough that no single one is hot, few enough that all are read each minute.
pub(super) const DUE_SHARDS: u8 = 8;

/// The shard in which a run or a record waits, spread by the random last byte of its id.
pub(super) fn due_shard(id: &[u8; 16]) -> String {
    let [.., last] = id;
    due_shard_name(last % DUE_SHARDS)
}

pub(super) fn due_shard_name(shard: u8) -> String {
    format!("DUE#{shard}")
}
