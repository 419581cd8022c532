//! The facts about each pull after the end of the proof: the app's view, Metriport's view and the log of faults.

use std::collections::{BTreeMap, BTreeSet};

use sandbox_machine::Sandbox;
use sandbox_metriport::{Operation, QuerySummary};
use shared::webhook::PULL_MARK;

use super::evidence::{self, Injection};
use super::inject::UpstreamCall;
use super::judge::{Facts, Hit, tally};
use super::person::NO_CONSENT;
use super::pulled::{Ended, Ending, Pull};

/// Calls to Metriport of a pull without faults, by persona and whether it is the person's first.
pub(super) type Usual = BTreeMap<(String, bool), i64>;

/// The cost of the pulls without faults.
pub(super) fn usual(reference: &[Pull], calls: &[UpstreamCall]) -> Usual {
    let cost = |pull: &Pull| calls_of(pull, calls);
    reference
        .iter()
        .map(|pull| ((pull.persona.name().to_owned(), pull.first), cost(pull)))
        .collect()
}

/// Pulls and queries that a person did not ask for: each is a doubled effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Strays {
    /// Pulls that our API lists.
    pub(super) pulls: usize,
    /// Network queries at Metriport.
    pub(super) queries: usize,
}

/// The facts about every pull.
pub(super) fn of(
    sandbox: &Sandbox,
    pulls: &[Pull],
    usual: &Usual,
    (calls, injections): (&[UpstreamCall], &[Injection]),
) -> Vec<Facts> {
    let queries = sandbox.stand_in().network_queries();
    let of = |pull: &Pull| {
        let routes = tally(during(pull, calls).map(|call| call.operation.route()));
        let routes: Vec<_> = routes.iter().map(|(route, count)| format!("{count} {route}")).collect();
        let key = (pull.persona.name().to_owned(), pull.first);
        let mut facts = facts(pull, &queries, injections);
        facts.late.extend(find_late_calls(pull, calls));
        facts.story = format!("{}; upstream: {}", facts.story, routes.join(", "));
        Facts {
            calls: calls_of(pull, calls),
            calls_usual: usual.get(&key).copied().unwrap_or_default(),
            ..facts
        }
    };
    pulls.iter().map(of).collect()
}

/// Counts these persons' runs that they did not ask for.
pub(super) async fn strays_of(sandbox: &Sandbox, pulls: &[Pull]) -> Result<usize, String> {
    let requested: BTreeSet<&str> = pulls.iter().filter_map(|pull| pull.id()).collect();
    let mut strays = 0;
    for pull in pulls.iter().filter(|pull| pull.first) {
        let app = sandbox.app(&pull.subject).map_err(|error| error.to_string())?;
        let listed = app
            .get("/v1/network-queries")
            .await
            .map_err(|error| error.to_string())?;
        let ids = listed
            .list("/networkQueries")
            .iter()
            .filter_map(|pull| pull.get("id")?.as_str());
        strays += ids.filter(|id| !requested.contains(id)).count();
    }
    Ok(strays)
}

/// Counts the pulls and queries that the persons did not ask for.
pub(super) async fn strays(sandbox: &Sandbox, pulls: &[Pull]) -> Result<Strays, String> {
    let requested: BTreeSet<&str> = pulls.iter().filter_map(|pull| pull.id()).collect();
    let queries = sandbox.stand_in().network_queries();
    // The app may not have seen the end of an erased pull.
    let erased = pulls.iter().filter_map(|pull| pull.erased.as_ref());
    let is_erased = |id: &str| erased.clone().any(|erased| erased.values.contains_key(id));
    let marks = queries.iter().map(|query| query.metadata.get(PULL_MARK));
    let queries = marks.filter(|id| !id.is_some_and(|id| requested.contains(id.as_str()) || is_erased(id)));
    Ok(Strays {
        queries: queries.count(),
        pulls: strays_of(sandbox, pulls).await?,
    })
}

fn facts(pull: &Pull, queries: &[QuerySummary], injections: &[Injection]) -> Facts {
    let mut facts = Facts::refused(pull.persona, state(&pull.ending));
    if let Ending::Ended(ended) = &pull.ending {
        let of_pull = |query: &&QuerySummary| query.metadata.get(PULL_MARK) == Some(&ended.id);
        let unread = match pull.withdrawn_ms {
            Some(_) => ["failed", "expired"].as_slice(),
            None => &["failed", "expired", NO_CONSENT],
        };
        facts.accepted = true;
        facts.intact = ended.intact && !unread.contains(&ended.record.as_str());
        facts.story = evidence::story(&ended.timeline);
        // Metriport deletes an erased patient's queries.
        facts.tried = evidence::tried(&ended.timeline) && pull.erased.is_none();
        facts.upstream_queries = queries.iter().filter(of_pull).count();
        facts.hits = evidence::hits(&ended.id, &ended.timeline, injections);
        facts.late = pull
            .withdrawn_ms
            .map(|at_ms| find_late_work(pull, ended, at_ms))
            .unwrap_or_default();
        if ended.shown_after_report {
            facts.late.push("a reported record is shown".to_owned());
        }
    }
    facts.hits.extend(pull.withdrawn_ms.map(|_| Hit::Withdrawn));
    facts.hits.extend(pull.erased.is_some().then_some(Hit::Erased));
    facts.hits.extend(pull.reported.then_some(Hit::Reported));
    facts
}

/// The work of a pull that came after the answer to a withdrawal, by the app's view and the timeline. An erasure ends
/// the pull after its answer.
fn find_late_work(pull: &Pull, ended: &Ended, withdrawn_ms: i64) -> Vec<String> {
    let is_late = |at_ms: Option<i64>| at_ms.is_some_and(|at_ms| at_ms > withdrawn_ms);
    let found = [
        ("a record link", is_late(ended.linked_ms)),
        (
            "an end of the pull",
            pull.erased.is_none() && is_late(ended.completed_ms),
        ),
        ("a claimed start", evidence::claims_after_withdrawal(&ended.timeline)),
    ];
    let late = found.into_iter().filter(|(_, is_late)| *is_late);
    late.map(|(what, _)| what.to_owned()).collect()
}

/// Calls after the answer to a withdrawal, beyond those that may have been decided before it: one of each operation,
/// and one for each of the two records of a pull.
fn find_late_calls(pull: &Pull, calls: &[UpstreamCall]) -> Vec<String> {
    let Some(withdrawn_ms) = pull.withdrawn_ms else {
        return Vec::new();
    };
    let after = during(pull, calls).filter(|call| call.at_ms > withdrawn_ms);
    let counts = tally(after.map(|call| call.operation));
    let most = |operation| match operation {
        Operation::StartConsolidatedQuery => 2,
        // The erasure repeats the deletion until Metriport answers, and ends open pulls only after its own answer.
        Operation::DeletePatient => usize::MAX,
        Operation::ReadNetworkQuery if pull.erased.is_some() => usize::MAX,
        _ => 1,
    };
    let late = counts
        .into_iter()
        .filter(|(operation, count)| *count > most(*operation));
    late.map(|(operation, count)| format!("{count} calls of {}", operation.route()))
        .collect()
}

/// The state in the words of the judge's table.
fn state(ending: &Ending) -> String {
    match ending {
        Ending::Ended(ended) if ended.status == "failed" || ended.status == "expired" => {
            format!("{}: {}", ended.status, ended.reason)
        }
        Ending::Ended(ended) => ended.status.clone(),
        Ending::Refused(code) => format!("refused: {code}"),
        Ending::Unverified => "identity not verified".to_owned(),
        Ending::Hung(place) => format!("hung: {place}"),
    }
}

/// Calls about the person during the pull.
fn during<'c>(pull: &Pull, calls: &'c [UpstreamCall]) -> impl Iterator<Item = &'c UpstreamCall> {
    let span = pull.begun_ms..=pull.ended_ms;
    let subject = pull.subject.clone();
    calls
        .iter()
        .filter(move |call| call.subject == subject && span.contains(&call.at_ms))
}

fn calls_of(pull: &Pull, calls: &[UpstreamCall]) -> i64 {
    i64::try_from(during(pull, calls).count()).unwrap_or(i64::MAX)
}
