//! How long each kind of stored item and object stays, and what ends it. `docs/trust.md` explains the table to a reader
//! of it; tests compare it with the items of a recorded pull and with the template's lifecycle rules.

mod check;

pub use check::{RetentionCheck, RetentionRule};

/// Days for which rows stay that correlate webhooks, or remember messages and AAL2 sessions.
pub const CORRELATION_DAYS: u16 = 90;
/// Days for which the count of a day's calls stays.
pub const DAY_COUNT_DAYS: u16 = 8;
/// The parameter with the days for which records stay without consent to `keep`.
const RECORD_DAYS: &str = "RecordRetentionDays";

/// The end of an item or object.
///
/// DynamoDB deletes an item up to a few days after its time to live (docs.aws.amazon.com, "Using time to live in
/// DynamoDB"), so no code relies on the deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The person's request for erasure.
    Person,
    /// The person's request for erasure. Without consent to `keep`, a retention check ends it earlier, after the days
    /// of this parameter.
    PersonOrCheck(&'static str),
    /// `account-work`, at the time that the item states, also for the item's objects.
    Job,
    /// The end of the work that it locks. Its deadline frees the lock if no process deletes the item.
    Work,
    /// The time to live, this many days after the last write.
    Days(u16),
    /// The time to live or a lifecycle rule, after the days of this parameter.
    Parameter(&'static str),
    /// The time to live, at a time that `domain` computes: `PersonRules::expires_at` or `Timing::idempotency_life`.
    Computed,
    /// Nothing. The item is the stack's and names no person.
    Stack,
}

impl EndedBy {
    /// Whether an item of this kind has the attribute `ttl`.
    #[must_use]
    pub const fn has_time_to_live(self) -> bool {
        matches!(self, Self::Days(_) | Self::Parameter(_) | Self::Computed)
    }
}

/// A kind of item in the table.
#[derive(Debug, Clone, Copy)]
pub struct ItemKind {
    /// Beginnings of partition and sort key, as in `OWNER#/RUN#`. `DATE` stands for a sort key that begins with a date.
    pub keys: &'static str,
    /// Its end.
    pub ended_by: EndedBy,
}

const fn item(keys: &'static str, ended_by: EndedBy) -> ItemKind {
    ItemKind { keys, ended_by }
}

/// Every kind of item.
pub const ITEMS: [ItemKind; 25] = [
    item("OWNER#/PATIENT", EndedBy::Person),
    item("OWNER#/IDENTITY", EndedBy::Person),
    item("OWNER#/PERSON", EndedBy::Person),
    item("OWNER#/CHALLENGE", EndedBy::Person),
    item("OWNER#/RUN#", EndedBy::Person),
    item("OWNER#/EVENT#", EndedBy::Person),
    item("OWNER#/RECORD#", EndedBy::PersonOrCheck(RECORD_DAYS)),
    item("OWNER#/OPEN_RECORDS", EndedBy::Person),
    item("OWNER#/RETENTION", EndedBy::Person),
    item("OWNER#/EXPORT#", EndedBy::Job),
    item("OWNER#/SHARES", EndedBy::Computed),
    item("OWNER#/IDEMPOTENCY#", EndedBy::Computed),
    item("PATIENT#/OWNER", EndedBy::Person),
    item("PATIENT#/OPEN_RUN", EndedBy::Work),
    item("PATIENT#/OPEN_CONSOLIDATED", EndedBy::Work),
    item("SESSION#/OWNER", EndedBy::Days(CORRELATION_DAYS)),
    item("MARK#/OWNER", EndedBy::Days(CORRELATION_DAYS)),
    item("REQUEST#/RUN", EndedBy::Days(CORRELATION_DAYS)),
    item("AAL2#/USED", EndedBy::Days(CORRELATION_DAYS)),
    item("MESSAGE#/SEEN", EndedBy::Days(CORRELATION_DAYS)),
    item("ERASURE#/JOB", EndedBy::Parameter("AccessLogRetentionDays")),
    item("LOG#/DATE", EndedBy::Parameter("AccessLogRetentionDays")),
    item("BUDGET#/DATE", EndedBy::Days(DAY_COUNT_DAYS)),
    item("BUDGET#/STATE", EndedBy::Stack),
    item("REPLAYS/STATE", EndedBy::Stack),
];

/// The kind of the item with these keys.
#[must_use]
pub fn kind_of(partition: &str, sort: &str) -> Option<&'static ItemKind> {
    ITEMS.iter().find(|kind| {
        let (pk, sk) = kind.keys.split_once('/').unwrap_or((kind.keys, ""));
        let of_partition = if pk.ends_with('#') {
            partition.starts_with(pk)
        } else {
            partition == pk
        };
        let of_sort = match sk {
            "DATE" => sort.starts_with(|first: char| first.is_ascii_digit()),
            prefix if prefix.ends_with('#') => sort.starts_with(prefix),
            whole => sort == whole,
        };
        of_partition && of_sort
    })
}

/// A kind of object in S3.
#[derive(Debug, Clone, Copy)]
pub struct ObjectKind {
    /// The bucket, as the template names it.
    pub bucket: &'static str,
    /// The beginning of its keys; empty for a bucket of one kind.
    pub prefix: &'static str,
    /// Its end.
    pub ended_by: EndedBy,
}

/// Every kind of object.
pub const OBJECTS: [ObjectKind; 3] = [
    ObjectKind {
        bucket: "RecordsBucket",
        prefix: "records/",
        ended_by: EndedBy::PersonOrCheck(RECORD_DAYS),
    },
    ObjectKind {
        bucket: "RecordsBucket",
        prefix: "exports/",
        ended_by: EndedBy::Job,
    },
    ObjectKind {
        bucket: "SealsBucket",
        prefix: "",
        ended_by: EndedBy::Parameter("AccessLogRetentionDays"),
    },
];
