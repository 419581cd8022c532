//! Errors of a step. Only this module maps them: to a problem for an HTTP caller, and to a redelivery or a dead letter
//! for a message.

use crate::domain::IdError;
use crate::domain::patient::Unsettled;
use crate::edge::http::problem::{Code, Problem};
use crate::message::MessageError;
use crate::message::dead_letter::DeadLetterReason;
use crate::metriport::{Effect, UpstreamError, UpstreamErrorKind};
use crate::queue::QueueError;
use crate::records::RecordsError;
use crate::seals::SealsError;
use crate::store::StoreError;

/// The error of a step. Safe to log: no variant holds anything about a person.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request or the stored state does not allow the work. Nothing was changed.
    #[error("refused: {}", .0.code.as_str())]
    Refused(Box<Problem>),
    /// The table failed, or refused a write.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A call of Metriport failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The bucket, or the transfer of a record, failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The seals of the access log cannot be read or written.
    #[error(transparent)]
    Seals(#[from] SealsError),
    /// A message that cannot be read.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A readable message that can never be acted on.
    #[error("given up: {}", .0.as_str())]
    GivenUp(DeadLetterReason),
    /// A defect: our own data or code is wrong.
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl From<Unsettled> for Error {
    fn from(unsettled: Unsettled) -> Self {
        Problem::new(match unsettled {
            Unsettled::NotLinked => Code::PatientNotLinked,
            Unsettled::Changing => Code::PatientChanging,
        })
        .into()
    }
}

impl From<IdError> for Error {
    fn from(IdError(what): IdError) -> Self {
        Self::Internal(what)
    }
}

impl Error {
    /// Whether the same work may succeed later. If so, SQS redelivers the message; otherwise its consumer gives it up
    /// (see [`Error::gives_up`]).
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Message(_) | Self::GivenUp(_) | Self::Internal(_) => false,
            Self::Store(error) => error.retryable(),
            Self::Queue(_) | Self::Seals(_) => true,
            Self::Upstream(error) => error.retryable(),
            Self::Records(error) => error.retryable(),
        }
    }

    /// Why a message with this error is given up; `None` if it is redelivered.
    #[must_use]
    pub fn gives_up(&self) -> Option<DeadLetterReason> {
        if self.retryable() {
            return None;
        }
        Some(match self {
            Self::GivenUp(reason) => *reason,
            Self::Message(error) => (*error).into(),
            Self::Refused(_) => DeadLetterReason::NotRetryable("refused"),
            Self::Store(_) => DeadLetterReason::NotRetryable("store"),
            Self::Queue(_) => DeadLetterReason::NotRetryable("queue"),
            Self::Upstream(_) => DeadLetterReason::NotRetryable("upstream"),
            Self::Records(_) => DeadLetterReason::NotRetryable("record"),
            Self::Seals(_) => DeadLetterReason::NotRetryable("seals"),
            Self::Internal(_) => DeadLetterReason::NotRetryable("internal"),
        })
    }

    /// The problem for an HTTP caller.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Refused(problem) => *problem,
            Self::Upstream(error) => upstream(&error),
            Self::Store(StoreError::GrantEnded) => Problem::new(Code::ConsentRequired),
            Self::Store(StoreError::Conflict(_)) => Problem::new(Code::StateChanged).retry_after(1),
            Self::Store(StoreError::Unavailable(_)) | Self::Seals(SealsError::Unavailable(_)) | Self::Queue(_) => {
                Problem::new(Code::Unavailable).retry_after(2)
            }
            Self::Store(_)
            | Self::Records(_)
            | Self::Seals(_)
            | Self::Message(_)
            | Self::GivenUp(_)
            | Self::Internal(_) => Problem::new(Code::Internal),
        }
    }
}

fn upstream(error: &UpstreamError) -> Problem {
    match (error.kind(), error.effect()) {
        (UpstreamErrorKind::Locked, _) => Problem::new(Code::PatientLocked).retry_after(60),
        (UpstreamErrorKind::RateLimited { retry_after }, _) => {
            Problem::new(Code::UpstreamBusy).retry_after(retry_after.map_or(60, |wait| wait.as_secs().max(1)))
        }
        (_, Effect::NotSent) => Problem::new(Code::UpstreamUnreachable).retry_after(5),
        (_, Effect::Refused) => Problem::new(Code::UpstreamRefused),
        (_, Effect::Unknown) => Problem::new(Code::UpstreamOutcomeUnknown).retry_after(5),
    }
}
