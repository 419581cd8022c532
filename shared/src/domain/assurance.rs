//! The deployment's requirements on a caller's token: who signed in, how and when.
//!
//! API Gateway has verified the token and passes its claims on as text. This module reads `scope`, `auth_time` and
//! `acr` (RFC 9068 and OpenID Connect Core 1.0) and `amr` (RFC 8176), and compares them with the requirements. A
//! missing or unreadable claim never meets a requirement.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Time;

/// Largest [`Assurance::auth_age_max`] that a deployment may choose, in seconds: 24 hours (NIST SP 800-63B-4, section
/// 2.2.3).
pub const AUTH_AGE_SECS_MAX: u64 = 86_400;
/// Smallest [`Assurance::auth_age_max`] that a deployment may choose, in seconds. A person needs minutes from the
/// sign-in to the end of a challenge.
pub const AUTH_AGE_SECS_MIN: u64 = 300;
/// How far the issuer's clock may be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// The deployment's requirements on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assurance {
    /// The scope that must have been granted.
    pub scope: String,
    /// Whether ID tokens are accepted without the scope. Only the stack's own user pool needs this: Cognito never adds
    /// a scope to an ID token.
    pub takes_id_tokens: bool,
    /// Authentication methods, all of which `amr` must name; empty if the deployment requires none.
    pub methods: Vec<String>,
    /// Authentication context classes, of which `acr` must name one; empty if the deployment requires none.
    pub classes: Vec<String>,
    /// Longest time since the sign-in.
    pub auth_age_max: Duration,
    /// The names of the claims.
    pub claims: ClaimNames,
}

/// The names of the claims that show how and when the person signed in. An issuer may reserve the registered names, so
/// the operator can choose others. For example, Auth0 does not let a tenant add `amr` or `auth_time` to an access token
/// ("Create Custom Claims").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    methods: String,
    class: String,
    signed_in: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        let [methods, class, signed_in] = ["amr", "acr", "auth_time"].map(str::to_owned);
        Self {
            methods,
            class,
            signed_in,
        }
    }
}

/// The text is not a list of claim names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of amr=CLAIM,acr=CLAIM,auth_time=CLAIM")]
pub struct ClaimNamesError;

impl ClaimNames {
    /// Reads `amr=CLAIM,acr=CLAIM,auth_time=CLAIM`. A claim that the text leaves out keeps its registered name.
    ///
    /// # Errors
    /// Fails if a part has another form, or if the text renames a claim twice.
    pub fn parse(text: &str) -> Result<Self, ClaimNamesError> {
        let (mut names, mut renamed) = (Self::default(), Vec::new());
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (registered, claim) = part.split_once('=').ok_or(ClaimNamesError)?;
            let (registered, claim) = (registered.trim(), claim.trim());
            let name = match registered {
                "amr" => &mut names.methods,
                "acr" => &mut names.class,
                "auth_time" => &mut names.signed_in,
                _ => return Err(ClaimNamesError),
            };
            if claim.is_empty() || renamed.contains(&registered) {
                return Err(ClaimNamesError);
            }
            claim.clone_into(name);
            renamed.push(registered);
        }
        Ok(names)
    }
}

/// The requirement that a token misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// The required scope was not granted.
    Scope,
    /// `amr` lacks a required method.
    Methods,
    /// `acr` is not a required class.
    Class,
    /// `auth_time` is missing, unreadable, too old or too far ahead.
    Age,
}

impl Assurance {
    /// Checks a token against every requirement.
    ///
    /// # Errors
    /// Returns the first requirement that the token misses.
    pub fn check(&self, claims: &BTreeMap<String, String>, now: Time) -> Result<(), Shortfall> {
        let claim = |name: &str| claims.get(name).map(String::as_str).unwrap_or_default();
        let granted = || items(claim("scope")).chain(items(claim("scp")));
        if !self.is_id_token(claim("token_use")) && !granted().any(|scope| scope == self.scope) {
            return Err(Shortfall::Scope);
        }
        let used = |method: &String| items(claim(&self.claims.methods)).any(|used| used == method);
        if !self.methods.iter().all(used) {
            return Err(Shortfall::Methods);
        }
        let reached = |class: &String| items(claim(&self.claims.class)).any(|reached| reached == class);
        if !self.classes.is_empty() && !self.classes.iter().any(reached) {
            return Err(Shortfall::Class);
        }
        match seconds(claim(&self.claims.signed_in)) {
            Some(signed_in) if self.is_recent(signed_in, now) => Ok(()),
            Some(_) | None => Err(Shortfall::Age),
        }
    }

    fn is_id_token(&self, token_use: &str) -> bool {
        self.takes_id_tokens && token_use == "id"
    }

    fn is_recent(&self, signed_in: Time, now: Time) -> bool {
        signed_in <= now.plus(CLOCK_SKEW) && now <= signed_in.plus(self.auth_age_max)
    }
}

/// The items of a claim: a list as API Gateway writes it (`[a b]`), or a text of items between spaces or commas.
fn items(claim: &str) -> impl Iterator<Item = &str> {
    // An object is not a list, even if its values contain a required word.
    let claim = Some(claim.trim()).filter(|claim| !claim.starts_with("map[") && !claim.starts_with('{'));
    let claim = claim.unwrap_or_default();
    let list = claim
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(claim);
    let items = list.split(|c: char| c.is_whitespace() || c == ',');
    items.map(|item| item.trim_matches('"')).filter(|item| !item.is_empty())
}

/// A time in seconds since the epoch, as an integer or as the same number in another notation (`1.7e+09`).
fn seconds(claim: &str) -> Option<Time> {
    let claim = claim.trim();
    let whole = claim.parse::<i64>().ok().or_else(|| {
        let number = claim.parse::<f64>().ok().filter(|number| number.is_finite())?;
        format!("{:.0}", number.floor()).parse().ok()
    });
    let millis = whole.filter(|seconds| *seconds > 0)?.checked_mul(1000)?;
    Some(Time::from_millis(millis))
}

/// Whether a claim is a text that can name a person: 1 to 255 characters (OpenID Connect Core 1.0, section 2), without
/// control characters and surrounding white space.
///
/// API Gateway passes every claim on as text, even `null`, a list, an object, `true`, `false`, or a number that lost
/// digits. Two persons could share the text of these values, so they are refused.
#[must_use]
pub fn is_plain_text(claim: &str) -> bool {
    let length = claim.chars().count();
    let enclosed = |open: &str, close: &str| claim.starts_with(open) && claim.ends_with(close);
    let is_json = enclosed("[", "]") || enclosed("{", "}") || enclosed("map[", "]") || enclosed("\"", "\"");
    let is_nothing = ["null", "nil", "<nil>", "none", "undefined", "true", "false", "nan"]
        .iter()
        .any(|word| claim.eq_ignore_ascii_case(word));
    (1..=255).contains(&length)
        && claim.trim() == claim
        && !claim.chars().any(char::is_control)
        && !is_json
        && !is_nothing
        && !is_rounded(claim)
}

/// Whether the text is a number in a notation that drops digits, such as `1.2345678901234567e+19`.
fn is_rounded(claim: &str) -> bool {
    let is_number = claim.parse::<f64>().is_ok();
    is_number && (claim.contains('.') || claim.contains("e+") || claim.contains("E+"))
}
