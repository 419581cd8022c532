//! Tokens that the issuer signed with missing or wrong claims.

use sandbox_machine::app::{App, Reply};
use serde_json::{Value, json};

use super::Finding;
use super::target::{Person, Target, now_secs};
use crate::asking::{expect, pass_gateway, refusal};
use crate::verified::VerifiedPerson;

/// The route that is read with each token.
const READ: &str = "/v1/records";
/// How long ago the person of an old token signed in: thirty days.
const LONG_AGO_SECS: u64 = 30 * 86_400;

/// Tries a token without the scope, a token of an old sign-in with only a password, and tokens whose subject is not a
/// text.
pub(super) async fn findings(target: &Target) -> Result<Vec<Finding>, String> {
    let person = target.person(0);
    serve_complete(target.app(&person, &json!({}))?, &person).await?;
    let old = json!({ "amr": ["pwd"], "auth_time": now_secs().saturating_sub(LONG_AGO_SECS) });
    let scopeless = vec![target.app(&person, &json!({ "scope": "openid" }))?];
    let old = vec![target.app(&person, &old)?];
    Ok(vec![
        read("token without scope", (403, "scope_missing"), scopeless).await?,
        read("old password token", (401, "reauthentication_required"), old).await?,
        read(
            "sub that is not a text",
            (403, "token_incomplete"),
            odd_subjects(target, &person)?,
        )
        .await?,
    ])
}

/// Apps whose `sub` is null, a list or an object.
fn odd_subjects(target: &Target, person: &Person) -> Result<Vec<App>, String> {
    let subjects = [
        Value::Null,
        json!([]),
        json!([person.subject]),
        json!({}),
        json!({ "id": person.subject }),
    ];
    let app = |subject: &Value| target.app(person, &json!({ "sub": subject }));
    subjects.iter().map(app).collect()
}

/// A person with bound demographics sends the demographics of another person.
pub(super) async fn foreign_demographics(target: &Target) -> Result<Finding, String> {
    let (person, other) = (target.person(1), target.person(2));
    let app = target.app(&person, &json!({}))?;
    expect(200, || app.give_consent()).await?;
    expect(200, || app.put_patient(&person.demographics)).await?;
    let replies = [pass_gateway(|| app.put_patient(&other.demographics)).await?];
    Ok(judge("foreign demographics", (403, "demographics_mismatch"), &replies))
}

/// Shows that a verified person with a complete token is served.
async fn serve_complete(app: App, person: &Person) -> Result<(), String> {
    let person = VerifiedPerson::verify(app, &person.demographics).await?;
    let served = expect(200, || person.app.get(READ)).await;
    served
        .map(drop)
        .map_err(|why| format!("a request with a complete token was {why}"))
}

async fn read(name: &'static str, expected: (u16, &'static str), apps: Vec<App>) -> Result<Finding, String> {
    let mut replies = Vec::with_capacity(apps.len());
    for app in apps {
        replies.push(pass_gateway(|| app.get(READ)).await?);
    }
    Ok(judge(name, expected, &replies))
}

/// The finding counts as refused if every reply has this status and this code.
fn judge(name: &'static str, (status, code): (u16, &'static str), replies: &[Reply]) -> Finding {
    let is_refused = |reply: &&Reply| reply.status == status && reply.code() == code;
    let texts: Vec<String> = replies.iter().map(shown).collect();
    Finding {
        name,
        code,
        refused: !replies.is_empty() && replies.iter().filter(is_refused).count() == replies.len(),
        replies: texts.join(", "),
    }
}

fn shown(reply: &Reply) -> String {
    format!("{} {}", reply.status, refusal(reply).unwrap_or_default())
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn reply(status: u16, code: &str) -> Reply {
        let body = json!({ "code": code });
        Reply {
            status,
            headers: HeaderMap::new(),
            body,
        }
    }

    #[test]
    fn one_served_token_leaves_the_finding_open() {
        let judge = |replies: &[Reply]| judge("sub", (403, "token_incomplete"), replies).refused;
        let refused = reply(403, "token_incomplete");
        assert!(judge(std::slice::from_ref(&refused)));
        assert!(!judge(&[refused.clone(), reply(200, "")]));
        assert!(!judge(&[refused.clone(), reply(403, "scope_missing")]));
        assert!(!judge(&[refused, reply(401, "token_incomplete")]));
        assert!(!judge(&[]));
    }
}
