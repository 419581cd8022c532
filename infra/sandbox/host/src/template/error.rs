//! What can be wrong with a template, and where.

/// A template that cannot be read, with the place (`Resources.Api.Properties.Auth`) at which reading stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TemplateError {
    /// Dotted path from the top of the template.
    pub place: String,
    /// What is wrong there, for whoever edits the template.
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
