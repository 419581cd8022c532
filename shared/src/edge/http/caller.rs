//! Who calls: what API Gateway's JWT authorizer has verified.

use std::collections::BTreeMap;

use lambda_http::Request;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use super::problem::{Code, Problem};
use crate::domain::{ExternalId, OwnerId};
use crate::edge::error::Error;
use crate::owner::OwnerKey;

/// The person behind a request. `Debug` shows nothing.
pub struct Caller {
    /// The person's partition.
    pub owner: OwnerId,
    claims: BTreeMap<String, String>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[caller]")
    }
}

impl Caller {
    /// Reads the verified claims. A request that passed no authorizer has none and is refused.
    ///
    /// # Errors
    /// When issuer or subject is missing.
    pub fn of(request: &Request, key: &OwnerKey) -> Result<Self, Error> {
        let claims = claims(request);
        let claim = |name: &str| {
            claims
                .get(name)
                .map(String::as_str)
                .filter(|value| !value.trim().is_empty())
        };
        let (Some(issuer), Some(subject)) = (claim("iss"), claim("sub")) else {
            return Err(Problem::new(Code::TokenIncomplete)
                .detail("iss and sub are needed")
                .into());
        };
        Ok(Self {
            owner: key.owner(issuer, subject)?,
            claims,
        })
    }

    /// What Metriport knows the person by.
    ///
    /// # Errors
    /// When the token lacks the claim, or it is no usable id.
    pub fn external_id(&self, claim: &str) -> Result<ExternalId, Error> {
        let value = self.claims.get(claim).cloned().unwrap_or_default();
        let detail = format!("the claim {claim} is needed");
        ExternalId::parse(value).map_err(|_unusable| Problem::new(Code::TokenIncomplete).detail(detail).into())
    }

    /// All claims, as API Gateway hands them over: text.
    #[must_use]
    pub const fn claims(&self) -> &BTreeMap<String, String> {
        &self.claims
    }
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
