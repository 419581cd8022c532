//! What went wrong upstream, and whether the call may have taken effect.
//!
//! Upstream's own words may repeat names, ids or links, so none of them is kept: the text is read once, while it is
//! decoded, for what it is about ([`Mentions`]); of the title only a known one survives. That makes the derived `Debug`
//! safe to log.

mod kind;
mod mentions;
mod operation;

use std::fmt;
use std::io;
use std::time::Duration;

pub use kind::{Effect, UpstreamErrorKind};
pub use mentions::Mentions;
pub use operation::Operation;

/// A failed upstream call. Holds nothing a person could be known by.
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
    /// A failure of this kind, with nothing else known.
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

    /// With the HTTP status of the answer.
    #[must_use]
    pub const fn with_status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// With what the refusal is about.
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

    /// Which call failed.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> UpstreamErrorKind {
        self.kind
    }

    /// Whether it may have taken effect.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.kind.effect()
    }

    /// Whether to send it again; see [`UpstreamErrorKind::retryable`].
    #[must_use]
    pub const fn retryable(&self) -> bool {
        self.kind.retryable()
    }

    /// The HTTP status, if an answer came.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// Upstream's title, if it is a known one.
    #[must_use]
    pub const fn title(&self) -> Option<&'static str> {
        self.title
    }

    /// How long to wait after a 429, if it said so; at most a day.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            UpstreamErrorKind::RateLimited { retry_after } => retry_after,
            _ => None,
        }
    }

    /// What the refusal is about.
    #[must_use]
    pub const fn mentions(&self) -> Mentions {
        self.mentions
    }

    /// Whether the API key was refused, and nothing about the person can be meant: a 403 of the gateway or in plain
    /// text, or a 401. The key is checked before a call is handed on, so it had no effect.
    #[must_use]
    pub const fn refuses_key(&self) -> bool {
        matches!(self.kind, UpstreamErrorKind::Auth) && !self.mentions.aal2 && !self.mentions.identity
    }

    /// Whether a new AAL2 challenge is the way on.
    #[must_use]
    pub const fn mentions_aal2(&self) -> bool {
        self.mentions.aal2
    }

    /// Whether proofing the identity again is the way on. Goes before [`Self::mentions_aal2`] when both hold: a new
    /// identity needs a new challenge anyway.
    #[must_use]
    pub const fn mentions_identity(&self) -> bool {
        self.mentions.identity
    }

    /// Whether Metriport refused because it does not take the proofed identity, and nothing else can be meant. Proofing
    /// again is much to ask of a person: a refusal that may be about the session, the redirect URL, the account or the
    /// route does not count.
    #[must_use]
    pub const fn rejects_identity(&self) -> bool {
        use UpstreamErrorKind as Kind;
        let of_the_call = matches!(
            self.kind,
            Kind::BadRequest | Kind::Forbidden | Kind::NotFound | Kind::Conflict | Kind::Refused
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
