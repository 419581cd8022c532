//! Errors in a template, with their place.

/// A template that cannot be read, with the place (`Resources.Api.Properties.Auth`) where reading stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TemplateError {
    /// Dotted path from the top of the template.
    pub place: String,
    /// The problem, described for the template's author.
    pub problem: String,
}

impl TemplateError {
    pub(crate) fn at(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}
