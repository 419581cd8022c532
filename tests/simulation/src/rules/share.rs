//! Rule 11: fair. A person never gets more than a burst and a tenth of the shared rate. They never have more than three
//! unfinished records that they asked for, or two equal ones. Other persons' requests cannot keep a person out, because
//! each person's shares are in an item of their own.

use std::time::Duration;

use shared::Error;
use shared::domain::OwnerId;
use shared::domain::budget::ShareKind;
use shared::domain::record::Record;
use shared::edge::http::Code;

use super::{Violation, broken};
use crate::functions::EQUAL;
use crate::ids::{self, record_name};
use crate::io::{ShareAnswer, ShareRequest};
use crate::world::World;

/// Tolerance for clocks that differ between machines.
const SKEW: Duration = Duration::from_secs(10);
/// The burst: requests of one kind at once.
const BURST: i64 = 5;
/// Maximum number of unfinished records that a person asked for.
const OPEN: usize = 3;

/// The number of requests of a kind that a person is granted in ten minutes: a tenth of nine tenths of the limit. Links
/// are charged in the transaction of their entry, which this rule does not judge.
const fn in_ten_minutes(kind: ShareKind) -> i64 {
    match kind {
        ShareKind::Identity | ShareKind::Patient => 13,
        ShareKind::Consolidated => 108,
        ShareKind::Query => 18,
        ShareKind::Links | ShareKind::Log => 300,
    }
}

/// Judges the answer to a person's request.
pub(crate) fn served(world: &mut World, share: &ShareRequest, answer: ShareAnswer) -> Option<Violation> {
    match answer {
        ShareAnswer::Taken(_) => {}
        ShareAnswer::Beyond(_) => return None,
        ShareAnswer::Busy(_) => {
            world.count("person gets no place");
            return None;
        }
    }
    let person = ids::person(&share.owner);
    let served = world.facts.served.entry(person).or_default();
    served.push((share.ask, share.now));
    let kind = share.ask.kind();
    let times = served
        .iter()
        .filter(|(ask, _)| ask.kind() == kind)
        .map(|(_, at)| at.millis());
    let mut times: Vec<i64> = times.collect();
    times.sort_unstable();
    let is_over = |first: usize| {
        let span = times.last()? - times.get(first)?;
        let count = i64::try_from(times.len() - first).ok()?;
        Some(count > BURST + span * in_ten_minutes(kind) / 600_000)
    };
    let over = (0..times.len()).any(|first| is_over(first).unwrap_or(false));
    over.then(|| {
        broken(
            11,
            format!("person {person} is served more than their share of {kind:?}"),
        )
    })
    .flatten()
}

/// A person has at most three unfinished records, and all of them are different.
pub(super) fn open_records(world: &World) -> Option<Violation> {
    // A record stops counting when it expires by the clock of the function that counts, even if a transfer begins
    // afterwards.
    let now = world.now.plus(SKEW);
    let is_over = |record: &Record| record.state.is_terminal() || now >= record.expires_at;
    let is_open = |record: &Record| record.pull.is_none() && !is_over(record);
    let open: Vec<(&OwnerId, &Record)> = world.store.records().filter(|(_, record)| is_open(record)).collect();
    for (index, (owner, record)) in open.iter().enumerate() {
        let others = open.iter().skip(index + 1).filter(|(other, _)| other == owner);
        let others: Vec<&Record> = others.map(|(_, record)| *record).collect();
        if others.len() >= OPEN {
            return broken(11, format!("person {} has four unfinished records", ids::person(owner)));
        }
        let same = |other: &&&Record| other.query == record.query && other.patient == record.patient;
        if let Some(other) = others.iter().find(same) {
            let (one, other) = (record_name(record.id), record_name(other.id));
            return broken(11, format!("{one} and {other} are equal requests"));
        }
    }
    None
}

/// Counts refusals, so that a report can show that some happened.
pub(crate) fn count(world: &mut World, outcome: &Result<&'static str, Error>) {
    match outcome {
        Ok(EQUAL) => world.count("equal record is requested"),
        Err(Error::Refused(problem)) if problem.code == Code::TooManyRequests => {
            world.count("person is beyond their share");
        }
        Err(Error::Refused(problem)) if problem.code == Code::TooManyOpen => {
            world.count("fourth record is refused");
        }
        Err(Error::Refused(problem)) if problem.code == Code::ConsentRequired => {
            world.count("request without consent is refused");
        }
        Err(Error::Refused(problem)) if problem.code == Code::ErasureInProgress => {
            world.count("request during an erasure is refused");
        }
        Err(Error::Refused(problem)) if problem.code == Code::RecordQuarantined => {
            world.count("request during a quarantine is refused");
        }
        _ => {}
    }
}
