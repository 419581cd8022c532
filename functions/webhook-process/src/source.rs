//! A source of a network query ended.

use shared::domain::run::{Outcome as Ended, RunEvent};
use shared::domain::{OwnerId, PatientId, RecordId, RunId, SourceKind, Time};
use shared::queue::{Subject, announce_change};
use shared::store::{Condition, Correlate, ReadRun, RunWrite, StoreError, WriteRun};
use shared::webhook::WebhookEvent;
use shared::{Error, clock};

use crate::Deps;
use crate::process::{ATTEMPTS, DUPLICATE, GONE, Outcome, UNCHANGED, UNMATCHED, done, seen};

/// What the event says.
#[derive(Clone, Copy)]
pub(crate) struct Report<'a> {
    pub(crate) patient: &'a PatientId,
    pub(crate) source: SourceKind,
    pub(crate) status: Ended,
}

pub(crate) async fn report(deps: &Deps, event: &WebhookEvent, report: Report<'_>, now: Time) -> Result<Outcome, Error> {
    let Some((owner, run)) = correlate(deps, event, report.patient).await? else {
        return Ok(UNMATCHED);
    };
    let happened = RunEvent::SourceReported {
        source: report.source,
        status: report.status,
        request: event.request.clone(),
    };
    for _ in 0..ATTEMPTS {
        let spare = RecordId::new(clock::new_id());
        match apply(
            deps,
            event,
            Target {
                owner: &owner,
                run,
                patient: report.patient,
            },
            &happened,
            spare,
            now,
        )
        .await
        {
            Err(Error::Store(StoreError::Conflict(failed))) if failed.contains(&Condition::MessageUnseen) => {
                return Ok(DUPLICATE);
            }
            Err(Error::Store(StoreError::Conflict(_))) => {}
            outcome => return outcome,
        }
    }
    Err(StoreError::Conflict(vec![Condition::RunAsRead]).into())
}

/// By the request we know; else by our own metadata, provided that the patient's open run is the one it names: that is
/// how a start is proved whose answer was lost.
async fn correlate(deps: &Deps, event: &WebhookEvent, patient: &PatientId) -> Result<Option<(OwnerId, RunId)>, Error> {
    if let Some(request) = &event.request {
        match deps.table.by_request(request).await? {
            Some(found) => return Ok(run_of(found.owner, found.subject)),
            None if event.marks.run.is_none() => return Ok(None),
            None => {}
        }
    }
    let open = deps.table.open_run(patient).await?;
    Ok(open.filter(|(_, run)| event.marks.run == Some(*run)))
}

fn run_of(owner: OwnerId, subject: Subject) -> Option<(OwnerId, RunId)> {
    match subject {
        Subject::Run(run) => Some((owner, run)),
        Subject::Record(_) => None,
    }
}

struct Target<'a> {
    owner: &'a OwnerId,
    run: RunId,
    patient: &'a PatientId,
}

async fn apply(
    deps: &Deps,
    event: &WebhookEvent,
    target: Target<'_>,
    happened: &RunEvent,
    spare: RecordId,
    now: Time,
) -> Result<Outcome, Error> {
    let Some(before) = deps.table.run(target.owner, target.run).await? else {
        return Ok(GONE);
    };
    if before.patient != *target.patient {
        return Ok(UNMATCHED);
    }
    let Some(change) = before.apply(happened, now, deps.timing, spare) else {
        return done(deps, event, UNCHANGED, now).await;
    };
    let record = change.new_record(now, deps.timing);
    let write = RunWrite {
        event: happened,
        change: &change,
        record: record.as_ref(),
        challenge: None,
        now,
    };
    deps.table
        .write_run(target.owner, write, Some(&seen(event, now)))
        .await?;
    let moved = (change.run.due_seq != before.due_seq).then_some(&change.run);
    announce_change(&deps.advances, target.owner, moved, record.as_ref(), now).await?;
    Ok("applied")
}
