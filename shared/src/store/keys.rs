//! Keys of the items. A key begins with a prefix that names the kind of item; a whole id follows. The IAM policies in
//! `template.yaml` distinguish partitions by this prefix, so that each function reaches only the kinds it needs.

use crate::domain::budget::Budget;
use crate::domain::erasure::ErasureId;
use crate::domain::log::{LogDay, LogEntry, SHARDS, shard};
use crate::domain::{
    Aal2SessionHash, IdentitySessionId, MessageId, OwnerId, PatientId, PullId, RecordId, UpstreamRequestId,
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
/// The root sorts after the patient and the identity, so that one query reads all three.
pub(super) const ROOT: &str = "PERSON";
pub(super) const SHARES: &str = "SHARES";
pub(super) const OPEN_RECORDS: &str = "OPEN_RECORDS";
pub(super) const RETENTION: &str = "RETENTION";
pub(super) const PULL: &str = "RUN#";
pub(super) const RECORD: &str = "RECORD#";
pub(super) const EVENT: &str = "EVENT#";
pub(super) const EXPORT: &str = "EXPORT#";
pub(super) const CHALLENGE: &str = "CHALLENGE";

pub(super) fn owner_partition(owner: &OwnerId) -> String {
    format!("OWNER#{}", owner.as_str())
}

/// Reads the owner from a partition key. The due index needs this, because its reads do not name a person.
pub(super) fn read_owner(pk: &str) -> Option<OwnerId> {
    OwnerId::parse(pk.strip_prefix("OWNER#")?).ok()
}

pub(super) fn patient(owner: &OwnerId) -> Key {
    key(owner_partition(owner), PATIENT)
}
pub(super) fn identity(owner: &OwnerId) -> Key {
    key(owner_partition(owner), IDENTITY)
}
pub(super) fn root(owner: &OwnerId) -> Key {
    key(owner_partition(owner), ROOT)
}
pub(super) fn challenge(owner: &OwnerId) -> Key {
    key(owner_partition(owner), CHALLENGE)
}
pub(super) fn pull(owner: &OwnerId, pull: PullId) -> Key {
    key(owner_partition(owner), format!("{PULL}{pull}"))
}
pub(super) fn event_prefix(pull: PullId) -> String {
    format!("{EVENT}{pull}#")
}
/// Reads the pull from the sort key of an event.
pub(super) fn read_event(sort: &str) -> Option<PullId> {
    let (pull, _number) = sort.strip_prefix(EVENT)?.split_once('#')?;
    PullId::parse(pull).ok()
}
/// The number is zero-padded, so that sort order is time order.
pub(super) fn event(owner: &OwnerId, pull: PullId, n: u64) -> Key {
    key(owner_partition(owner), format!("{}{n:06}", event_prefix(pull)))
}
pub(super) fn record(owner: &OwnerId, record: RecordId) -> Key {
    key(owner_partition(owner), format!("{RECORD}{record}"))
}
pub(super) fn export(owner: &OwnerId, number: u8) -> Key {
    key(owner_partition(owner), format!("{EXPORT}{number}"))
}
/// Reads the number of an export from its sort key.
pub(super) fn read_export(sort: &str) -> Option<u8> {
    sort.strip_prefix(EXPORT)?.parse().ok()
}
pub(super) fn idempotency(owner: &OwnerId, hash: &KeyHash) -> Key {
    key(owner_partition(owner), format!("IDEMPOTENCY#{}", hash.as_str()))
}
pub(super) fn shares(owner: &OwnerId) -> Key {
    key(owner_partition(owner), SHARES)
}
pub(super) fn open_records(owner: &OwnerId) -> Key {
    key(owner_partition(owner), OPEN_RECORDS)
}
pub(super) fn retention(owner: &OwnerId) -> Key {
    key(owner_partition(owner), RETENTION)
}
pub(super) fn patient_owner(patient: &PatientId) -> Key {
    key(format!("PATIENT#{}", patient.as_str()), "OWNER")
}
pub(super) fn open_pull(patient: &PatientId) -> Key {
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

/// An entry of the access log. Its partition is not that of the person's other items, so that an erasure leaves it.
pub(super) fn log(owner: &OwnerId, entry: &LogEntry) -> Key {
    key(log_partition_of(owner), entry.sort_key())
}

/// The partition of a person's entries.
pub(super) fn log_partition_of(owner: &OwnerId) -> String {
    format!("LOG#{}", owner.as_str())
}

/// The partition of the index `day` that lists a person's entries of this day.
pub(super) fn log_day(day: LogDay, owner: &OwnerId) -> String {
    log_shard(day, shard(owner))
}

/// The partitions of the index `day` that list all persons' entries of this day.
pub(super) fn log_shards(day: LogDay) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| log_shard(day, shard))
}

/// The partition of the index `day` that lists the entries of one shard of this day.
pub(super) fn log_shard(day: LogDay, shard: u8) -> String {
    format!("DAY#{day}#{shard:x}")
}

/// Reads the owner from the partition key of an entry; `operators` for entries that concern several persons.
pub(super) fn read_log_owner(pk: &str) -> Option<OwnerId> {
    OwnerId::parse(pk.strip_prefix("LOG#")?).ok()
}

/// The partition of an erasure. Its name is a hash of the receipt id, so that a reader of keys cannot read receipts.
pub(super) const ERASURE: &str = "ERASURE#";

pub(super) fn erasure(id: ErasureId) -> Key {
    key(format!("{ERASURE}{id}"), "JOB")
}

/// Reads the erasure from its partition key.
pub(super) fn read_erasure(pk: &str) -> Option<ErasureId> {
    ErasureId::parse(pk.strip_prefix(ERASURE)?)
}

/// The one row about failed deliveries, for the whole account.
pub(super) fn replays() -> Key {
    key("REPLAYS".to_owned(), "STATE")
}

/// The item of a budget: its places and, for starts of network queries, the next planned start. IAM policies name each
/// budget by its key.
pub(super) fn budget(budget: Budget) -> Key {
    key(format!("BUDGET#{}", budget.name()), "STATE")
}

/// The count of a day's calls; `date` is `YYYY-MM-DD`.
pub(super) fn day(date: String) -> Key {
    key("BUDGET#day".to_owned(), date)
}

/// Number of shards of the due index. It is large enough that no shard is hot, and small enough that `reconcile` reads
/// all shards each minute.
pub(super) const DUE_SHARDS: u8 = 8;

/// The shard of a pull or record. The last byte of its id is random, so items spread evenly.
pub(super) fn due_shard(id: &[u8; 16]) -> String {
    let [.., last] = id;
    due_shard_name(last % DUE_SHARDS)
}

/// The partition of the due index that lists active quarantines by their deadline. They are few, so one suffices.
/// [`due_shard_name`] never gives this name, so `reconcile` does not take a quarantine for overdue work.
pub(super) const DUE_QUARANTINES: &str = "DUE#quarantine";

/// The partition of the due index that lists unfinished erasures by their due time.
pub(super) const DUE_ERASURES: &str = "DUE#erasure";

/// The partition of the due index that lists other work of `account-work` on persons by its due time. `reconcile` reads
/// at most a page of it each minute, and one partition suffices for that.
pub(super) const DUE_ACCOUNT_WORK: &str = "DUE#account";

pub(super) fn due_shard_name(shard: u8) -> String {
    format!("DUE#{shard}")
}
