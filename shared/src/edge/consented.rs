//! The condition for every route that links, proofs, challenges, pulls or reads: the person's consent covers the
//! request.

use crate::domain::consent::ConsentRule;
use crate::domain::person_root::{ConsentGap, Grant, PersonRoot};
use crate::edge::error::Error;
use crate::edge::http::{Code, Problem};

/// The grant of the person's consent.
///
/// # Errors
/// When the deployment asks for consent, and the person has not consented to the notice in force.
pub fn consented(root: &PersonRoot, rule: &ConsentRule) -> Result<Grant, Error> {
    root.covering(rule).map_err(|gap| {
        let detail = match gap {
            ConsentGap::Missing => "the person has not given their consent",
            ConsentGap::Withdrawn => "the person has withdrawn their consent",
            ConsentGap::OtherNotice => "the person consented to another notice than the one in force",
        };
        with_notice(Problem::new(Code::ConsentRequired).detail(detail), rule).into()
    })
}

fn with_notice(problem: Problem, rule: &ConsentRule) -> Problem {
    match rule {
        ConsentRule::Notice(notice) => problem.notice(notice),
        ConsentRule::KeptElsewhere => problem,
    }
}
