//! One line of `ias account status`: the check, its result and its severity.

/// Severity of a finding. A warning does not make the command fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Warning,
    Bad,
}

impl Mark {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "WARN",
            Self::Bad => "BAD",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    about: &'static str,
    pub(super) mark: Mark,
    result: String,
}

impl Finding {
    /// A check that passed or failed.
    pub(super) fn of(about: &'static str, found: Result<String, String>) -> Self {
        let (mark, result) = match found {
            Ok(result) => (Mark::Good, result),
            Err(result) => (Mark::Bad, result),
        };
        Self { about, mark, result }
    }

    /// A state that the operator must know, but that does not make the command fail.
    pub(super) fn warning(about: &'static str, result: &str) -> Self {
        Self {
            about,
            mark: Mark::Warning,
            result: result.to_owned(),
        }
    }

    pub(super) fn line(&self) -> String {
        format!("{:<4} {:<16} {}", self.mark.as_str(), self.about, self.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_marks_are_aligned() {
        let bad = Finding::of("API key", Err("has no value yet".to_owned()));
        assert_eq!(bad.line(), "BAD  API key          has no value yet");
        let good = Finding::of("API key", Ok("stored".to_owned()));
        assert_eq!(good.line(), "ok   API key          stored");
        assert_eq!(
            Finding::warning("demographics", "unbound").line(),
            "WARN demographics     unbound"
        );
    }
}
