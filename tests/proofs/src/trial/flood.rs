//! One person who sends more requests than an app needs, as fast as possible.

use futures_util::StreamExt as _;
use futures_util::stream;
use sandbox_machine::app::{App, NoReply, Reply};
use sandbox_machine::sandbox::IDENTITY_RETURN;
use serde_json::json;

use super::Finding;
use super::target::Target;
use crate::asking::{Refusals, expect, listed, pass_gateway, refusal};
use crate::verified::{VerifiedPerson, record_body};

/// Requests at once.
const AT_ONCE: usize = 4;
/// At most one request in this many may get past the person's share.
const PASSED_ONE_IN: u64 = 10;
/// The refusals of a person's own share.
const OF_ONES_OWN: [&str; 2] = ["too_many_open", "too_many_requests"];
/// The refusal for every person once the shared calls are used up.
const OF_ALL: &str = "upstream_busy";

/// Asks for many different records of one person.
pub(super) async fn records(target: &Target, requests: usize) -> Result<Finding, String> {
    let person = target.person(3);
    let app = target.app(&person, &json!({}))?;
    let person = VerifiedPerson::verify(app, &person.demographics).await?;
    let (served, refusals) = flood(requests, &person.app, async |app, number| {
        app.ask_record(&record_body(number)).await
    })
    .await?;
    Ok(judge("flood of records", "too_many_open", served, &refusals))
}

/// Opens many identity sessions. Each session supersedes the one before.
pub(super) async fn sessions(target: &Target, requests: usize) -> Result<Finding, String> {
    let person = target.person(4);
    let app = target.app(&person, &json!({}))?;
    expect(200, || app.give_consent()).await?;
    expect(200, || app.put_patient(&person.demographics)).await?;
    let (served, refusals) = flood(requests, &app, async |app, _| {
        app.open_identity_session(IDENTITY_RETURN).await
    })
    .await?;
    Ok(judge("flood of sessions", "too_many_requests", served, &refusals))
}

/// Sends this many requests; returns the number of served ones, and the refusals of the others.
async fn flood<F>(requests: usize, app: &App, ask: F) -> Result<(u64, Refusals), String>
where
    F: AsyncFn(&App, usize) -> Result<Reply, NoReply>,
{
    let ask = &ask;
    let sent = stream::iter(0..requests).map(|number| pass_gateway(move || ask(app, number)));
    let mut replies = sent.buffer_unordered(AT_ONCE);
    let (mut served, mut refusals) = (0, Refusals::new());
    while let Some(reply) = replies.next().await {
        match refusal(&reply?) {
            None => served += 1,
            Some(code) => *refusals.entry(code).or_default() += 1,
        }
    }
    Ok((served, refusals))
}

/// A flood counts as refused if the person's own share stops nearly all of it, before it uses up the shared calls.
fn judge(name: &'static str, code: &'static str, served: u64, refusals: &Refusals) -> Finding {
    let sent = served + refusals.values().sum::<u64>();
    let own = OF_ONES_OWN.iter().filter_map(|code| refusals.get(*code));
    let passed = sent - own.sum::<u64>();
    Finding {
        name,
        code,
        refused: passed * PASSED_ONE_IN <= sent && refusals.contains_key(code) && !refusals.contains_key(OF_ALL),
        replies: format!("served {served} of {sent}, refused {}", listed(refusals)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(served: u64, refusals: &[(&str, u64)]) -> bool {
        let refusals = refusals
            .iter()
            .map(|(code, count)| ((*code).to_owned(), *count))
            .collect();
        judge("flood", "too_many_open", served, &refusals).refused
    }

    #[test]
    fn flood_is_refused_by_the_persons_own_share() {
        assert!(refused(10, &[("too_many_open", 60), ("too_many_requests", 30)]));
        assert!(!refused(11, &[("too_many_open", 89)]), "more than a tenth is served");
        assert!(
            !refused(5, &[("too_many_open", 89), ("state_changed", 6)]),
            "more than a tenth is not refused by the share"
        );
        assert!(
            !refused(3, &[("too_many_requests", 97)]),
            "no refusal with the expected code"
        );
        assert!(
            !refused(3, &[("too_many_open", 96), ("upstream_busy", 1)]),
            "the flood used up the shared calls"
        );
        assert!(!refused(0, &[]), "nothing was sent");
    }
}
