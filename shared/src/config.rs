//! Configuration: environment variables, read once at init. What is missing or malformed is named, never shown.

use std::collections::BTreeMap;

use url::Url;

use crate::domain::Timing;
use crate::domain::claims::ClaimRules;
use crate::roots::ExtraRoots;

/// A variable that is missing or wrong. Carries its name, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The variables a process was started with.
#[derive(Clone)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// This process's own.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self(std::env::vars().collect())
    }

    /// Given ones, for tests.
    #[must_use]
    pub fn from_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// Given ones, for a process that stands in for another.
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(vars.into_iter().collect())
    }

    /// A variable that may be missing; an empty one counts as missing.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that must be there.
    ///
    /// # Errors
    /// When it is missing or empty.
    pub fn required(&self, name: &'static str) -> Result<&str, ConfigError> {
        self.optional(name).ok_or(ConfigError {
            name,
            problem: "missing",
        })
    }

    /// A list separated by commas, without empty parts; empty when missing.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let parts = self.optional(name).unwrap_or_default().split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

/// Which deployment this is, which Metriport it talks to, and how time runs.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// `STAGE`: sent upstream as metadata.
    pub stage: String,
    /// `METRIPORT_BASE_URL`: HTTPS, or HTTP on loopback.
    pub metriport: Url,
    /// `TIME_SCALE`: divides durations; accepted on loopback only.
    pub timing: Timing,
    /// `EXTRA_ROOTS_FILE`: trusted beside the bundled roots; accepted on loopback only.
    pub roots: ExtraRoots,
}

impl Deployment {
    /// Reads the four variables.
    ///
    /// # Errors
    /// When one is missing or malformed, or when time is scaled, or other roots are trusted, where Metriport is not on
    /// loopback.
    pub fn read(env: &Env) -> Result<Self, ConfigError> {
        const URL: &str = "METRIPORT_BASE_URL";
        const SCALE: &str = "TIME_SCALE";
        let Ok(metriport) = env.required(URL)?.parse::<Url>() else {
            return Err(ConfigError {
                name: URL,
                problem: "not a URL",
            });
        };
        if metriport.scheme() != "https" && !is_loopback(&metriport) {
            return Err(ConfigError {
                name: URL,
                problem: "plain HTTP is for loopback only",
            });
        }
        let scale = match env.optional(SCALE).map(str::parse::<u32>) {
            None => 1,
            Some(Ok(scale)) if scale >= 1 => scale,
            Some(_) => {
                return Err(ConfigError {
                    name: SCALE,
                    problem: "not a whole number from 1 on",
                });
            }
        };
        if scale != 1 && !is_loopback(&metriport) {
            return Err(ConfigError {
                name: SCALE,
                problem: "time is scaled only where Metriport is on loopback",
            });
        }
        Ok(Self {
            stage: env.required("STAGE")?.to_owned(),
            roots: ExtraRoots::read(env, &metriport)?,
            metriport,
            timing: Timing::scaled(scale),
        })
    }

    /// Whether Metriport is a stand-in on this machine.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        is_loopback(&self.metriport)
    }
}

/// Whether a URL's host is this machine by name or address.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_scaled_on_loopback_only() {
        let read = |url, scale| {
            Deployment::read(&Env::from_pairs([
                ("STAGE", "dev"),
                ("METRIPORT_BASE_URL", url),
                ("TIME_SCALE", scale),
            ]))
        };
        assert!(read("https://api.metriport.com", "1").is_ok());
        assert_eq!(read("https://api.metriport.com", "60").unwrap_err().name, "TIME_SCALE");
        assert_eq!(read("http://127.0.0.1:4000", "60").unwrap().timing, Timing::scaled(60));
        assert_eq!(read("http://localhost:4000", "x").unwrap_err().name, "TIME_SCALE");
        assert_eq!(
            read("http://api.metriport.com", "").unwrap_err().name,
            "METRIPORT_BASE_URL"
        );
    }

    #[test]
    fn errors_name_the_variable_and_not_its_value() {
        let env = Env::from_pairs([("STAGE", "dev"), ("METRIPORT_BASE_URL", "CANARY value")]);
        let error = Deployment::read(&env).unwrap_err().to_string();
        assert!(error.contains("METRIPORT_BASE_URL") && !error.contains("CANARY"));
    }
}
