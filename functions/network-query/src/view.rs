//! Runs as the person sees them.

use serde::Serialize;
use serde_json::{Value, json};
use shared::Error;
use shared::domain::run::{FailureReason, RecordPhase, Run, RunEvent, RunState};
use shared::domain::{OwnerId, RecordId, RunId, SourceKind, SourceStatus, Time};
use shared::edge::http::{Code, Next, Problem};
use shared::store::{ListRuns, ReadRun, TimelineEntry};

/// Most runs that a list shows.
const LIST_MAX: i32 = 50;

/// One pull.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    id: RunId,
    status: RunState,
    purpose_of_use: &'static str,
    sources: Vec<SourceView>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_start_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    expires_at: String,
    records: Vec<RecordRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    next: Next,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceView {
    #[serde(rename = "type")]
    kind: SourceKind,
    status: SourceStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
}

#[derive(Serialize)]
struct RecordRef {
    id: RecordId,
    phase: RecordPhase,
}

/// `GET /v1/network-queries`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryListView {
    network_queries: Vec<RunView>,
}

/// `GET /v1/network-queries/{id}/timeline`.
#[derive(Serialize)]
pub struct TimelineView {
    events: Vec<EventView>,
}

/// One line of a timeline.
#[derive(Serialize)]
pub struct EventView {
    n: u64,
    at: String,
    #[serde(flatten)]
    event: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordId>,
}

/// The newest runs of the caller.
///
/// # Errors
/// Fails if the table cannot be read.
pub async fn list(io: &impl ListRuns, owner: &OwnerId, now: Time) -> Result<QueryListView, Error> {
    let runs = io.runs(owner, LIST_MAX).await?;
    Ok(QueryListView {
        network_queries: runs.iter().map(|run| of_run(run, now)).collect(),
    })
}

/// One run of the caller.
///
/// # Errors
/// Fails if the run is not found or the table cannot be read. Another person's run gets the same 404 as an unknown one.
pub async fn show(io: &impl ReadRun, owner: &OwnerId, run: RunId, now: Time) -> Result<RunView, Error> {
    let run = io.run(owner, run).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(of_run(&run, now))
}

/// The timeline of a run of the caller.
///
/// # Errors
/// Fails like [`show`].
pub async fn timeline(io: &impl ListRuns, owner: &OwnerId, run: RunId) -> Result<TimelineView, Error> {
    let entries = io.timeline(owner, run).await?;
    if entries.is_empty() {
        return Err(Problem::new(Code::NotFound).into());
    }
    Ok(TimelineView {
        events: entries.into_iter().map(of_entry).collect(),
    })
}

/// One line of a timeline as it is shown.
#[must_use]
pub fn of_entry(entry: TimelineEntry) -> EventView {
    EventView {
        n: entry.n,
        at: entry.at.to_string(),
        event: entry
            .event
            .as_ref()
            .map_or_else(|| json!({ "code": "accepted" }), shown),
        record: entry.record,
    }
}

/// The stored event with its time `until` as text, as in the rest of the API.
fn shown(event: &RunEvent) -> Value {
    let mut event = json!(event);
    let until = event.get("until").and_then(Value::as_i64);
    if let (Some(until), Some(fields)) = (until, event.as_object_mut()) {
        fields.insert("until".to_owned(), Value::String(Time::from_millis(until).to_string()));
    }
    event
}

/// One run, in the state that a reader sees at `now`.
#[must_use]
pub fn of_run(run: &Run, now: Time) -> RunView {
    let text = |time: Option<Time>| time.map(|time| time.to_string());
    let reference = |id: Option<RecordId>, phase| id.map(|id| RecordRef { id, phase });
    let records = [
        reference(run.hie_record, RecordPhase::Hie),
        reference(run.final_record, RecordPhase::Final),
    ];
    RunView {
        id: run.id,
        status: run.shown_state(now),
        purpose_of_use: "ias",
        sources: run
            .sources
            .iter()
            .map(|(kind, source)| SourceView {
                kind,
                status: source.status,
                completed_at: text(source.settled_at),
                http_status: source.http_status,
            })
            .collect(),
        created_at: run.created_at.to_string(),
        estimated_start_at: text(run.estimated_start(now)),
        started_at: text(run.started_at),
        completed_at: text(run.ended_at),
        expires_at: run.expires_at.to_string(),
        records: records.into_iter().flatten().collect(),
        reason: run.shown_reason(now),
        next: next(run, now),
    }
}

fn next(run: &Run, now: Time) -> Next {
    let record = || run.final_record.map_or(Next::NONE, Next::read_record);
    match (run.shown_state(now), run.shown_reason(now)) {
        (RunState::Queued | RunState::Starting | RunState::Running | RunState::Consolidating, _) => Next::WAIT,
        (RunState::Completed | RunState::Partial, _) => record(),
        (RunState::Failed, Some(FailureReason::IdentityRejected)) => Next::VERIFY_IDENTITY,
        (RunState::Failed, Some(FailureReason::RecordUnavailable)) => Next::REQUEST_RECORD,
        (RunState::Failed | RunState::Unconfirmed | RunState::Expired, _) => Next::OPEN_CHALLENGE,
    }
}
