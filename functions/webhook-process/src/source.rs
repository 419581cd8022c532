//! Handles the event that a source of a network query ended.

use shared::Error;
use shared::domain::pull::{PullEvent, SourceOutcome};
use shared::domain::{OwnerId, PatientId, PullId, SourceKind, Time};
use shared::edge::announce_change;
use shared::message::Subject;
use shared::message::webhook::WebhookEvent;
use shared::ports::{Clock, NewIds};
use shared::queue::SendAdvance;
use shared::store::{Condition, Correlate, PullWrite, ReadPull, RememberMessage, WritePullOnce};

use crate::outcome::{APPLIED, GONE, UNCHANGED, UNMATCHED, WebhookOutcome, remember, retry_conflicts, seen_message};

shared::ports! {
    pub(crate) trait SettleSource = RememberMessage + ReadPull + WritePullOnce + SendAdvance + Clock + NewIds;
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
    let Some((owner, pull)) = correlate(io, event, report.patient).await? else {
        return Ok(UNMATCHED);
    };
    let target = Target {
        owner: &owner,
        pull,
        patient: report.patient,
    };
    let happened = PullEvent::SourceReported {
        source: report.source,
        status: report.status,
        request: event.request.clone(),
    };
    retry_conflicts(Condition::PullAsRead, || apply(io, event, target, &happened, now)).await
}

/// Finds the pull by its request id, if that is stored. Otherwise finds it by our metadata, if they name the patient's
/// open pull. The webhook then proves a start whose answer was lost.
async fn correlate(
    io: &impl Correlate,
    event: &WebhookEvent,
    patient: &PatientId,
) -> Result<Option<(OwnerId, PullId)>, Error> {
    if let Some(request) = &event.request {
        match io.by_request(request).await? {
            Some(found) => return Ok(pull_of(found.owner, found.subject)),
            None if event.marks.pull.is_none() => return Ok(None),
            None => {}
        }
    }
    let open = io.open_pull(patient).await?;
    Ok(open.filter(|(_, pull)| event.marks.pull == Some(*pull)))
}

fn pull_of(owner: OwnerId, subject: Subject) -> Option<(OwnerId, PullId)> {
    match subject {
        Subject::Pull(pull) => Some((owner, pull)),
        Subject::Record(_) => None,
    }
}

#[derive(Clone, Copy)]
struct Target<'a> {
    owner: &'a OwnerId,
    pull: PullId,
    patient: &'a PatientId,
}

async fn apply(
    io: &impl SettleSource,
    event: &WebhookEvent,
    target: Target<'_>,
    happened: &PullEvent,
    now: Time,
) -> Result<WebhookOutcome, Error> {
    let Some(before) = io.pull(target.owner, target.pull).await? else {
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
    let write = PullWrite {
        event: happened,
        change: &change,
        record: record.as_ref(),
        challenge: None,
        now,
    };
    io.write_pull_once(target.owner, write, &seen_message(event, now))
        .await?;
    let moved = (change.pull.due_seq != before.due_seq).then_some(&change.pull);
    announce_change(io, target.owner, moved, record.as_ref(), now).await?;
    Ok(APPLIED)
}
