//! The allowed endings of a pull (the published table), and the check of one pull against them. This module does no
//! I/O.

use std::collections::BTreeMap;

use sandbox_metriport::Persona;

/// The ending of a pull, in the words of the table.
pub type State = &'static str;

const COMPLETED: State = "completed";
const PARTIAL: State = "partial";
const UNCONFIRMED: State = "unconfirmed";
const TOO_LATE: State = "failed: aal2_session_expired";
const NO_SOURCE: State = "failed: no_source_answered";
const LINK_REFUSED: State = "refused: patient_link_refused";
const UNVERIFIED: State = "identity not verified";
const WITHDRAWN: State = "withdrawn";
const QUARANTINED: State = "refused: record_quarantined";
const CONSENT_REFUSED: State = "refused: consent_required";
const ERASING: State = "refused: erasure_in_progress";
/// The app asked for something that was erased.
const ERASED: State = "refused: not_found";
/// A withdrawal can end the challenge between two reads of one request.
const CHALLENGE_GONE: State = "refused: challenge_not_pending";

/// Maximum number of calls to Metriport of a pull, beyond those that it makes without faults.
pub const EXTRA_CALLS_MAX: i64 = 20;

/// A fault that may change how a pull ends. Every other fault may delay the pull, but must not change its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hit {
    /// Not hit by a fault that matters.
    None,
    /// The start's answer was lost, or a process died between the claim of the start and its result.
    StartUnknown,
    /// The start was held up by a 429, a failed connection, or the death of a process.
    StartHeldUp,
    /// A source refused the query because of its own limit.
    SourceLimited,
    /// A source failed and was retried, and the status that reports the retry could not be read. A pull whose sources
    /// have all ended does not wait for a further status.
    RetryUnread,
    /// The person withdrew their consent.
    Withdrawn,
    /// The person asked for their erasure, which also ends the consent.
    Erased,
    /// The person reported an earlier record. No other ending is allowed then.
    Reported,
}

impl Hit {
    const ALL: [Self; 8] = [
        Self::None,
        Self::StartUnknown,
        Self::StartHeldUp,
        Self::SourceLimited,
        Self::RetryUnread,
        Self::Withdrawn,
        Self::Erased,
        Self::Reported,
    ];

    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "any other",
            Self::StartUnknown => "start unknown",
            Self::StartHeldUp => "start delayed",
            Self::SourceLimited => "source limited",
            Self::RetryUnread => "status of a retry unread",
            Self::Withdrawn => "consent withdrawn",
            Self::Erased => "person erased",
            Self::Reported => "earlier record reported",
        }
    }
}

/// The states in which a persona's pull may end after this hit, in addition to those without a hit.
#[must_use]
pub const fn allowed(persona: Persona, hit: Hit) -> &'static [State] {
    match (persona, hit) {
        (_, Hit::Reported) => &[QUARANTINED],
        (_, Hit::Withdrawn) => &[WITHDRAWN, CONSENT_REFUSED, CHALLENGE_GONE],
        (_, Hit::Erased) => &[ERASING, ERASED],
        (Persona::WrongExternalId, _) => &[LINK_REFUSED],
        (Persona::OtherPerson, _) => &[UNVERIFIED],
        (Persona::Ordinary | Persona::NoData | Persona::SlowSource, Hit::None) => &[COMPLETED],
        (Persona::SilentSource | Persona::SandboxSources, Hit::None) => &[PARTIAL],
        (_, Hit::StartUnknown) => &[UNCONFIRMED],
        (_, Hit::StartHeldUp) => &[TOO_LATE],
        (_, Hit::SourceLimited | Hit::RetryUnread) => &[PARTIAL, NO_SOURCE],
    }
}

/// The published table, one line per persona.
#[must_use]
pub fn table() -> Vec<String> {
    let mut lines = vec![
        Hit::ALL
            .map(Hit::name)
            .iter()
            .fold(format!("  {:<18}", "persona"), |line, name| {
                format!("{line}  {name:<36}")
            }),
    ];
    lines.extend(Persona::ALL.iter().map(|persona| {
        let states = Hit::ALL.map(|hit| allowed(*persona, hit).join(" | "));
        states.iter().fold(format!("  {:<18}", persona.name()), |line, states| {
            format!("{line}  {states:<36}")
        })
    }));
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// The facts about one pull after the end of the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The persona of the person who pulls.
    pub persona: Persona,
    /// Its ending.
    pub state: String,
    /// Its hits.
    pub hits: Vec<Hit>,
    /// Network queries that Metriport began for it.
    pub upstream_queries: usize,
    /// Whether it was accepted; a refused pull must not have begun a query.
    pub accepted: bool,
    /// Whether a promised record is stored with the promised bytes.
    pub intact: bool,
    /// Whether the timeline shows that a start was tried.
    pub tried: bool,
    /// Its timeline in short: milliseconds since the acceptance, and the events.
    pub story: String,
    /// Events that came after a withdrawal of consent, an erasure or a report, and must not.
    pub late: Vec<String>,
    /// Calls to Metriport made for it.
    pub calls: i64,
    /// Calls to Metriport of this persona's pull without faults.
    pub calls_usual: i64,
}

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// The state is not in the table.
    State,
    /// More than one query at Metriport, or one for a refused pull.
    Doubled,
    /// A start was tried, but Metriport has no query, and the start was not unknown. Or the record is missing or has
    /// other bytes.
    Lost,
    /// The pull did not end.
    Hung,
    /// Too many calls.
    Calls,
    /// Something came after a withdrawal of consent, an erasure or a report, or an erasure left something.
    Late,
}

impl Breach {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state not allowed",
            Self::Doubled => "doubled",
            Self::Lost => "lost",
            Self::Hung => "hung",
            Self::Calls => "too many upstream calls",
            Self::Late => "late after withdrawal, erasure, report",
        }
    }
}

impl Facts {
    /// The facts about a pull that was not accepted.
    #[must_use]
    pub const fn refused(persona: Persona, state: String) -> Self {
        Self {
            persona,
            state,
            hits: Vec::new(),
            upstream_queries: 0,
            accepted: false,
            intact: true,
            tried: false,
            story: String::new(),
            late: Vec::new(),
            calls: 0,
            calls_usual: 0,
        }
    }

    /// Every promise that this pull broke.
    #[must_use]
    pub fn breaches(&self) -> Vec<Breach> {
        let ambiguous = self.hits.contains(&Hit::StartUnknown);
        let hung = self.state.starts_with("hung");
        let only = self.hits.iter().filter(|hit| **hit == Hit::Reported);
        let states: Vec<&Hit> = match only.clone().next() {
            Some(_) => only.collect(),
            None => self.hits.iter().chain([&Hit::None]).collect(),
        };
        let allowed = states
            .into_iter()
            .flat_map(|hit| allowed(self.persona, *hit))
            .any(|state| *state == self.state);
        let doubled = self.upstream_queries > usize::from(self.accepted);
        let begun = !self.tried || ambiguous || self.upstream_queries > 0;
        let found = [
            (Breach::Hung, hung),
            (Breach::State, !hung && !allowed),
            (Breach::Doubled, doubled),
            (Breach::Lost, !begun || !self.intact),
            (Breach::Calls, self.extra_calls() > EXTRA_CALLS_MAX),
            (Breach::Late, !self.late.is_empty()),
        ];
        found
            .into_iter()
            .filter(|(_, broken)| *broken)
            .map(|(breach, _)| breach)
            .collect()
    }

    /// Calls to Metriport beyond the usual ones.
    #[must_use]
    pub const fn extra_calls(&self) -> i64 {
        let extra = self.calls - self.calls_usual;
        if extra < 0 { 0 } else { extra }
    }
}

/// Counts equal keys.
pub fn tally<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeMap<K, usize> {
    keys.into_iter().fold(BTreeMap::new(), |mut tally, key| {
        *tally.entry(key).or_default() += 1;
        tally
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            persona: Persona::Ordinary,
            state: "completed".to_owned(),
            hits: Vec::new(),
            upstream_queries: 1,
            accepted: true,
            intact: true,
            tried: true,
            story: String::new(),
            late: Vec::new(),
            calls: 9,
            calls_usual: 6,
        }
    }

    #[test]
    fn allowed_endings_have_an_empty_list_of_breaches() {
        assert_eq!(facts().breaches(), []);
        let refused = Facts {
            persona: Persona::WrongExternalId,
            state: "refused: patient_link_refused".to_owned(),
            upstream_queries: 0,
            accepted: false,
            tried: false,
            ..facts()
        };
        assert_eq!(refused.breaches(), []);
    }

    #[test]
    fn each_broken_promise_is_found() {
        let broken = |change: fn(&mut Facts)| {
            let mut facts = facts();
            change(&mut facts);
            facts.breaches()
        };
        assert_eq!(broken(|facts| facts.state = "unconfirmed".to_owned()), [Breach::State]);
        assert_eq!(broken(|facts| facts.state = "hung: run".to_owned()), [Breach::Hung]);
        assert_eq!(broken(|facts| facts.upstream_queries = 2), [Breach::Doubled]);
        assert_eq!(broken(|facts| facts.upstream_queries = 0), [Breach::Lost]);
        assert_eq!(broken(|facts| facts.intact = false), [Breach::Lost]);
        assert_eq!(broken(|facts| facts.calls = 27), [Breach::Calls]);
        assert_eq!(broken(|facts| facts.accepted = false), [Breach::Doubled]);
        let late = |facts: &mut Facts| facts.late.push("a record link".to_owned());
        assert_eq!(broken(late), [Breach::Late]);
    }

    #[test]
    fn pull_ends_withdrawn_only_after_a_withdrawal() {
        let of = |state: &str, hits: &[Hit]| {
            Facts {
                state: state.to_owned(),
                hits: hits.to_vec(),
                ..facts()
            }
            .breaches()
        };
        for state in ["withdrawn", "refused: consent_required", "completed"] {
            assert_eq!(of(state, &[Hit::Withdrawn]), []);
        }
        assert_eq!(of("withdrawn", &[]), [Breach::State]);
        assert_eq!(of("partial", &[Hit::Withdrawn]), [Breach::State]);
    }

    #[test]
    fn pull_after_a_report_is_always_refused() {
        let of = |state: &str| {
            Facts {
                state: state.to_owned(),
                hits: vec![Hit::Reported],
                upstream_queries: 0,
                accepted: false,
                tried: false,
                ..facts()
            }
            .breaches()
        };
        assert_eq!(of("refused: record_quarantined"), []);
        assert_eq!(of("completed"), [Breach::State]);
    }

    #[test]
    fn unknown_start_may_end_unconfirmed_without_a_query() {
        for upstream_queries in [0, 1] {
            let facts = Facts {
                state: "unconfirmed".to_owned(),
                hits: vec![Hit::StartUnknown],
                upstream_queries,
                ..facts()
            };
            assert_eq!(facts.breaches(), []);
        }
    }

    #[test]
    fn table_names_every_persona() {
        let table = table().join("\n");
        assert!(Persona::ALL.iter().all(|persona| table.contains(persona.name())));
    }
}
