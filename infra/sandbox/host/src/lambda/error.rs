//! Failures of an invocation. They omit texts from a function's payload or error message, which may hold personal data.
//! The function's own log has these texts.

/// A function that failed to initialise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{function} failed to start: {error_type}")]
pub struct InitFailure {
    /// The binary's name.
    pub function: String,
    /// Lambda's error type, for example `Runtime.ExitError`, or the type that the function reported.
    pub error_type: String,
}

/// Why an invocation gave no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    #[error("there is no function {function}")]
    UnknownFunction { function: String },
    /// Stopped by Lambda's recursive loop detection.
    #[error("{function} was invoked more than 16 times in one chain, which Lambda treats as a loop")]
    Loop { function: String },
    #[error("the event for {function} is larger than 6 MB")]
    RequestTooLarge { function: String },
    #[error("{function}: task timed out after {after_secs} seconds")]
    TimedOut { function: String, after_secs: u64 },
    /// The process ended while it held the invocation.
    #[error("{function}: runtime exited with {status}")]
    Exited { function: String, status: String },
    #[error(transparent)]
    Init(#[from] InitFailure),
    /// The function replied with an error.
    #[error("{function} reported {error_type}")]
    Function { function: String, error_type: String },
    #[error("the reply of {function} is larger than 6 MB")]
    ResponseTooLarge { function: String },
    #[error("the reply of {function} is not JSON")]
    MalformedResponse { function: String },
    #[error("the host is shutting down")]
    ShuttingDown,
}
