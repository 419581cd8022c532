//! The closed list of failures of upstream calls, and the effect that a failed call may have had.

use std::time::Duration;

/// Whether a failed call may have had an effect at Metriport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// No byte of the request was written, so it had no effect.
    NotSent,
    /// Metriport answered with a refusal, so the request had no effect.
    Refused,
    /// The request was sent, but no definite answer came. It may have had its full effect.
    Unknown,
}

/// Why a call failed; a closed list. Each kind determines the [`Effect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamErrorKind {
    /// The request could not be built, for example because an id does not fit into a URL. Nothing was sent.
    Unsendable,
    /// Name resolution, TCP or TLS failed, or took longer than the connect timeout. Nothing was sent.
    Connect,
    /// The request was sent, but not answered in time. Our deadline passed, or the answer was 408, 499, or the
    /// gateway's 504 after about 29 seconds.
    Timeout,
    /// The request was sent, but the connection broke before the answer was complete.
    Interrupted,
    /// The request was sent, but the answer cannot be used: a redirect, a body that is too large, or a body without a
    /// required value.
    Garbage,
    /// The API key is missing or wrong, or the account is not approved. The answer is a 401, or a 403 that came from
    /// the gateway or in plain text.
    Auth,
    /// 403 for this call.
    Forbidden,
    /// 404 for the path itself: the address is not that of Metriport's API.
    NoRoute,
    /// 404 for the requested object.
    NotFound,
    /// 404: no such patient in this account.
    PatientNotFound,
    /// 400: the patient opted out of the networks.
    PatientOptedOut,
    /// 400: no treatment relationship with the patient.
    NoTreatmentRelationship,
    /// 400 or 422.
    BadRequest,
    /// 409.
    Conflict,
    /// 412. We send no condition, so it is not expected.
    VersionMismatch,
    /// 423: the patient cannot be changed while documents are processed.
    Locked,
    /// 429, whether from the gateway or from the API.
    RateLimited {
        /// The wait that the answer names, if any; at most a day.
        retry_after: Option<Duration>,
    },
    /// Any other 4xx.
    Refused,
    /// 5xx except 504.
    Server,
}

impl UpstreamErrorKind {
    /// Whether the call may have taken effect.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::Unsendable | Self::Connect => Effect::NotSent,
            Self::Timeout | Self::Interrupted | Self::Garbage | Self::Server => Effect::Unknown,
            Self::Auth
            | Self::Forbidden
            | Self::NoRoute
            | Self::NotFound
            | Self::PatientNotFound
            | Self::PatientOptedOut
            | Self::NoTreatmentRelationship
            | Self::BadRequest
            | Self::Conflict
            | Self::VersionMismatch
            | Self::Locked
            | Self::RateLimited { .. }
            | Self::Refused => Effect::Refused,
        }
    }

    /// Whether sending the same request again may succeed and does no harm, even if the request changes something. A
    /// read may be repeated after any failure.
    #[must_use]
    pub const fn retryable(self) -> bool {
        match self {
            Self::Connect | Self::RateLimited { .. } => true,
            Self::Unsendable
            | Self::Timeout
            | Self::Interrupted
            | Self::Garbage
            | Self::Auth
            | Self::Forbidden
            | Self::NoRoute
            | Self::NotFound
            | Self::PatientNotFound
            | Self::PatientOptedOut
            | Self::NoTreatmentRelationship
            | Self::BadRequest
            | Self::Conflict
            | Self::VersionMismatch
            | Self::Locked
            | Self::Refused
            | Self::Server => false,
        }
    }

    /// Whether the requested object does not exist. Only the API's own 404 shows that. A request that gets the
    /// gateway's 404 did not reach the API.
    #[must_use]
    pub const fn is_absence(self) -> bool {
        matches!(self, Self::NotFound | Self::PatientNotFound)
    }

    /// A stable code for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsendable => "unsendable",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Garbage => "garbage",
            Self::Auth => "auth",
            Self::Forbidden => "forbidden",
            Self::NoRoute => "no-route",
            Self::NotFound => "not-found",
            Self::PatientNotFound => "patient-not-found",
            Self::PatientOptedOut => "patient-opted-out",
            Self::NoTreatmentRelationship => "no-treatment-relationship",
            Self::BadRequest => "bad-request",
            Self::Conflict => "conflict",
            Self::VersionMismatch => "version-mismatch",
            Self::Locked => "locked",
            Self::RateLimited { .. } => "rate-limited",
            Self::Refused => "refused",
            Self::Server => "server",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_without_any_effect_are_retryable() {
        let retryable = [
            UpstreamErrorKind::Connect,
            UpstreamErrorKind::RateLimited { retry_after: None },
        ];
        let all = [
            UpstreamErrorKind::Unsendable,
            UpstreamErrorKind::Connect,
            UpstreamErrorKind::Timeout,
            UpstreamErrorKind::Interrupted,
            UpstreamErrorKind::Garbage,
            UpstreamErrorKind::Auth,
            UpstreamErrorKind::Forbidden,
            UpstreamErrorKind::NoRoute,
            UpstreamErrorKind::NotFound,
            UpstreamErrorKind::PatientNotFound,
            UpstreamErrorKind::PatientOptedOut,
            UpstreamErrorKind::NoTreatmentRelationship,
            UpstreamErrorKind::BadRequest,
            UpstreamErrorKind::Conflict,
            UpstreamErrorKind::VersionMismatch,
            UpstreamErrorKind::Locked,
            UpstreamErrorKind::RateLimited { retry_after: None },
            UpstreamErrorKind::Refused,
            UpstreamErrorKind::Server,
        ];
        for kind in all {
            assert_eq!(kind.retryable(), retryable.contains(&kind), "{kind:?}");
            assert!(!(kind.retryable() && kind.effect() == Effect::Unknown), "{kind:?}");
        }
    }
}
