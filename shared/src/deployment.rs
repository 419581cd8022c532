//! The deployment that a function belongs to.

use url::Url;

use crate::config::{ConfigError, Env, is_loopback};
use crate::domain::Timing;
use crate::roots::ExtraRoots;

/// The settings of a deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// `STAGE`: sent upstream as metadata.
    pub stage: String,
    /// `METRIPORT_BASE_URL`: HTTPS, or HTTP on loopback.
    pub metriport: Url,
    /// `TIME_SCALE`: divides durations; accepted only if Metriport is on loopback.
    pub timing: Timing,
    /// `EXTRA_ROOTS_FILE`: trusted besides the bundled roots; accepted only if Metriport is on loopback.
    pub roots: ExtraRoots,
}

impl Deployment {
    /// Reads the four variables.
    ///
    /// # Errors
    /// Fails if `STAGE` or `METRIPORT_BASE_URL` is missing, or if a variable is malformed or names an unusable file. It
    /// also fails if `TIME_SCALE` or `EXTRA_ROOTS_FILE` is used and Metriport is not on loopback.
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
                    problem: "not a whole number of at least 1",
                });
            }
        };
        if scale != 1 && !is_loopback(&metriport) {
            return Err(ConfigError {
                name: SCALE,
                problem: "time can be scaled only if Metriport is on loopback",
            });
        }
        Ok(Self {
            stage: env.required("STAGE")?.to_owned(),
            roots: ExtraRoots::read(env, &metriport)?,
            metriport,
            timing: Timing::scaled(scale),
        })
    }
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
