//! The condition for every route that links, proofs, challenges, pulls or reads: the person's consent covers the
//! request.

use crate::domain::consent::ConsentRule;
use crate::domain::person_root::{ConsentGap, Grant, PersonRoot};
use crate::edge::error::Error;
use crate::edge::http::{Code, Problem};
use crate::store::StoreError;

/// `Retry-After` during an erasure, whose sweeps are a minute or sixteen minutes apart.
const ERASING_RETRY_SECS: u64 = 60;

/// The grant of the person's consent.
///
/// # Errors
/// When the deployment asks for consent, and the person has not consented to the notice in force. Also while the person
/// is being erased.
pub fn consented(root: &PersonRoot, rule: &ConsentRule) -> Result<Grant, Error> {
    root.covering(rule).map_err(|gap| refuse(gap, rule).into())
}

/// Turns the error of a request during which the person withdrew their consent into the refusal of [`consented`]. Other
/// errors stay as they are.
#[must_use]
pub fn refuse_withdrawn(error: Error, rule: &ConsentRule) -> Error {
    match error {
        Error::Store(StoreError::GrantEnded) => match rule {
            ConsentRule::Notice(_) => refuse(ConsentGap::Withdrawn, rule).into(),
            ConsentRule::KeptElsewhere => Problem::new(Code::StateChanged).retry_after(1).into(),
        },
        other => other,
    }
}

fn refuse(gap: ConsentGap, rule: &ConsentRule) -> Problem {
    let detail = match gap {
        ConsentGap::Erasing => return erasing(),
        ConsentGap::Missing => "the person has not given their consent",
        ConsentGap::Withdrawn => "the person has withdrawn their consent",
        ConsentGap::OtherNotice => "the person consented to another notice than the one in force",
    };
    let problem = Problem::new(Code::ConsentRequired).detail(detail);
    match rule {
        ConsentRule::Notice(notice) => problem.notice(notice),
        ConsentRule::KeptElsewhere => problem,
    }
}

/// The condition for a consent and for a report, which need no consent: the person is not being erased.
///
/// # Errors
/// When an erasure is unfinished.
pub fn refuse_erasing(root: &PersonRoot) -> Result<(), Error> {
    match root.erasure {
        Some(_) => Err(erasing().into()),
        None => Ok(()),
    }
}

fn erasing() -> Problem {
    Problem::new(Code::ErasureInProgress).retry_after(ERASING_RETRY_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;
    use crate::domain::consent::Notice;

    #[test]
    fn withdrawal_during_a_request_is_refused_like_one_before_it() {
        let notice = Notice::parse("1", &"0".repeat(64), "https://app.example/notice").unwrap();
        let withdrawn = PersonRoot {
            withdrawn_at: Some(Time::from_millis(1)),
            ..PersonRoot::default()
        };
        let rule = ConsentRule::Notice(notice.clone());
        let during = refuse_withdrawn(StoreError::GrantEnded.into(), &rule).into_problem();
        assert_eq!(during, consented(&withdrawn, &rule).unwrap_err().into_problem());
        assert_eq!(during.notice.as_deref(), Some(&notice));
        let kept_elsewhere = refuse_withdrawn(StoreError::GrantEnded.into(), &ConsentRule::KeptElsewhere);
        assert_eq!(kept_elsewhere.into_problem().code, Code::StateChanged);
        let other = refuse_withdrawn(StoreError::Unavailable("busy".to_owned()).into(), &rule);
        assert_eq!(other.into_problem().code, Code::Unavailable);
    }
}
