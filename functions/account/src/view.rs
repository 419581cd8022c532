//! Shows a person's consent, the notice in force and the scopes.

use serde::Serialize;
use shared::Error;
use shared::domain::OwnerId;
use shared::domain::consent::{Consent, ConsentRule, ConsentScope, Notice};
use shared::domain::person_root::{ConsentGap, PersonRoot};
use shared::edge::http::Next;
use shared::ports::ConsentTerms;
use shared::store::ReadRoot;

/// `GET /v1/me/consent`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentView {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<Notice>,
    scopes: [ScopeView; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<GivenView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<String>,
    next: Next,
}

#[derive(Serialize)]
struct ScopeView {
    scope: ConsentScope,
    meaning: &'static str,
    granted: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GivenView {
    notice_version: String,
    notice_sha256: String,
    locale: String,
    given_at: String,
}

/// Reads the caller's consent.
///
/// # Errors
/// Fails if the table cannot be read.
pub async fn show(io: &(impl ReadRoot + ConsentTerms), owner: &OwnerId) -> Result<ConsentView, Error> {
    Ok(of_root(&io.root(owner).await?, io.consent_rule()))
}

/// The consent of a person under the deployment's rule.
#[must_use]
pub fn of_root(root: &PersonRoot, rule: &ConsentRule) -> ConsentView {
    let notice = match rule {
        ConsentRule::Notice(notice) => Some(notice.clone()),
        ConsentRule::KeptElsewhere => None,
    };
    let (status, next) = match root.covering(rule) {
        Ok(_grant) if notice.is_none() => ("kept_elsewhere", Next::CHECK_IDENTITY),
        Ok(_grant) => ("granted", Next::CHECK_IDENTITY),
        Err(ConsentGap::Missing) => ("none", Next::GIVE_CONSENT),
        Err(ConsentGap::Withdrawn) => ("withdrawn", Next::GIVE_CONSENT),
        Err(ConsentGap::OtherNotice) => ("superseded", Next::GIVE_CONSENT),
        Err(ConsentGap::Erasing) => ("erasing", Next::WAIT),
    };
    ConsentView {
        status,
        notice,
        scopes: ConsentScope::ALL.map(|scope| of_scope(scope, root.consent.as_ref())),
        consent: root.consent.as_ref().map(of_consent),
        withdrawn_at: root.withdrawn_at.map(|time| time.to_string()),
        next,
    }
}

fn of_scope(scope: ConsentScope, consent: Option<&Consent>) -> ScopeView {
    ScopeView {
        scope,
        meaning: scope.meaning(),
        granted: consent.is_some_and(|consent| consent.scopes.contains(&scope)),
    }
}

fn of_consent(consent: &Consent) -> GivenView {
    GivenView {
        notice_version: consent.notice_version.clone(),
        notice_sha256: consent.notice_sha256.clone(),
        locale: consent.locale.clone(),
        given_at: consent.given_at.to_string(),
    }
}
