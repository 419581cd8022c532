//! Pulls as the person sees them.

use serde::Serialize;
use serde_json::Value;
use shared::Error;
use shared::domain::consent::ConsentRule;
use shared::domain::person_root::PersonRoot;
use shared::domain::pull::{FailureReason, Pull, PullState, RecordPhase, TimelineEntry};
use shared::domain::quarantine::QuarantineState;
use shared::domain::{OwnerId, PullId, RecordId, SourceKind, SourceStatus, Time};
use shared::edge::http::{Code, Next, Problem};
use shared::ports::ConsentTerms;
use shared::store::{ListPulls, ReadPull, ReadRoot};
use tokio::try_join;

/// Maximum number of pulls that a list shows.
const LIST_MAX: i32 = 50;

/// One pull.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PullView {
    id: PullId,
    status: PullState,
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
    network_queries: Vec<PullView>,
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

/// The newest pulls of the caller.
///
/// # Errors
/// Fails if the table cannot be read.
pub async fn list(
    io: &(impl ListPulls + ReadRoot + ConsentTerms),
    owner: &OwnerId,
    now: Time,
) -> Result<QueryListView, Error> {
    let (pulls, root) = try_join!(io.pulls(owner, LIST_MAX), io.root(owner))?;
    let view = |pull| of_persons_pull(pull, &root, io.consent_rule(), now);
    Ok(QueryListView {
        network_queries: pulls.iter().map(view).collect(),
    })
}

/// One pull of the caller.
///
/// # Errors
/// Fails if the pull is not found or the table cannot be read. Another person's pull gets the same 404 as an unknown
/// one.
pub async fn show(
    io: &(impl ReadPull + ReadRoot + ConsentTerms),
    owner: &OwnerId,
    pull: PullId,
    now: Time,
) -> Result<PullView, Error> {
    let (pull, root) = try_join!(io.pull(owner, pull), io.root(owner))?;
    let pull = pull.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(of_persons_pull(&pull, &root, io.consent_rule(), now))
}

/// The timeline of a pull of the caller.
///
/// # Errors
/// Fails like [`show`].
pub async fn timeline(io: &impl ListPulls, owner: &OwnerId, pull: PullId) -> Result<TimelineView, Error> {
    let entries = io.timeline(owner, pull).await?;
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
        event: entry.shown_event(),
        record: entry.record,
    }
}

/// One pull of a person with this root. The next action leads to no record that is quarantined or deleted.
#[must_use]
pub fn of_persons_pull(pull: &Pull, root: &PersonRoot, rule: &ConsentRule, now: Time) -> PullView {
    let view = of_pull(pull, rule, now);
    let quarantine = root
        .quarantine
        .as_ref()
        .filter(|quarantine| quarantine.covers_pull(pull));
    let next = match (quarantine.map(|quarantine| quarantine.state), view.status) {
        (Some(QuarantineState::Active), status) if !status.waits() => Next::CONTACT_SUPPORT,
        (Some(QuarantineState::Purged), PullState::Completed | PullState::Partial) => Next::OPEN_CHALLENGE,
        _ => view.next,
    };
    PullView { next, ..view }
}

/// One pull, in the state that a reader sees at `now`. `rule` decides what follows a withdrawal of consent.
#[must_use]
pub fn of_pull(pull: &Pull, rule: &ConsentRule, now: Time) -> PullView {
    let text = |time: Option<Time>| time.map(|time| time.to_string());
    let reference = |id: Option<RecordId>, phase| id.map(|id| RecordRef { id, phase });
    let records = [
        reference(pull.hie_record, RecordPhase::Hie),
        reference(pull.final_record, RecordPhase::Final),
    ];
    PullView {
        id: pull.id,
        status: pull.shown_state(now),
        purpose_of_use: "ias",
        sources: pull
            .sources
            .iter()
            .map(|(kind, source)| SourceView {
                kind,
                status: pull.shown_source(source.status, now),
                completed_at: text(source.settled_at),
                http_status: source.http_status,
            })
            .collect(),
        created_at: pull.created_at.to_string(),
        estimated_start_at: text(pull.estimated_start(now)),
        started_at: text(pull.started_at),
        completed_at: text(pull.ended_at),
        expires_at: pull.expires_at.to_string(),
        records: records.into_iter().flatten().collect(),
        reason: pull.shown_reason(now),
        next: next(pull, rule, now),
    }
}

fn next(pull: &Pull, rule: &ConsentRule, now: Time) -> Next {
    let record = || pull.final_record.map_or(Next::NONE, Next::read_record);
    match (pull.shown_state(now), pull.shown_reason(now)) {
        (PullState::Queued | PullState::Starting | PullState::Running | PullState::Consolidating, _) => Next::WAIT,
        (PullState::Completed | PullState::Partial, _) => record(),
        (PullState::Failed, Some(FailureReason::IdentityRejected)) => Next::VERIFY_IDENTITY,
        (PullState::Failed, Some(FailureReason::RecordUnavailable)) => Next::REQUEST_RECORD,
        (PullState::Withdrawn, _) if *rule != ConsentRule::KeptElsewhere => Next::GIVE_CONSENT,
        (PullState::Failed | PullState::Unconfirmed | PullState::Expired | PullState::Withdrawn, _) => {
            Next::OPEN_CHALLENGE
        }
    }
}
