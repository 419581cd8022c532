//! Who passes the hosted pages: this command, which knows those of the stand-in, or a person in a browser.

use std::time::Duration;

use sandbox_machine::browser::{Browser, Return};
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use url::Url;

use crate::report::{one_line, say};

/// How long the confirmation of an identity is waited for whose page was passed at once.
const CONFIRMATION: Duration = Duration::from_secs(15);
/// How long somebody would look at a page that says "please wait".
const PATIENCE: Duration = Duration::from_secs(120);
/// How long somebody may take to prove their identity, with a document in their hands.
const PROOFING: Duration = Duration::from_secs(30 * 60);
/// How long real networks may take for whoever wants to see it work.
const NETWORKS: Duration = Duration::from_secs(30 * 60);

/// Who passes hosted pages.
pub(crate) enum Pages {
    /// This command.
    Played(Browser),
    /// Whoever reads what it prints.
    Shown,
}

/// Where hosted pages return to.
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
    /// How long a verified identity is waited for.
    pub(super) const fn confirmation(&self) -> Duration {
        match self {
            Self::Played(_) => CONFIRMATION,
            Self::Shown => PROOFING,
        }
    }

    /// How long the end of a pull is waited for.
    pub(super) const fn patience(&self) -> Duration {
        match self {
            Self::Played(_) => PATIENCE,
            Self::Shown => NETWORKS,
        }
    }

    /// The identity page. Coming back from it means nothing; when it is shown, nobody is waited for.
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

    /// The challenge page, and the session that it gives.
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
            .ok_or_else(|| "the challenge page gave no AAL2 session".to_owned())
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

/// What stands in an address that somebody was sent to. It is not repeated: it holds a session.
fn pasted(address: &str) -> Result<Return, String> {
    let url = Url::parse(address).map_err(|_holds_a_session| "that is no address".to_owned())?;
    Ok(Return::of(&url))
}

fn returned(back: &Return, page: &str) -> Result<(), String> {
    let refused = back.status.as_deref().is_some_and(|status| status != "verified");
    if back.page != page || refused {
        return Err("the hosted page did not send the person back as expected".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_address_gives_its_session_and_must_be_the_apps_own() {
        let back = pasted("https://app.example.org/back?aal2SessionId=aal2_1&status=verified").unwrap();
        assert_eq!(back.session.as_deref(), Some("aal2_1"));
        assert!(returned(&back, "https://app.example.org/back").is_ok());
        assert!(returned(&back, "https://other.example.org/back").is_err());
        let failed = pasted("https://app.example.org/back?status=failed").unwrap();
        assert!(returned(&failed, "https://app.example.org/back").is_err());
        assert!(!pasted("aal2_secret").unwrap_err().contains("aal2"));
    }
}
