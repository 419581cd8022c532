//! The subject of a refusal.

/// The subject of a refusal, read from its status and its text. The text is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mentions {
    /// Whether the refusal mentions the AAL2 session. The person then needs a new challenge.
    pub aal2: bool,
    /// Whether the refusal mentions the proofed identity. The person must then be proofed again.
    pub identity: bool,
    /// Whether the refusal mentions the redirect URL. The cause is then the deployment, not the person.
    pub redirect: bool,
}

impl Mentions {
    /// Reads the subject from Metriport's text.
    #[must_use]
    pub(crate) fn in_text(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        Self {
            aal2: text.contains("aal2") || text.contains("session"),
            identity: text.contains("identity"),
            redirect: text.contains("redirect"),
        }
    }

    /// Counts a 401 or 403 that does not mention the identity as a rejected AAL2 session. Metriport does not document
    /// the errors of a query for `ias`, so the status decides.
    #[must_use]
    pub(crate) fn or_aal2_by_status(self, status: u16) -> Self {
        let rejected = matches!(status, 401 | 403) && !self.identity;
        Self {
            aal2: self.aal2 || rejected,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_refusal_decide_its_subject() {
        assert_eq!(
            Mentions::in_text("AAL2 Session expired"),
            Mentions {
                aal2: true,
                ..Mentions::default()
            }
        );
        let identity = Mentions::in_text("Invalid, on [proofedIdentityId]");
        assert_eq!(
            identity,
            Mentions {
                identity: true,
                ..Mentions::default()
            }
        );
        // A path has commas between its parts, and the text may hold several paths.
        let several = "Required, on [networkQuery,proofedIdentityId], Invalid zip, on [address,0,zip]";
        assert_eq!(Mentions::in_text(several), identity);
        assert_eq!(
            Mentions::in_text("Invalid zip, on [address,0,zip]"),
            Mentions::default()
        );
        assert_eq!(identity.or_aal2_by_status(403), identity);
        assert!(Mentions::default().or_aal2_by_status(401).aal2);
        assert!(!Mentions::default().or_aal2_by_status(400).aal2);
    }
}
