//! Configuration: environment variables, read once at init. Errors name a missing or malformed variable and never show
//! its value.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::domain::assurance::{AUTH_AGE_SECS_MAX, AUTH_AGE_SECS_MIN, Assurance, ClaimNames};
use crate::domain::claims::ClaimRules;
use crate::domain::consent::{ConsentRule, Notice};

/// A variable that is missing or malformed. Carries its name, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// The problem.
    pub problem: &'static str,
}

/// The environment variables of a process.
#[derive(Clone)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self(std::env::vars().collect())
    }

    /// These variables, for tests.
    #[must_use]
    pub fn from_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// These variables, for a program that is not a Lambda function but calls code that reads them.
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(vars.into_iter().collect())
    }

    /// A variable that may be missing; an empty one counts as missing.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A required variable.
    ///
    /// # Errors
    /// When it is missing or empty.
    pub fn required(&self, name: &'static str) -> Result<&str, ConfigError> {
        self.optional(name).ok_or(ConfigError {
            name,
            problem: "missing",
        })
    }

    /// A required number of days, from 1 to 65,535.
    ///
    /// # Errors
    /// When it is missing or not such a number.
    pub fn days(&self, name: &'static str) -> Result<u16, ConfigError> {
        let days = self.required(name)?.parse().ok().filter(|days| *days > 0);
        days.ok_or(ConfigError {
            name,
            problem: "not a whole number of days from 1 to 65535",
        })
    }

    /// A list separated by commas, without empty parts; empty if missing.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let parts = self.optional(name).unwrap_or_default().split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

/// Whether a URL's host names this machine: `localhost` or a loopback address.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Reads `DEMOGRAPHICS_CLAIMS`.
///
/// # Errors
/// When it is malformed.
pub fn claim_rules(env: &Env) -> Result<ClaimRules, ConfigError> {
    const NAME: &str = "DEMOGRAPHICS_CLAIMS";
    ClaimRules::parse(env.optional(NAME).unwrap_or_default()).map_err(|_malformed| ConfigError {
        name: NAME,
        problem: "not a list of firstName=CLAIM,lastName=CLAIM,dob=CLAIM",
    })
}

/// Reads `CONSENT_KEPT_ELSEWHERE`, or `CONSENT_NOTICE_VERSION`, `CONSENT_NOTICE_SHA256` and `CONSENT_NOTICE_URL`.
///
/// # Errors
/// Fails if a part of the notice is missing or malformed, and `CONSENT_KEPT_ELSEWHERE` is not `true`. Also fails if it
/// is `true` and a notice is named.
pub fn consent_rule(env: &Env) -> Result<ConsentRule, ConfigError> {
    const VERSION: &str = "CONSENT_NOTICE_VERSION";
    if env.optional("CONSENT_KEPT_ELSEWHERE") == Some("true") {
        return match env.optional(VERSION) {
            None => Ok(ConsentRule::KeptElsewhere),
            Some(_) => Err(ConfigError {
                name: VERSION,
                problem: "a notice, although CONSENT_KEPT_ELSEWHERE is true",
            }),
        };
    }
    let version = env.optional(VERSION).ok_or(ConfigError {
        name: VERSION,
        problem: "missing; set the notice, or CONSENT_KEPT_ELSEWHERE=true",
    })?;
    let (sha256, url) = (
        env.required("CONSENT_NOTICE_SHA256")?,
        env.required("CONSENT_NOTICE_URL")?,
    );
    Notice::parse(version, sha256, url)
        .map(ConsentRule::Notice)
        .map_err(|malformed| ConfigError {
            name: VERSION,
            problem: malformed.0,
        })
}

/// Reads `RECORD_RETENTION_DAYS`: the days for which an ended record stays without consent to `keep`.
///
/// # Errors
/// When it is missing or not a positive whole number.
pub fn record_retention_days(env: &Env) -> Result<u32, ConfigError> {
    env.days("RECORD_RETENTION_DAYS").map(u32::from)
}

/// Reads `REQUIRED_SCOPE`, `REQUIRED_AMR`, `REQUIRED_ACR`, `ACCEPT_ANY_SIGN_IN`, `ASSURANCE_CLAIMS`,
/// `MAX_AUTH_AGE_SECS` and `TAKES_ID_TOKENS`.
///
/// # Errors
/// Fails if a variable is malformed, or if the scope or the age is missing. It also fails if neither methods
/// (`REQUIRED_AMR`) nor classes (`REQUIRED_ACR`) are required and `ACCEPT_ANY_SIGN_IN` is not `true`.
pub fn assurance(env: &Env) -> Result<Assurance, ConfigError> {
    const AGE: &str = "MAX_AUTH_AGE_SECS";
    const CLAIMS: &str = "ASSURANCE_CLAIMS";
    let claims = ClaimNames::parse(env.optional(CLAIMS).unwrap_or_default());
    let age = env.required(AGE)?.parse().ok();
    let age = age.filter(|age| (AUTH_AGE_SECS_MIN..=AUTH_AGE_SECS_MAX).contains(age));
    let (methods, classes) = (env.list("REQUIRED_AMR"), env.list("REQUIRED_ACR"));
    if methods.is_empty() && classes.is_empty() && env.optional("ACCEPT_ANY_SIGN_IN") != Some("true") {
        return Err(ConfigError {
            name: "REQUIRED_AMR",
            problem: "missing; set it, REQUIRED_ACR, or ACCEPT_ANY_SIGN_IN=true",
        });
    }
    Ok(Assurance {
        scope: env.required("REQUIRED_SCOPE")?.to_owned(),
        takes_id_tokens: env.optional("TAKES_ID_TOKENS") == Some("true"),
        methods,
        classes,
        auth_age_max: Duration::from_secs(age.ok_or(ConfigError {
            name: AGE,
            problem: "not a whole number of seconds from 300 to 86400",
        })?),
        claims: claims.map_err(|_malformed| ConfigError {
            name: CLAIMS,
            problem: "not a list of amr=CLAIM,acr=CLAIM,auth_time=CLAIM",
        })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_sign_in_is_accepted_only_if_stated() {
        let read = |methods: &str, accepts: &str| {
            let env = Env::from_pairs([
                ("REQUIRED_SCOPE", "records"),
                ("REQUIRED_AMR", methods),
                ("ACCEPT_ANY_SIGN_IN", accepts),
                ("MAX_AUTH_AGE_SECS", "43200"),
            ]);
            assurance(&env).map_err(|error| error.name)
        };
        assert_eq!(read("", ""), Err("REQUIRED_AMR"));
        assert_eq!(read("", "yes"), Err("REQUIRED_AMR"));
        assert_eq!(read(" , ", "false"), Err("REQUIRED_AMR"));
        assert_eq!(read("mfa", "").unwrap().methods, ["mfa"]);
        assert!(read("", "true").unwrap().methods.is_empty());
    }

    #[test]
    fn consent_rule_needs_a_notice_or_a_statement() {
        const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let read = |version: &str, sha256: &str, elsewhere: &str| {
            let env = Env::from_pairs([
                ("CONSENT_NOTICE_VERSION", version),
                ("CONSENT_NOTICE_SHA256", sha256),
                ("CONSENT_NOTICE_URL", "https://app.example.test/notice"),
                ("CONSENT_KEPT_ELSEWHERE", elsewhere),
            ]);
            consent_rule(&env).map_err(|error| error.name)
        };
        assert!(matches!(read("1", SHA256, "false"), Ok(ConsentRule::Notice(_))));
        assert_eq!(read("", "", "true"), Ok(ConsentRule::KeptElsewhere));
        for (version, sha256, elsewhere) in [
            ("", SHA256, ""),
            ("1", "9f86", ""),
            ("1", SHA256, "true"),
            ("", "", "yes"),
        ] {
            assert_eq!(read(version, sha256, elsewhere), Err("CONSENT_NOTICE_VERSION"));
        }
        assert_eq!(read("1", "", ""), Err("CONSENT_NOTICE_SHA256"));
    }

    #[test]
    fn auth_age_outside_300_to_86400_seconds_is_refused() {
        for age in ["", "299", "86401", "12h"] {
            let env = Env::from_pairs([
                ("REQUIRED_SCOPE", "records"),
                ("REQUIRED_AMR", "mfa"),
                ("MAX_AUTH_AGE_SECS", age),
            ]);
            assert_eq!(assurance(&env).unwrap_err().name, "MAX_AUTH_AGE_SECS", "{age}");
        }
    }
}
