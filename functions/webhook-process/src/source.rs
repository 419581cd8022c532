//! Handles the event that a source of a network query ended.

use shared::Error;
use shared::domain::run::{RunEvent, SourceOutcome};
use shared::domain::{OwnerId, PatientId, RunId, SourceKind, Time};
use shared::edge::announce_change;
use shared::message::Subject;
use shared::message::webhook::WebhookEvent;
use shared::ports::{Clock, NewIds};
use shared::queue::SendAdvance;
use shared::store::{Condition, Correlate, ReadRun, RememberMessage, RunWrite, WriteRunOnce};

use crate::outcome::{APPLIED, GONE, UNCHANGED, UNMATCHED, WebhookOutcome, remember, retry_conflicts, seen_message};

shared::ports! {
    pub(crate) trait SettleSource = RememberMessage + ReadRun + WriteRunOnce + SendAdvance + Clock + NewIds;
}

#[derive(Clone, Copy)]
pub(crate) struct SourceEndReport<'a> {
    pub(crate) patient: &'a PatientId,
    pub(crate) source: SourceKind,
    pub(crate) status: SourceOutcome,
}

pub(crate) async fn report(
    io: &(impl SettleSource + Correlate),
    event: &WebhookEvent,
    report: SourceEndReport<'_>,
    now: Time,
) -> Result<WebhookOutcome, Error> {
    let Some((owner, run)) = correlate(io, event, report.patient).await? else {
        return Ok(UNMATCHED);
    };
    let target = Target {
        owner: &owner,
        run,
        patient: report.patient,
    };
    let happened = RunEvent::SourceReported {
        source: report.source,
        status: report.status,
        request: event.request.clone(),
    };
    retry_conflicts(Condition::RunAsRead, || apply(io, event, target, &happened, now)).await
}

/// Finds the run by its request id, if that is stored. Otherwise finds it by our metadata, if they name the patient's
/// open run. The webhook then proves a start whose answer was lost.
async fn correlate(
    io: &impl Correlate,
    event: &WebhookEvent,
    patient: &PatientId,
) -> Result<Option<(OwnerId, RunId)>, Error> {
    if let Some(request) = &event.request {
        match io.by_request(request).await? {
            Some(found) => return Ok(run_of(found.owner, found.subject)),
            None if event.marks.run.is_none() => return Ok(None),
            None => {}
        }
    }
    let open = io.open_run(patient).await?;
    Ok(open.filter(|(_, run)| event.marks.run == Some(*run)))
}

fn run_of(owner: OwnerId, subject: Subject) -> Option<(OwnerId, RunId)> {
    match subject {
        Subject::Run(run) => Some((owner, run)),
        Subject::Record(_) => None,
    }
}

#[derive(Clone, Copy)]
struct Target<'a> {
    owner: &'a OwnerId,
    run: RunId,
    patient: &'a PatientId,
}

async fn apply(
    io: &impl SettleSource,
    event: &WebhookEvent,
    target: Target<'_>,
    happened: &RunEvent,
    now: Time,
) -> Result<WebhookOutcome, Error> {
    let Some(before) = io.run(target.owner, target.run).await? else {
        return Ok(GONE);
    };
    if before.patient != *target.patient {
        return Ok(UNMATCHED);
    }
    let spare = io.new_record(before.id, before.version + 1);
    let Some(change) = before.apply(happened, now, io.timing(), spare) else {
        return remember(io, event, UNCHANGED, now).await;
    };
    let record = change.new_record(now, io.timing());
    let write = RunWrite {
        event: happened,
        change: &change,
        record: record.as_ref(),
        challenge: None,
        now,
    };
    io.write_run_once(target.owner, write, &seen_message(event, now))
        .await?;
    let moved = (change.run.due_seq != before.due_seq).then_some(&change.run);
    announce_change(io, target.owner, moved, record.as_ref(), now).await?;
    Ok(APPLIED)
}
