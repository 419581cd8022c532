//! `ias explain`: describes in plain words what happened to a pull, from its timeline.

use reqwest::Method;
use sandbox_machine::app::App;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::cli::ExplainArgs;
use crate::report::say_line;

pub(crate) async fn explain(args: &ExplainArgs) -> Result<(), String> {
    let app = App::new(&args.api, args.token.required()?.expose_secret()).map_err(|error| error.to_string())?;
    let path = format!("/v1/network-queries/{}", args.run);
    let pull = fetch(&app, &path).await?;
    let timeline = fetch(&app, &format!("{path}/timeline")).await?;
    for line in render_timeline(&pull, &timeline) {
        say_line(&line);
    }
    Ok(())
}

async fn fetch(app: &App, path: &str) -> Result<Value, String> {
    let reply = app
        .send(Method::GET, path, None)
        .await
        .map_err(|error| error.to_string())?;
    match reply.status {
        200 => Ok(reply.body),
        401 => Err("the API does not accept this token: has it expired?".to_owned()),
        404 => Err("the person has no pull with this id".to_owned()),
        status => Err(format!("the API answered {status} {}", reply.code())),
    }
}

/// Describes a pull: its present status, a line for each event, and the next action.
#[must_use]
pub fn render_timeline(pull: &Value, timeline: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "Pull {} is {}.",
        read_text(pull, "id"),
        read_text(pull, "status").replace('_', " ")
    )];
    let events = timeline.get("events").and_then(Value::as_array);
    for event in events.into_iter().flatten() {
        let made = match read_text(event, "record") {
            "" => String::new(),
            record => format!(" Record {record} is requested."),
        };
        lines.push(format!("  {}  {}{made}", read_text(event, "at"), sentence(event)));
    }
    lines.push(
        match pull.pointer("/next/action").and_then(Value::as_str).unwrap_or_default() {
            "wait" => "Next: wait.".to_owned(),
            "read_record" => "Next: read the record.".to_owned(),
            action => format!("Next: {}.", action.replace('_', " ")),
        },
    );
    lines
}

fn read_text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn sentence(event: &Value) -> String {
    let reason = read_text(event, "reason").replace('_', " ");
    let until = read_text(event, "until");
    match read_text(event, "code") {
        "accepted" => "The pull was accepted; its challenge is used and its patient is locked.".to_owned(),
        "start_claimed" => "The start was claimed, before the call to Metriport.".to_owned(),
        "started" => "Metriport started the query.".to_owned(),
        "start_deferred" if read_text(event, "cause") == "rate_limited" => {
            format!("Metriport accepts no more queries at the moment; the start is retried at {until}.")
        }
        "start_deferred" if read_text(event, "cause") == "budget" => {
            format!("The start waits for its turn within Metriport's limits; it is planned for {until}.")
        }
        "start_deferred" => format!("Metriport could not be reached; the start is retried at {until}."),
        "start_refused" => format!("Metriport refused the query: {reason}."),
        "start_unknown" => {
            "The call got no definite answer. Metriport may have started the query, so the start is not repeated."
                .to_owned()
        }
        "start_stayed_unknown" => "Nothing proved that the query ran. The record is requested nevertheless.".to_owned(),
        "start_too_late" => "The AAL2 session ended before the query could start.".to_owned(),
        "source_reported" => match read_text(event, "status") {
            "completed" => format!("The source {} has answered.", read_text(event, "source")),
            _ => format!("The source {} has failed.", read_text(event, "source")),
        },
        "polled" => format!("Metriport reported: {}.", reported(event)),
        "poll_failed" => format!("The query's status could not be read; the next attempt is at {until}."),
        "deadline_passed" => {
            "The time for the sources is over; a source without an answer counts as expired.".to_owned()
        }
        "record_awaited" => format!("The record is not ready yet; the next check is at {until}."),
        "record_ended" => match event.get("available").and_then(Value::as_bool) {
            Some(true) => "The record has arrived.".to_owned(),
            _ => "The record is not available.".to_owned(),
        },
        "consent_withdrawn" => "The person withdrew their consent, which ended the pull.".to_owned(),
        "records_purged" => "An operator deleted the quarantined records, which ended the pull.".to_owned(),
        other => format!("An event that this version does not know: {other}."),
    }
}

fn reported(event: &Value) -> String {
    let sources = event.pointer("/report/sources").and_then(Value::as_array);
    let outcomes = sources.into_iter().flatten().map(|source| {
        let outcome = Some(read_text(source, "outcome")).filter(|outcome| !outcome.is_empty());
        format!("{} {}", read_text(source, "source"), outcome.unwrap_or("in progress"))
    });
    outcomes.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::domain::pull::{Deferral, FailureReason, PullEvent, QueryReport, SourceOutcome};
    use shared::domain::{SourceKind, Time, UpstreamRequestId};

    /// Every event code must have its own sentence.
    #[test]
    fn every_pull_event_has_its_own_sentence() {
        let until = Time::parse("2026-11-22T10:40:00Z").unwrap();
        let request = UpstreamRequestId::parse("r").unwrap();
        let events = [
            PullEvent::StartClaimed,
            PullEvent::Started {
                request,
                report: QueryReport::default(),
            },
            PullEvent::StartDeferred {
                cause: Deferral::RateLimited,
                until,
            },
            PullEvent::StartDeferred {
                cause: Deferral::NotSent,
                until,
            },
            PullEvent::StartDeferred {
                cause: Deferral::Budget,
                until,
            },
            PullEvent::StartRefused {
                reason: FailureReason::UpstreamRefused,
            },
            PullEvent::StartUnknown,
            PullEvent::StartStayedUnknown,
            PullEvent::StartTooLate,
            PullEvent::SourceReported {
                source: SourceKind::Hie,
                status: SourceOutcome::Failed,
                request: None,
            },
            PullEvent::Polled {
                report: QueryReport::default(),
            },
            PullEvent::PollFailed { until },
            PullEvent::DeadlinePassed,
            PullEvent::RecordAwaited { until },
            PullEvent::RecordEnded { available: true },
            PullEvent::ConsentWithdrawn,
            PullEvent::RecordsPurged,
        ];
        let sentences: std::collections::BTreeSet<_> = events.iter().map(|event| sentence(&json!(event))).collect();
        assert_eq!(sentences.len(), events.len());
        assert!(sentences.iter().all(|sentence| !sentence.contains("does not know")));
    }
}
