//! Folds the reports of single providers into one report per kind of source.
//!
//! A kind may appear several times among the sources (one entry per provider), only among the errors, or among both.
//! The rules are those of the published package `@metriport/shared`. A source with an unknown status counts as still
//! running, at most until the pull's deadline.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{NetworkQueryStatus, SourceReport, SourceState};
use crate::domain::pull::SourceOutcome;
use crate::domain::{SourceKind, Time};
use crate::metriport::{Mentions, tolerant};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireSource {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "tolerant::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "tolerant::time")]
    started_at: Option<Time>,
    #[serde(default, deserialize_with = "tolerant::time")]
    completed_at: Option<Time>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireError {
    source: String,
    #[serde(default, deserialize_with = "tolerant::count")]
    http_status: Option<u64>,
    #[serde(default, deserialize_with = "tolerant::text")]
    message: Option<String>,
}

pub(super) fn reports(sources: &[WireSource], errors: &[WireError]) -> BTreeMap<SourceKind, SourceReport> {
    let mut by_kind: BTreeMap<SourceKind, Vec<&WireSource>> = BTreeMap::new();
    for source in sources {
        if let Some(kind) = SourceKind::from_wire(&source.kind) {
            by_kind.entry(kind).or_default().push(source);
        }
    }
    let mut reports: BTreeMap<_, _> = by_kind.iter().map(|(kind, entries)| (*kind, fold(entries))).collect();
    for error in errors {
        if let Some(kind) = SourceKind::from_wire(&error.source) {
            reports.entry(kind).or_insert_with(not_started).blame(error);
        }
    }
    reports
}

/// Folds the entries of one kind. The kind runs while one of its providers runs. Once all of them have ended, the kind
/// has answered if at least one of them has.
fn fold(entries: &[&WireSource]) -> SourceReport {
    let state = |entry: &&WireSource| SourceState::from_wire(entry.status.as_deref().unwrap_or_default());
    let states: Vec<SourceState> = entries.iter().map(state).collect();
    let running = states.iter().find(|state| state.outcome().is_none()).cloned();
    let answered = states.contains(&SourceState::Completed);
    let settled = if answered {
        SourceState::Completed
    } else {
        SourceState::Failed
    };
    let ends: Option<Vec<Time>> = entries.iter().map(|entry| entry.completed_at).collect();
    SourceReport {
        state: running.unwrap_or(settled),
        started_at: entries.iter().filter_map(|entry| entry.started_at).min(),
        completed_at: ends.and_then(|ends| ends.into_iter().max()),
        http_status: None,
        mentions: Mentions::default(),
    }
}

fn not_started() -> SourceReport {
    SourceReport {
        state: SourceState::Failed,
        started_at: None,
        completed_at: None,
        http_status: None,
        mentions: Mentions::default(),
    }
}

impl SourceReport {
    /// Adds an error. The state stays, because another provider of the kind may still run. The error's text is not read
    /// if the source broke or is rate limited: an outage must not make a person prove their identity again.
    fn blame(&mut self, error: &WireError) {
        let status = error.http_status.and_then(|status| u16::try_from(status).ok());
        let refuses = status.is_none_or(|status| (400..500).contains(&status) && status != 429);
        let words = error.message.as_deref().filter(|_| refuses);
        let mentions = Mentions::in_text(words.unwrap_or_default());
        let mentions = mentions.or_aal2_by_status(status.unwrap_or_default());
        self.http_status = self.http_status.or(status);
        self.mentions = Mentions {
            aal2: self.mentions.aal2 || mentions.aal2,
            identity: self.mentions.identity || mentions.identity,
            redirect: self.mentions.redirect || mentions.redirect,
        };
    }
}

pub(super) fn overall(sources: &BTreeMap<SourceKind, SourceReport>) -> NetworkQueryStatus {
    let outcomes: Option<Vec<SourceOutcome>> = sources.values().map(|report| report.state.outcome()).collect();
    let Some(outcomes) = outcomes.filter(|outcomes| !outcomes.is_empty()) else {
        return NetworkQueryStatus::Processing;
    };
    match (
        outcomes.contains(&SourceOutcome::Completed),
        outcomes.contains(&SourceOutcome::Failed),
    ) {
        (true, true) => NetworkQueryStatus::Partial,
        (true, false) => NetworkQueryStatus::Completed,
        (false, _) => NetworkQueryStatus::Failed,
    }
}
