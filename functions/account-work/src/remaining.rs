//! Everything that remains of a person after an erasure. The receipt names it.

use std::time::Duration;

use shared::domain::Time;
use shared::domain::erasure::Remaining;
use shared::domain::retention::CORRELATION_DAYS;
use shared::ports::Clock;

use crate::LogRetention;

const DAY: Duration = Duration::from_secs(86_400);
/// Days for which DynamoDB can restore the table (docs.aws.amazon.com, "Point-in-time backups for DynamoDB").
const BACKUP_DAYS: u16 = 35;
/// Days after which a dead letter is gone: SQS keeps it for 14 days, and a message can become one after four days.
const DEAD_LETTER_DAYS: u16 = 18;
/// Days until the person's shares of the rate budget expire, at most.
const SHARE_DAYS: u16 = 2;
/// DynamoDB deletes an expired item within a few days (docs.aws.amazon.com, "Using time to live in DynamoDB").
const TTL_DAYS: u16 = 7;

/// Everything that remains, with its end.
pub(crate) fn remaining(io: &(impl LogRetention + Clock), now: Time) -> Vec<Remaining> {
    let row = |store: &str, content: &str, days: u16| Remaining {
        store: store.to_owned(),
        content: content.to_owned(),
        until: now.plus(DAY * u32::from(days)),
    };
    vec![
        row(
            "access log",
            "Entries with a keyed hash of the person, times, codes and our own ids, as the law requires; and their seals.",
            io.access_log_days().saturating_add(TTL_DAYS),
        ),
        row(
            "table",
            "A keyed hash of the person with two numbers, so that no late message restores anything.",
            CORRELATION_DAYS + TTL_DAYS,
        ),
        row(
            "table",
            "A keyed hash of the person with the shares of requests that they have used.",
            SHARE_DAYS + TTL_DAYS,
        ),
        row(
            "table",
            "Ids and hashes of webhook messages, which name no person.",
            CORRELATION_DAYS + TTL_DAYS,
        ),
        row(
            "table",
            "Replies to requests that were sent during the erasure under an Idempotency-Key, and keyed hashes of those keys.",
            1 + TTL_DAYS,
        ),
        row(
            "table backup",
            "The table as it was before the erasure, readable only by restoring it.",
            BACKUP_DAYS,
        ),
        row(
            "queues and dead letters",
            "Messages with keyed hashes, ids and states, without records and demographics, unless an operator redrives them.",
            DEAD_LETTER_DAYS,
        ),
        row(
            "logs",
            "Lines with ids and codes, without records and demographics.",
            io.log_days(),
        ),
    ]
}
