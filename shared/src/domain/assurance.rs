//! How well a caller's token must show who signed in, how and when.
//!
//! API Gateway has verified the token and passes its claims on as text. This module reads the claims of RFC 9068 and
//! OpenID Connect Core 1.0 (`scope`, `auth_time`, `acr`) and of RFC 8176 (`amr`); the deployment says what they must
//! be. A claim that is missing or unreadable never satisfies a requirement.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Time;

/// The most that a deployment may allow between two sign-ins, in seconds: 24 hours (NIST SP 800-63B-4, section 2.2.3).
pub const AUTH_AGE_SECS_MAX: u64 = 86_400;
/// The least that makes sense: a person needs minutes from the sign-in to the end of a challenge.
pub const AUTH_AGE_SECS_MIN: u64 = 300;
/// How far the issuer's clock may be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// What the deployment requires of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assurance {
    /// The scope that the token must have been granted.
    pub scope: String,
    /// Whether an ID token of the stack's own user pool may come without a scope: Cognito puts none into it.
    pub takes_id_tokens: bool,
    /// Authentication methods that `amr` must name, all of them; none if the deployment requires none.
    pub methods: Vec<String>,
    /// Authentication context classes of which `acr` must be one; empty if the deployment requires none.
    pub classes: Vec<String>,
    /// How long ago the person may have signed in.
    pub auth_age_max: Duration,
    /// Which claims say so.
    pub claims: ClaimNames,
}

/// The claims that say how and when the person signed in. Some issuers keep the registered names to themselves: Auth0
/// lets nobody add `amr` or `auth_time` to an access token ("Create Custom Claims").
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

/// A text that does not name claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of amr=CLAIM,acr=CLAIM,auth_time=CLAIM")]
pub struct ClaimNamesError;

impl ClaimNames {
    /// Reads `amr=CLAIM,acr=CLAIM,auth_time=CLAIM`, any of them; the others keep their registered names.
    ///
    /// # Errors
    /// When a part has another form, or a claim is named twice.
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

/// What a token falls short of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// The required scope was not granted.
    Scope,
    /// `amr` lacks a required method.
    Methods,
    /// `acr` is not a required class.
    Class,
    /// `auth_time` is missing, unreadable or too long ago.
    Age,
}

impl Assurance {
    /// Whether a token meets every requirement.
    ///
    /// # Errors
    /// The first requirement that it does not meet.
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

/// The items of a claim that is a list, `[a b]` as API Gateway writes it, or a text with spaces between.
fn items(claim: &str) -> impl Iterator<Item = &str> {
    // An object is no list, whatever words its values hold.
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

/// Whether a claim is a text that can name a person. API Gateway passes every claim on as text, and two persons must
/// not meet under one name that was no text in the token: JSON's `null`, a list, an object, a truth value, or a number
/// that lost digits. At most 255 characters (OpenID Connect Core 1.0, section 2), none of them a control character.
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

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED_IN: &str = "1764280000";

    fn now_after(secs: u64) -> Time {
        Time::from_millis(1_764_280_000_000).plus(Duration::from_secs(secs))
    }

    fn claims<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn assurance(methods: &[&str], classes: &[&str]) -> Assurance {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Assurance {
            scope: "records".to_owned(),
            takes_id_tokens: false,
            methods: owned(methods),
            classes: owned(classes),
            auth_age_max: Duration::from_secs(43_200),
            claims: ClaimNames::default(),
        }
    }

    /// What a token with these claims falls short of, 60 seconds after the sign-in.
    fn shortfall<const N: usize>(required: &Assurance, pairs: [(&str, &str); N]) -> Option<Shortfall> {
        required.check(&claims(pairs), now_after(60)).err()
    }

    #[test]
    fn scope_is_read_as_each_issuer_writes_it() {
        let required = assurance(&[], &[]);
        let granted = |name, value| shortfall(&required, [(name, value), ("auth_time", SIGNED_IN)]);
        for (name, value) in [
            ("scope", "openid records"),
            ("scope", "records"),
            ("scp", "[openid records]"),
            ("scp", "records openid"),
            ("scp", "[\"openid\",\"records\"]"),
        ] {
            assert_eq!(granted(name, value), None, "{name} {value}");
        }
        let many = "x ".repeat(5_000);
        for (name, value) in [
            ("scope", ""),
            ("scope", "records:read"),
            ("scope", "null"),
            ("scope", "map[records:true]"),
            ("scope", many.as_str()),
            ("permissions", "records"),
        ] {
            assert_eq!(granted(name, value), Some(Shortfall::Scope), "{name} {value:.20}");
        }
    }

    #[test]
    fn every_required_method_must_have_been_used() {
        let required = assurance(&["pwd", "otp"], &[]);
        let used = |amr| {
            shortfall(
                &required,
                [("scope", "records"), ("amr", amr), ("auth_time", SIGNED_IN)],
            )
        };
        assert_eq!(used("[otp pwd]"), None);
        assert_eq!(used("pwd otp mfa"), None);
        for amr in [
            "",
            "[pwd]",
            "[]",
            "null",
            "[pwdotp]",
            "map[pwd:otp]",
            "map[a:x pwd otp b:y]",
        ] {
            assert_eq!(used(amr), Some(Shortfall::Methods), "{amr}");
        }
        let missing = shortfall(&required, [("scope", "records"), ("auth_time", SIGNED_IN)]);
        assert_eq!(missing, Some(Shortfall::Methods));
    }

    #[test]
    fn class_must_be_one_of_those_required() {
        let required = assurance(&[], &["urn:example:aal2", "phrh"]);
        let reached = |acr| {
            shortfall(
                &required,
                [("scope", "records"), ("acr", acr), ("auth_time", SIGNED_IN)],
            )
        };
        assert_eq!((reached("phrh"), reached("[c1 phrh]")), (None, None));
        for acr in ["", "0", "phr", "[]", "map[phrh:1]"] {
            assert_eq!(reached(acr), Some(Shortfall::Class), "{acr}");
        }
    }

    #[test]
    fn sign_in_is_recent_or_missing_or_too_old() {
        let required = assurance(&[], &[]);
        let at = |auth_time: &str, secs| {
            let claims = claims([("scope", "records"), ("auth_time", auth_time)]);
            required.check(&claims, now_after(secs))
        };
        for (auth_time, secs) in [
            (SIGNED_IN, 0),
            (SIGNED_IN, 43_200),
            ("1.76428e+09", 60),
            ("1764280000.9", 60),
            // Issued by a clock that is five minutes ahead.
            ("1764280300", 0),
        ] {
            assert_eq!(at(auth_time, secs), Ok(()), "{auth_time} {secs}");
        }
        let long = "1".repeat(10_000);
        for (auth_time, secs) in [
            (SIGNED_IN, 43_201),
            ("1764280301", 0),
            ("1764280000000", 0),
            ("", 0),
            ("null", 0),
            ("inf", 0),
            ("NaN", 0),
            ("0", 0),
            ("-1764280000", 0),
            ("9223372036854775807", 0),
            ("1e300", 0),
            (long.as_str(), 0),
        ] {
            assert_eq!(at(auth_time, secs), Err(Shortfall::Age), "{auth_time:.30} {secs}");
        }
    }

    /// Claims as each issuer documents them; an issuer that has no claim for a requirement cannot meet it.
    #[test]
    fn tokens_of_known_issuers_meet_their_requirements() {
        // Amazon Cognito, "Understanding the access token" and "Understanding the identity (ID) token".
        let mut pool = assurance(&[], &[]);
        pool.scope = "aws.cognito.signin.user.admin".to_owned();
        pool.takes_id_tokens = true;
        let access = [
            ("token_use", "access"),
            ("scope", "aws.cognito.signin.user.admin"),
            ("auth_time", SIGNED_IN),
        ];
        let id = [("token_use", "id"), ("given_name", "Jane"), ("auth_time", SIGNED_IN)];
        assert_eq!((shortfall(&pool, access), shortfall(&pool, id)), (None, None));
        // Auth0, "Create Custom Claims": an Action adds claims under names with a namespace.
        let mut tenant = assurance(&["mfa"], &[]);
        tenant.claims = ClaimNames::parse("amr=https://a.example/amr,auth_time=https://a.example/auth_time").unwrap();
        let (scope, amr) = (("scope", "openid records"), ("https://a.example/amr", "[pwd mfa]"));
        let auth0 = [scope, amr, ("https://a.example/auth_time", SIGNED_IN)];
        assert_eq!(shortfall(&tenant, auth0), None);
        let registered = [scope, ("amr", "[mfa]"), ("auth_time", SIGNED_IN)];
        assert_eq!(shortfall(&tenant, registered), Some(Shortfall::Methods));
        // Okta, "Step-up authentication using ACR values": `scp` is a list.
        let okta = [
            ("scp", "[openid records]"),
            ("acr", "urn:okta:loa:2fa:any"),
            ("auth_time", SIGNED_IN),
        ];
        assert_eq!(shortfall(&assurance(&[], &["urn:okta:loa:2fa:any"]), okta), None);
        // Microsoft Entra, "Access token claims reference": `scp` is a text, `amr` is in tokens of version 1.0, `acrs`
        // lists authentication contexts, `auth_time` is an optional claim.
        let entra = [("scp", "records"), ("amr", "[pwd mfa]"), ("auth_time", SIGNED_IN)];
        assert_eq!(shortfall(&assurance(&["mfa"], &[]), entra), None);
        let mut contexts = assurance(&[], &["c1"]);
        contexts.claims = ClaimNames::parse("acr=acrs").unwrap();
        let entra = [("scp", "records"), ("acrs", "[c1 c2]"), ("auth_time", SIGNED_IN)];
        assert_eq!(shortfall(&contexts, entra), None);
        // An ID token of any other issuer is not for an API.
        let foreign = [("token_use", "id"), ("amr", "[mfa]"), ("auth_time", SIGNED_IN)];
        assert_eq!(shortfall(&assurance(&["mfa"], &[]), foreign), Some(Shortfall::Scope));
    }

    #[test]
    fn names_of_claims_are_each_given_once() {
        assert_eq!(ClaimNames::parse(" "), Ok(ClaimNames::default()));
        assert_eq!(ClaimNames::parse("amr=amr, acr=acr"), Ok(ClaimNames::default()));
        for text in ["amr", "amr=", "scope=a", "amr=a,amr=b", "amr:a"] {
            assert_eq!(ClaimNames::parse(text), Err(ClaimNamesError), "{text}");
        }
    }

    #[test]
    fn only_a_plain_text_names_a_person() {
        for text in [
            "nora",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "12345678901234567890",
            "5071234567890e12",
            "née.q@example.test",
            "a b",
            "e",
        ] {
            assert!(is_plain_text(text), "{text}");
        }
        let long = "a".repeat(256);
        for text in [
            "",
            " ",
            " nora",
            "null",
            "<nil>",
            "None",
            "true",
            "[nora]",
            "[]",
            "map[a:b]",
            "{\"a\":1}",
            "\"nora\"",
            "1.2345678901234567e+19",
            "1E+5",
            "1.5",
            "no\nra",
            "no\0ra",
            long.as_str(),
        ] {
            assert!(!is_plain_text(text), "{text:?}");
        }
    }
}
