//! `record-fetch`, as in `functions/record-fetch/src/fetch.rs`.

use std::collections::BTreeMap;

use shared::Error;
use shared::domain::record::{Record, RecordEvent, StoredObject};
use shared::queue::{FetchRecord, announce_end, announce_record};
use shared::store::{ReadRecord, StoreError, claim_record, settle_record};

use crate::Sabotage;
use crate::io::Io;

pub(crate) async fn fetch(io: &Io, message: &FetchRecord) -> Result<&'static str, Error> {
    let now = io.now().await;
    let owner = &message.owner;
    let fresh = |record: &Record| record.due_seq == message.due_seq || io.is(Sabotage::ClaimWithoutDueSeq);
    let Some(record) = io.record(owner, message.record).await?.filter(fresh) else {
        return Ok("stale");
    };
    let claimed = match claim_record(io, owner, &record, &RecordEvent::FetchClaimed, (now, io.timing)).await {
        Ok(Some(claimed)) => claimed,
        Ok(None) | Err(StoreError::Conflict(_)) => return Ok("stale"),
        Err(error) => return Err(error.into()),
    };
    let (event, outcome) = match io.follow(&message.link).await {
        // The digest stands for what was stored, so that the rules can see whether it is what was asked for.
        Some(content) => {
            let object = StoredObject {
                key: String::new(),
                sha256: content.tag(),
                bytes: 1,
                counts: BTreeMap::new(),
            };
            (RecordEvent::Stored(object), "stored")
        }
        None => (RecordEvent::FetchBroken, "broken"),
    };
    let now = io.now().await;
    match settle_record(io, owner, &claimed, &event, (now, io.timing)).await? {
        Some(written) => {
            announce_record(io, owner, &written, now).await?;
            announce_end(io, io, owner, &written).await?;
            Ok(outcome)
        }
        None => Ok("stale"),
    }
}
