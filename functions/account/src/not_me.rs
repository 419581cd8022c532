//! Takes a person's report that a record is not theirs, and quarantines their records from the record's pull on. The
//! person needs neither a consent nor a verified identity, because those who withdrew must be able to report.

use shared::Error;
use shared::domain::log::Actor;
use shared::domain::person_root::PersonRoot;
use shared::domain::quarantine::{NotMeReport, QuarantineCause};
use shared::domain::{OwnerId, RecordId};
use shared::edge::http::{Code, Problem};
use shared::edge::{QuarantineView, read_origin, refuse_erasing, view_quarantine};
use shared::ports::Clock;
use shared::store::{Condition, ListPulls, QuarantineWrite, ReadPull, ReadRecord, ReadRoot, ReportRecord};
use tokio::try_join;

/// Maximum number of attempts to store the quarantine. An attempt fails if another process changes the root.
const ATTEMPTS: u32 = 8;

shared::ports! {
    /// Quarantines the records of a person who reports one.
    pub trait Report = ReadRecord + ReadRoot + ReadPull + ListPulls + ReportRecord + Clock;
}

/// Quarantines the person's records. The same report of the record that caused the quarantine changes nothing. A report
/// of a further record leaves its entry, even if the quarantine stays as it is. A record that is still being fetched is
/// hidden when it arrives.
///
/// # Errors
/// Another person's record gets the same 404 as an unknown one. Also fails if the table fails.
pub async fn report(
    io: &impl Report,
    owner: &OwnerId,
    actor: &Actor,
    id: RecordId,
    NotMeReport(reason): NotMeReport,
) -> Result<QuarantineView, Error> {
    let mut tries = 1;
    loop {
        let (record, root) = try_join!(io.record(owner, id), io.root(owner))?;
        let record = record.ok_or_else(|| Problem::new(Code::NotFound))?;
        refuse_erasing(&root)?;
        let cause = QuarantineCause {
            record: id,
            origin: read_origin(io, owner, &record).await?,
            reasons: [reason].into(),
        };
        let now = io.now();
        let next = root.quarantine_for(&cause, now, io.timing());
        if next.is_none() && root.knows_cause(id) {
            return show(&root);
        }
        let write = QuarantineWrite {
            read: &root,
            next: next.as_ref(),
            cause: &cause,
        };
        match io.put_report(owner, &record, write, actor, now).await {
            Err(error) if tries < ATTEMPTS && error.lacks(Condition::RootAsRead) => tries += 1,
            written => {
                written?;
                return show(next.as_ref().unwrap_or(&root));
            }
        }
    }
}

fn show(root: &PersonRoot) -> Result<QuarantineView, Error> {
    let quarantine = root.active_quarantine().map(view_quarantine);
    quarantine.ok_or(Error::Internal("a report without a quarantine"))
}
