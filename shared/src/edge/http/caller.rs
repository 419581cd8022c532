//! The caller of a request: the claims that API Gateway's JWT authorizer verified, and the check that they suffice for
//! this deployment. Functions that serve persons get the owner id only from here, so no route can omit the check.

use std::collections::BTreeMap;

use lambda_http::Request;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use super::problem::{Code, Problem, SignIn};
use crate::domain::assurance::{Assurance, Shortfall, is_plain_text};
use crate::domain::log::Actor;
use crate::domain::{ExternalId, OwnerId, Time};
use crate::edge::error::Error;
use crate::owner::OwnerKey;

/// Claims that name the app for which the issuer made a token: those of an ID token (OpenID Connect Core 1.0, section
/// 2) and of an access token (RFC 9068, section 2.2).
const CLIENT: [&str; 2] = ["azp", "client_id"];

/// The person who sent a request. `Debug` shows nothing about them.
pub struct Caller {
    /// The person's owner id.
    pub owner: OwnerId,
    /// The person as the access log names them: with their app.
    pub actor: Actor,
    claims: BTreeMap<String, String>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[caller]")
    }
}

impl Caller {
    /// Reads the verified claims. A request that passed no authorizer has no claims and is refused.
    ///
    /// # Errors
    /// `token_incomplete` when the issuer or the subject is missing or not plain text; `scope_missing` and
    /// `reauthentication_required` when the token does not meet `required`.
    pub fn of(request: &Request, key: &OwnerKey, required: &Assurance, now: Time) -> Result<Self, Error> {
        let claims = claims(request);
        let claim = |name: &str| {
            claims
                .get(name)
                .map(String::as_str)
                .filter(|value| is_plain_text(value))
        };
        let (Some(issuer), Some(subject)) = (claim("iss"), claim("sub")) else {
            return Err(Problem::new(Code::TokenIncomplete)
                .detail("the token needs iss and sub, each a text of 1 to 255 characters")
                .into());
        };
        required
            .check(&claims, now)
            .map_err(|shortfall| too_little(shortfall, required))?;
        let client = CLIENT.into_iter().find_map(claim);
        let client = client.map(|client| key.client(issuer, client)).transpose()?;
        Ok(Self {
            owner: key.owner(issuer, subject)?,
            actor: Actor::Person { client },
            claims,
        })
    }

    /// The person's id in the app, from this claim.
    ///
    /// # Errors
    /// When the token lacks the claim, or its value is not a usable id.
    pub fn external_id(&self, claim: &str) -> Result<ExternalId, Error> {
        let value = self.claims.get(claim).filter(|value| is_plain_text(value));
        let value = value.cloned().unwrap_or_default();
        let detail = format!("the token needs the claim {claim}");
        ExternalId::parse(value).map_err(|_unusable| Problem::new(Code::TokenIncomplete).detail(detail).into())
    }

    /// All claims, as text, the way API Gateway passes them on.
    #[must_use]
    pub const fn claims(&self) -> &BTreeMap<String, String> {
        &self.claims
    }
}

/// The refusal of a token that does not meet the requirements. It lists the requirements for the next token.
fn too_little(shortfall: Shortfall, required: &Assurance) -> Problem {
    let detail = match shortfall {
        Shortfall::Scope => {
            let scope = Some(required.scope.clone());
            return Problem::new(Code::ScopeMissing).sign_in(SignIn {
                scope,
                ..SignIn::default()
            });
        }
        Shortfall::Methods => "the token lacks a required authentication method",
        Shortfall::Class => "the token lacks an accepted authentication context class",
        Shortfall::Age => "the token has no sign-in time, or the sign-in is too old",
    };
    let classes = Some(required.classes.join(" ")).filter(|classes| !classes.is_empty());
    let sign_in = SignIn {
        scope: None,
        acr_values: classes,
        amr: required.methods.clone(),
        max_age: Some(required.auth_age_max.as_secs()),
    };
    Problem::new(Code::ReauthenticationRequired)
        .detail(detail)
        .sign_in(sign_in)
}

fn claims(request: &Request) -> BTreeMap<String, String> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
        return BTreeMap::new();
    };
    let jwt = context
        .authorizer
        .as_ref()
        .and_then(|authorizer| authorizer.jwt.as_ref());
    jwt.map(|jwt| jwt.claims.clone().into_iter().collect())
        .unwrap_or_default()
}
