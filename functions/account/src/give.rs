//! Stores a person's consent to the notice in force. The same consent again changes nothing.

use shared::Error;
use shared::domain::OwnerId;
use shared::domain::consent::{ConsentRule, GivenConsent};
use shared::domain::log::Actor;
use shared::edge::http::{Code, Problem};
use shared::edge::refuse_erasing;
use shared::ports::{Clock, ConsentTerms};
use shared::store::{Condition, ReadRoot, WriteConsent};

use crate::view::{ConsentView, of_root};

/// Maximum number of attempts to store the consent. An attempt fails if another request of the person changes the root.
const ATTEMPTS: u32 = 5;

/// Gives a consent.
///
/// # Errors
/// Refuses a consent to another notice than the one in force, every consent if the app keeps consents, and every
/// consent while the person is being erased.
pub async fn give(
    io: &(impl ReadRoot + WriteConsent + ConsentTerms + Clock),
    owner: &OwnerId,
    actor: &Actor,
    given: GivenConsent,
) -> Result<ConsentView, Error> {
    check(io.consent_rule(), &given)?;
    let mut tries = 1;
    loop {
        let (root, now) = (io.root(owner).await?, io.now());
        refuse_erasing(&root)?;
        let Some(next) = root.give(given.clone(), now) else {
            return Ok(of_root(&root, io.consent_rule()));
        };
        match io.put_consent(owner, &next, actor, now).await {
            Err(error) if tries < ATTEMPTS && error.lacks(Condition::RootAsRead) => tries += 1,
            written => return Ok(written.map(|()| of_root(&next, io.consent_rule()))?),
        }
    }
}

fn check(rule: &ConsentRule, given: &GivenConsent) -> Result<(), Problem> {
    match rule {
        ConsentRule::Notice(notice) if notice.has(&given.notice_version, &given.notice_sha256) => Ok(()),
        ConsentRule::Notice(notice) => Err(Problem::new(Code::NoticeNotInForce).notice(notice)),
        ConsentRule::KeptElsewhere => Err(Problem::new(Code::ConsentKeptElsewhere)),
    }
}
