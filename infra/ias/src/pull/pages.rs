//! Passes the hosted pages. The command passes the stand-in's pages itself, or a person opens the pages in a browser.

use std::time::Duration;

use sandbox_machine::browser::{Browser, Return};
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use url::Url;

use crate::report::{one_line, say};

/// Longest wait for the confirmation of an identity after the command passed the identity page.
const CONFIRMATION: Duration = Duration::from_secs(15);
/// Longest wait for the end of a pull from the stand-in.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest time for a person to prove their identity with a document.
const PROOFING: Duration = Duration::from_secs(30 * 60);
/// Longest wait for the end of a pull from real networks.
const NETWORKS: Duration = Duration::from_secs(30 * 60);

pub(crate) enum Pages {
    /// The command passes the pages.
    Played(Browser),
    /// A person opens the printed pages.
    Shown,
}

/// URLs that hosted pages return to.
pub(crate) struct Returns {
    pub(crate) identity: String,
    pub(crate) aal2: String,
}

impl Default for Returns {
    fn default() -> Self {
        Self {
            identity: IDENTITY_RETURN.to_owned(),
            aal2: AAL2_RETURN.to_owned(),
        }
    }
}

impl Pages {
    /// Longest wait for a verified identity.
    pub(super) const fn confirmation(&self) -> Duration {
        match self {
            Self::Played(_) => CONFIRMATION,
            Self::Shown => PROOFING,
        }
    }

    /// Longest wait for the end of a pull.
    pub(super) const fn patience(&self) -> Duration {
        match self {
            Self::Played(_) => PATIENCE,
            Self::Shown => NETWORKS,
        }
    }

    /// Passes the identity page, or prints it for a person. The command does not wait for that person's return to the
    /// app, because only the webhook proves the identity.
    pub(super) async fn identity(&self, page: &str, return_to: &str) -> Result<(), String> {
        match self {
            Self::Played(browser) => returned(&pass(browser, page).await?, return_to),
            Self::Shown => {
                say("\n    Open this page in a browser and prove the identity; this command waits half an hour:");
                say(&format!("    {}\n", one_line(page)));
                Ok(())
            }
        }
    }

    /// Passes or prints the challenge page, and returns its AAL2 session.
    pub(super) async fn challenge(&self, page: &str, return_to: &str) -> Result<String, String> {
        let back = match self {
            Self::Played(browser) => pass(browser, page).await?,
            Self::Shown => {
                say("\n    Open this page in a browser and pass the challenge. It sends you to your app:");
                say(&format!("    {}\n", one_line(page)));
                say("    Copy the address that it sends you to, paste it here, and press Enter:");
                pasted(
                    tokio::task::spawn_blocking(line)
                        .await
                        .map_err(|error| error.to_string())??
                        .trim(),
                )?
            }
        };
        returned(&back, return_to)?;
        back.session
            .ok_or_else(|| "the challenge page returned no AAL2 session".to_owned())
    }
}

async fn pass(browser: &Browser, page: &str) -> Result<Return, String> {
    browser
        .pass(page)
        .await
        .map_err(|error| format!("hosted page: {error}"))
}

fn line() -> Result<String, String> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    Ok(line)
}

/// Parses the address that the person pasted. The error does not repeat the address, because it holds an AAL2 session.
fn pasted(address: &str) -> Result<Return, String> {
    let url = Url::parse(address).map_err(|_holds_a_session| "the pasted text is not a URL".to_owned())?;
    Ok(Return::of(&url))
}

fn returned(back: &Return, page: &str) -> Result<(), String> {
    let refused = back.status.as_deref().is_some_and(|status| status != "verified");
    if back.page != page || refused {
        return Err("the hosted page returned to another URL, or with a status other than verified".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_address_must_be_the_apps_return_url() {
        let back = pasted("https://app.example.org/back?aal2SessionId=aal2_1&status=verified").unwrap();
        assert_eq!(back.session.as_deref(), Some("aal2_1"));
        assert!(returned(&back, "https://app.example.org/back").is_ok());
        assert!(returned(&back, "https://other.example.org/back").is_err());
        let failed = pasted("https://app.example.org/back?status=failed").unwrap();
        assert!(returned(&failed, "https://app.example.org/back").is_err());
        assert!(!pasted("aal2_secret").unwrap_err().contains("aal2"));
    }
}
