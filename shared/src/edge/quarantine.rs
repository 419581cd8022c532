//! Quarantined records: the condition for requests of new records, the origin of a record, and the quarantine as the
//! person sees it.

use serde::Serialize;

use crate::domain::person_root::PersonRoot;
use crate::domain::quarantine::{Quarantine, QuarantineReason, QuarantineState, RecordOrigin};
use crate::domain::record::Record;
use crate::domain::{OwnerId, PullId};
use crate::edge::error::Error;
use crate::edge::http::{Code, Next, Problem};
use crate::store::{ListPulls, ReadPull};

/// Maximum number of pulls among which a requested record's origin is searched. If none of them fits, every record
/// is quarantined.
const PULLS_READ: i32 = 50;

/// The condition for a challenge, a pull and a request for a record: no quarantine hides the person's records. A new
/// record would be hidden, too, and could hold more data of another person.
///
/// # Errors
/// When a quarantine is active.
pub fn refuse_quarantined(root: &PersonRoot) -> Result<(), Error> {
    match root.active_quarantine() {
        Some(_) => Err(Problem::new(Code::RecordQuarantined).into()),
        None => Ok(()),
    }
}

/// The pull from which a record's data come. If the pull is not stored, every record of the person is included.
///
/// # Errors
/// Fails if the table cannot be read.
pub async fn read_origin(
    io: &(impl ReadPull + ListPulls),
    owner: &OwnerId,
    record: &Record,
) -> Result<RecordOrigin, Error> {
    match record.pull {
        Some(pull) => {
            let pull = io.pull(owner, pull).await?;
            Ok(pull.as_ref().map(RecordOrigin::of_pull).unwrap_or_default())
        }
        None => {
            let pulls = io.pulls(owner, PULLS_READ).await?;
            Ok(RecordOrigin::of_requested(record, &pulls))
        }
    }
}

/// The last quarantine of a person's records.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineView {
    status: QuarantineState,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_query: Option<PullId>,
    reasons: Vec<QuarantineReason>,
    quarantined_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    next: Next,
}

/// A quarantine as the person sees it.
#[must_use]
pub fn view_quarantine(quarantine: &Quarantine) -> QuarantineView {
    QuarantineView {
        status: quarantine.state,
        network_query: quarantine.pull,
        reasons: quarantine.reasons.iter().copied().collect(),
        quarantined_at: quarantine.at.to_string(),
        purge_by: quarantine.is_active().then(|| quarantine.purge_by.to_string()),
        ended_at: quarantine.ended_at.map(|time| time.to_string()),
        next: match quarantine.state {
            QuarantineState::Active => Next::CONTACT_SUPPORT,
            QuarantineState::Released => Next::NONE,
            QuarantineState::Purged => Next::OPEN_CHALLENGE,
        },
    }
}
