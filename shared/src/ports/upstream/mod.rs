//! Failures of upstream calls, and whether a call may have taken effect.
//!
//! The text of Metriport's errors may repeat names, ids or links, so it is not kept. The decoder keeps only the title,
//! if it is a known one, and whether the text mentions AAL2, the identity or the redirect URL ([`Mentions`]). The
//! derived `Debug` is therefore safe to log.

mod kind;
mod mentions;
mod operation;

use std::fmt;
use std::io;
use std::time::Duration;

pub use kind::{Effect, UpstreamErrorKind};
pub use mentions::Mentions;
pub use operation::Operation;

/// A failed upstream call. It holds nothing that identifies a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamError {
    operation: Operation,
    kind: UpstreamErrorKind,
    status: Option<u16>,
    title: Option<&'static str>,
    cause: Option<io::ErrorKind>,
    mentions: Mentions,
}

impl UpstreamError {
    /// A failure of this kind, without details.
    #[must_use]
    pub const fn new(operation: Operation, kind: UpstreamErrorKind) -> Self {
        let mentions = Mentions {
            aal2: false,
            identity: false,
            redirect: false,
        };
        Self {
            operation,
            kind,
            status: None,
            title: None,
            cause: None,
            mentions,
        }
    }

    /// Adds the HTTP status of the answer.
    #[must_use]
    pub const fn with_status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// Adds the subjects that the refusal's text mentions.
    #[must_use]
    pub const fn with_mentions(self, mentions: Mentions) -> Self {
        Self { mentions, ..self }
    }

    pub(crate) const fn with_title(self, title: Option<&'static str>) -> Self {
        Self { title, ..self }
    }

    pub(crate) const fn with_cause(self, cause: Option<io::ErrorKind>) -> Self {
        Self { cause, ..self }
    }

    /// The call that failed.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Why it failed.
    #[must_use]
    pub const fn kind(&self) -> UpstreamErrorKind {
        self.kind
    }

    /// Whether the call may have taken effect.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.kind.effect()
    }

    /// Whether to send the call again; see [`UpstreamErrorKind::retryable`].
    #[must_use]
    pub const fn retryable(&self) -> bool {
        self.kind.retryable()
    }

    /// The HTTP status, if an answer came.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// The title of Metriport's error, if it is a known one.
    #[must_use]
    pub const fn title(&self) -> Option<&'static str> {
        self.title
    }

    /// The wait that a 429 names, if any; at most a day.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            UpstreamErrorKind::RateLimited { retry_after } => retry_after,
            _ => None,
        }
    }

    /// The subjects that the refusal's text mentions.
    #[must_use]
    pub const fn mentions(&self) -> Mentions {
        self.mentions
    }

    /// Whether the refusal is about the API key and not the person. Such a refusal is a 401, or a 403 if the gateway
    /// sent it or its body is plain text. Metriport checks the key before it handles a call, so the call had no effect.
    #[must_use]
    pub const fn refuses_key(&self) -> bool {
        matches!(self.kind, UpstreamErrorKind::Auth) && !self.mentions.aal2 && !self.mentions.identity
    }

    /// Whether the person needs a new AAL2 challenge.
    #[must_use]
    pub const fn mentions_aal2(&self) -> bool {
        self.mentions.aal2
    }

    /// Whether the refusal mentions the identity, which may have to be proofed again. If [`Self::mentions_aal2`] is
    /// true as well, a new challenge is tried first.
    #[must_use]
    pub const fn mentions_identity(&self) -> bool {
        self.mentions.identity
    }

    /// Whether Metriport refused because it does not accept the proofed identity. Another proofing costs the person
    /// much effort. A refusal that may have another cause (the session, the redirect URL, the account or the route)
    /// therefore does not count.
    #[must_use]
    pub const fn rejects_identity(&self) -> bool {
        let of_the_call = matches!(
            self.kind,
            UpstreamErrorKind::BadRequest
                | UpstreamErrorKind::Forbidden
                | UpstreamErrorKind::NotFound
                | UpstreamErrorKind::Conflict
                | UpstreamErrorKind::Refused
        );
        of_the_call && self.mentions.identity && !self.mentions.aal2 && !self.mentions.redirect
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metriport {}: {}", self.operation, self.kind.as_str())?;
        if let Some(status) = self.status {
            write!(f, ", HTTP {status}")?;
        }
        if let Some(title) = self.title {
            write!(f, ", {title}")?;
        }
        if let Some(cause) = self.cause {
            write!(f, " ({cause})")?;
        }
        Ok(())
    }
}

impl std::error::Error for UpstreamError {}
