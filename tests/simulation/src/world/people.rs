//! Persons' requests, and the values that their apps bring from the browser.

use shared::domain::quarantine::{NotMeReport, QuarantineReason};
use shared::domain::{Aal2SessionId, RecordId, SourceKind};

use super::{TASKS_MAX, World, round};
use crate::choice::{PersonRequest, Pull};
use crate::functions::{Job, Presented};
use crate::ids::{self, opaque};

/// Maximum number of pulls in one history.
const RUNS_MAX: u32 = 12;

fn pick_reason(at: u8) -> QuarantineReason {
    let reasons = NotMeReport::REASONS;
    let reason = round(at, reasons.len()).and_then(|at| reasons.get(at));
    reason.copied().unwrap_or(QuarantineReason::OtherReport)
}

impl World {
    pub(super) fn ask(&mut self, person: u8, request: PersonRequest) -> bool {
        if self.tasks.len() >= TASKS_MAX {
            return false;
        }
        let job = match request {
            PersonRequest::Consent => Job::Consent { person },
            PersonRequest::Withdraw => Job::Withdraw { person },
            PersonRequest::Erase => {
                self.numbers.erasures += 1;
                let receipt = ids::receipt(person, self.numbers.erasures);
                Job::Erase { person, receipt }
            }
            PersonRequest::Link(variant) => {
                self.numbers.links += 1;
                Job::Link {
                    person,
                    demographics: match variant {
                        0 => person * 10,
                        1 => person * 10 + 1,
                        _ => (person + 1) % 3 * 10,
                    },
                    folder: ids::folder(self.numbers.links),
                }
            }
            PersonRequest::OpenSession => {
                self.numbers.marks += 1;
                let mark = ids::mark(person, self.numbers.marks);
                Job::OpenSession { person, mark }
            }
            PersonRequest::OpenChallenge => Job::OpenChallenge { person },
            PersonRequest::AskRecord(variant) => {
                self.numbers.requested_records += 1;
                let record = ids::requested_record_id(self.numbers.requested_records);
                Job::AskRecord {
                    person,
                    record,
                    variant,
                }
            }
            PersonRequest::ReadRecord(at) => match self.record_of(person, at) {
                Some(record) => Job::ReadRecord { person, record },
                None => return false,
            },
            PersonRequest::NotMe(at) => match self.record_of(person, at) {
                Some(record) => Job::NotMe {
                    person,
                    record,
                    reason: pick_reason(at),
                },
                None => return false,
            },
            PersonRequest::Pull(pull) => match self.present(person, pull) {
                Some(presented) if self.numbers.pulls < RUNS_MAX => {
                    self.numbers.pulls += 1;
                    let pull = ids::pull(self.numbers.pulls);
                    Job::Pull {
                        person,
                        pull,
                        presented,
                    }
                }
                _ => return false,
            },
        };
        self.count("a person asks");
        self.spawn(job, None)
    }

    /// One of the records that are stored for a person.
    fn record_of(&self, person: u8, at: u8) -> Option<RecordId> {
        let records = self.store.records().filter(|(owner, _)| ids::person(owner) == person);
        let records: Vec<_> = records.map(|(_, record)| record.id).collect();
        records.get(round(at, records.len())?).copied()
    }

    fn present(&mut self, person: u8, pull: Pull) -> Option<Presented> {
        let known = self.known_challenges.get(&person)?;
        let newest = known.last()?.clone();
        let before = known.iter().rev().nth(1).cloned();
        let foreign = self.upstream.challenges.iter().rev();
        let foreign = foreign.filter(|challenge| !known.contains(&challenge.id));
        let foreign = foreign.filter_map(|challenge| challenge.session.clone()).next();
        let (challenge, session, status) = match pull {
            Pull::Proper => (newest.clone(), self.upstream.pass_challenge(&newest)?, "verified"),
            Pull::NotPassed => (newest.clone(), opaque!(Aal2SessionId, "aal2-none"), "failed"),
            Pull::SessionAgain => (newest, self.upstream.pass_challenge(&before?)?, "verified"),
            Pull::OldChallenge => {
                let before = before?;
                (before.clone(), self.upstream.pass_challenge(&before)?, "verified")
            }
            Pull::ForeignSession => (newest, foreign?, "verified"),
        };
        use SourceKind::{Hie, Lab, Pharmacy};
        let sources: &[SourceKind] = match self.numbers.pulls % 4 {
            0 => &[Hie, Lab],
            1 => &[Hie, Pharmacy, Lab],
            2 => &[Hie],
            _ => &[Pharmacy, Lab],
        };
        Some(Presented {
            challenge,
            session,
            status,
            sources: sources.to_vec(),
        })
    }
}
