//! The limits of the account, as the operator configures them.

use super::Budget;

/// Smallest limit: nine tenths of it still allow one call.
const LIMIT_MIN: u32 = 2;
const LIMIT_MAX: u32 = 1_000_000;

/// Calls per minute that Metriport allows, one limit for each budget. The defaults are Metriport's documented limits
/// (docs.metriport.com, page `more-info/limits`). Only the default for identity sessions and challenges is assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    patient: u32,
    identity: u32,
    query: u32,
    consolidated: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            patient: 15,
            identity: 15,
            query: 20,
            consolidated: 120,
        }
    }
}

/// The text is not a list of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of patient=N,identity=N,query=N,consolidated=N, each from 2 to 1000000")]
pub struct LimitsError;

impl Limits {
    /// Reads `patient=15,identity=15,query=20,consolidated=120`, in any order. A limit that is left out keeps its
    /// default.
    ///
    /// # Errors
    /// Fails if a name is unknown or repeated, or a number is not from 2 to a million.
    pub fn parse(text: &str) -> Result<Self, LimitsError> {
        let mut limits = Self::default();
        let mut named = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, number) = part.split_once('=').ok_or(LimitsError)?;
            let budget = Budget::ALL.into_iter().find(|budget| budget.name() == name.trim());
            let budget = budget.filter(|budget| !named.contains(budget)).ok_or(LimitsError)?;
            let limit = number.trim().parse().ok();
            let limit = limit.filter(|limit| (LIMIT_MIN..=LIMIT_MAX).contains(limit));
            *limits.slot(budget) = limit.ok_or(LimitsError)?;
            named.push(budget);
        }
        Ok(limits)
    }

    /// Calls per minute that Metriport allows.
    #[must_use]
    pub const fn of(&self, budget: Budget) -> u32 {
        match budget {
            Budget::PatientWrites => self.patient,
            Budget::Identity => self.identity,
            Budget::QueryStarts => self.query,
            Budget::ConsolidatedStarts => self.consolidated,
        }
    }

    const fn slot(&mut self, budget: Budget) -> &mut u32 {
        match budget {
            Budget::PatientWrites => &mut self.patient,
            Budget::Identity => &mut self.identity,
            Budget::QueryStarts => &mut self.query,
            Budget::ConsolidatedStarts => &mut self.consolidated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn omitted_limit_keeps_its_default() {
        assert_eq!(Limits::parse(""), Ok(Limits::default()));
        let all = "patient=15,identity=15,query=20,consolidated=120";
        assert_eq!(Limits::parse(all), Ok(Limits::default()));
        let limits = Limits::parse(" query = 60, identity=30,").unwrap();
        assert_eq!(Budget::ALL.map(|budget| limits.of(budget)), [15, 30, 60, 120]);
    }

    #[test]
    fn malformed_list_of_limits_is_refused() {
        for text in [
            "query",
            "query=",
            "query=1",
            "query=0",
            "query=-3",
            "query=1000001",
            "queries=20",
            "query=2,query=3",
            "query=20;identity=15",
            "query=2.5",
        ] {
            assert_eq!(Limits::parse(text), Err(LimitsError), "{text}");
        }
    }
}
