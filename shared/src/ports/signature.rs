//! Why a webhook is refused.

/// Why a webhook is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature is missing.
    #[error("the signature header is missing")]
    Missing,
    /// The signature does not consist of 64 lowercase hexadecimal digits.
    #[error("the signature is malformed")]
    Malformed,
    /// The signature was made with another key or for another body.
    #[error("the signature does not match")]
    Mismatch,
}

impl SignatureError {
    /// The code for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
        }
    }
}
