//! The log of injected faults, and which of them can have hit a pull.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::judge::Hit;
use super::plan::Kind;

/// The function that starts queries.
const STARTER: &str = "query-dispatch";
/// Tolerance: an event is written a little after its time (`at`), and a process dies a little after its kill is logged.
const SLACK_MS: i64 = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Injection {
    pub(super) kind: Kind,
    /// The function that the fault hit; empty for a webhook and for a queue message.
    pub(super) function: String,
    /// The pull, if the fault hit the call that starts it.
    pub(super) pull: Option<String>,
    pub(super) at_ms: i64,
}

#[derive(Default)]
pub(super) struct Log(Mutex<Vec<Injection>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Injection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, injection: Injection) {
        self.lock().push(injection);
    }

    pub(super) fn take(&self) -> Vec<Injection> {
        std::mem::take(&mut *self.lock())
    }
}

pub(super) fn counts(injections: &[Injection]) -> BTreeMap<Kind, usize> {
    super::judge::tally(injections.iter().map(|injection| injection.kind))
}

/// The hits on a pull. They are faults of its own start call, kills of `query-dispatch` before or during the start, and
/// a status that could not be read after a source had failed.
pub(super) fn hits(pull: &str, timeline: &[Value], injections: &[Injection]) -> Vec<Hit> {
    let own = injections
        .iter()
        .filter(|injection| injection.pull.as_deref() == Some(pull));
    let mut hits: Vec<Hit> = own.filter_map(|injection| of_start(injection.kind)).collect();
    let deaths = |from: i64, to: i64| {
        injections.iter().any(|injection| {
            injection.function == STARTER
                && injection.kind.is_kill()
                && (from - SLACK_MS..=to + SLACK_MS).contains(&injection.at_ms)
        })
    };
    let spans = Spans::of(timeline);
    if spans.started.is_some_and(|(from, to)| deaths(from, to)) {
        hits.push(Hit::StartUnknown);
    }
    if spans.waited.is_some_and(|(from, to)| deaths(from, to)) {
        hits.push(Hit::StartHeldUp);
    }
    if retry_unread(timeline) {
        hits.push(Hit::RetryUnread);
    }
    hits.sort_unstable();
    hits.dedup();
    hits
}

/// Whether a status could not be read after a source had failed.
fn retry_unread(timeline: &[Value]) -> bool {
    let failed = |event: &Value| code(event) == "source_reported" && event.get("status") == Some(&json!("failed"));
    let failed = timeline.iter().position(failed);
    failed.is_some_and(|n| timeline.iter().skip(n).any(|event| code(event) == "poll_failed"))
}

/// The hit that a fault of the start call makes.
const fn of_start(kind: Kind) -> Option<Hit> {
    match kind {
        Kind::UpstreamLimited | Kind::UpstreamThrottled => Some(Hit::StartHeldUp),
        Kind::SourceLimited => Some(Hit::SourceLimited),
        Kind::UpstreamError
        | Kind::UpstreamErrorAfter
        | Kind::UpstreamTimeout
        | Kind::UpstreamTruncated
        | Kind::ResetBefore
        | Kind::ResetAfter
        | Kind::KilledBeforeCall
        | Kind::KilledAfterCall => Some(Hit::StartUnknown),
        _ => None,
    }
}

/// Two spans of time in milliseconds: `waited` ends at the claim of the start, and `started` goes from the claim to the
/// next event.
#[derive(Default)]
struct Spans {
    waited: Option<(i64, i64)>,
    started: Option<(i64, i64)>,
}

impl Spans {
    fn of(timeline: &[Value]) -> Self {
        let at = |event: &Value| time(event.get("at"));
        let accepted = timeline.first().map(at);
        let claim = timeline.iter().rposition(|event| code(event) == "start_claimed");
        let claimed = claim.and_then(|n| timeline.get(n)).map(at);
        let next = claim.and_then(|n| timeline.get(n + 1)).map(at);
        let last = timeline.last().map(at);
        Self {
            waited: accepted.zip(claimed.or(last)),
            started: claimed.zip(next.or(last)),
        }
    }
}

/// Whether the last start in the timeline was tried: claimed, and then neither deferred nor refused.
pub(super) fn tried(timeline: &[Value]) -> bool {
    let last = timeline
        .iter()
        .rfind(|event| ["start_claimed", "start_deferred", "start_refused"].contains(&code(event)));
    last.is_some_and(|event| code(event) == "start_claimed")
}

/// Whether a start was claimed after the consent was withdrawn.
pub(super) fn claims_after_withdrawal(timeline: &[Value]) -> bool {
    let after = timeline.iter().skip_while(|event| code(event) != "consent_withdrawn");
    after.into_iter().any(|event| code(event) == "start_claimed")
}

/// A timeline in one line.
pub(super) fn story(timeline: &[Value]) -> String {
    let at = |event: &Value| time(event.get("at"));
    let begun = timeline.first().map(at).unwrap_or_default();
    let events = timeline.iter().map(|event| {
        let more = ["source", "status", "cause", "reason"].map(|name| event.get(name).and_then(Value::as_str));
        let more: String = more.into_iter().flatten().map(|word| format!(" {word}")).collect();
        format!("+{} {}{more}", at(event) - begun, code(event))
    });
    events.collect::<Vec<_>>().join(", ")
}

fn code(event: &Value) -> &str {
    event.get("code").and_then(Value::as_str).unwrap_or_default()
}

fn time(text: Option<&Value>) -> i64 {
    let text = text.and_then(Value::as_str).unwrap_or_default();
    shared::domain::Time::parse(text)
        .map(shared::domain::Time::millis)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Vec<Value> {
        vec![
            json!({ "at": "2026-11-22T10:00:00.000Z", "code": "accepted" }),
            json!({ "at": "2026-11-22T10:00:01.000Z", "code": "start_claimed" }),
            json!({ "at": "2026-11-22T10:00:02.000Z", "code": "started" }),
            json!({ "at": "2026-11-22T10:00:09.000Z", "code": "source_reported" }),
        ]
    }

    fn death(at: &str) -> Injection {
        Injection {
            kind: Kind::KilledAfterCall,
            function: STARTER.to_owned(),
            pull: None,
            at_ms: time(Some(&json!(at))),
        }
    }

    #[test]
    fn kill_hits_the_start_only_while_it_waits_or_is_claimed() {
        let of = |at| hits("r", &timeline(), &[death(at)]);
        assert_eq!(of("2026-11-22T10:00:01.500Z"), [Hit::StartUnknown]);
        assert_eq!(of("2026-11-22T10:00:00.500Z"), [Hit::StartHeldUp]);
        assert_eq!(of("2026-11-22T10:00:08.000Z"), []);
    }

    #[test]
    fn start_fault_hits_only_its_own_pull() {
        let of = |pull: &str| Injection {
            pull: Some(pull.to_owned()),
            kind: Kind::UpstreamTimeout,
            function: STARTER.to_owned(),
            at_ms: 0,
        };
        assert_eq!(hits("r", &timeline(), &[of("r")]), [Hit::StartUnknown]);
        assert_eq!(hits("r", &timeline(), &[of("other")]), []);
    }

    #[test]
    fn unread_status_after_a_failed_source_is_a_hit() {
        let failed = json!({ "at": "2026-11-22T10:00:03.000Z", "code": "source_reported", "status": "failed" });
        let unread = json!({ "at": "2026-11-22T10:00:04.000Z", "code": "poll_failed" });
        let of = |events: &[&Value]| {
            let more = events.iter().map(|event| (*event).clone()).collect();
            hits("r", &[timeline(), more].concat(), &[])
        };
        assert_eq!(of(&[&failed, &unread]), [Hit::RetryUnread]);
        assert_eq!((of(&[&failed]), of(&[&unread, &failed])), (vec![], vec![]));
    }

    #[test]
    fn start_claimed_after_the_withdrawal_is_found() {
        let withdrawn = json!({ "at": "2026-11-22T10:00:03.000Z", "code": "consent_withdrawn" });
        let before = [timeline(), vec![withdrawn.clone()]].concat();
        assert!(!claims_after_withdrawal(&before) && !claims_after_withdrawal(&timeline()));
        assert!(claims_after_withdrawal(&[vec![withdrawn], timeline()].concat()));
    }

    #[test]
    fn deferred_start_does_not_count_as_tried() {
        assert!(tried(&timeline()));
        let deferred = json!({ "at": "2026-11-22T10:00:02.000Z", "code": "start_deferred" });
        assert!(!tried(&[timeline(), vec![deferred]].concat()));
        assert!(!tried(&[]));
    }
}
