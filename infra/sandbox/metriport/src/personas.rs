//! Personas: the patient's first name decides how the networks behave, as in Metriport's sandbox (docs.metriport.com,
//! page `medical-api/more-info/sandbox`). Unknown first names are ordinary.

use std::fmt;
use std::str::FromStr;

/// How the networks treat a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Persona {
    /// Everything arrives.
    Ordinary,
    /// The networks know nothing about the patient.
    NoData,
    /// The pharmacy source fails without a webhook.
    SilentSource,
    /// The lab source takes eight times as long.
    SlowSource,
    /// The created patient has another person's `externalId`.
    WrongExternalId,
    /// Another person passes the identity proofing.
    OtherPerson,
    /// Pharmacy and lab are refused at once, as in Metriport's sandbox.
    SandboxSources,
}

impl Persona {
    /// Every persona.
    pub const ALL: [Self; 7] = [
        Self::Ordinary,
        Self::NoData,
        Self::SilentSource,
        Self::SlowSource,
        Self::WrongExternalId,
        Self::OtherPerson,
        Self::SandboxSources,
    ];

    /// The persona of a patient with this first name. Case and surrounding white space are ignored.
    #[must_use]
    pub fn from_first_name(first_name: &str) -> Self {
        let named = |persona: &Self| persona.first_name().eq_ignore_ascii_case(first_name.trim());
        Self::ALL.into_iter().find(named).unwrap_or(Self::Ordinary)
    }

    /// The first name that selects the persona.
    #[must_use]
    pub const fn first_name(self) -> &'static str {
        match self {
            Self::Ordinary => "Jane",
            Self::NoData => "Nadia",
            Self::SilentSource => "Silas",
            Self::SlowSource => "Sloan",
            Self::WrongExternalId => "Wren",
            Self::OtherPerson => "Sam",
            Self::SandboxSources => "Robin",
        }
    }

    /// Name on a command line, in kebab case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::NoData => "no-data",
            Self::SilentSource => "silent-source",
            Self::SlowSource => "slow-source",
            Self::WrongExternalId => "wrong-external-id",
            Self::OtherPerson => "other-person",
            Self::SandboxSources => "sandbox-sources",
        }
    }

    /// The behaviour, in one line.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Ordinary => "all three sources complete and the record is full",
            Self::NoData => "all three sources complete and the consolidated record is empty",
            Self::SilentSource => "the pharmacy source fails without a webhook; only polling shows it",
            Self::SlowSource => "the lab source takes eight times its usual delay",
            Self::WrongExternalId => "creating the patient returns an existing one with another person's externalId",
            Self::OtherPerson => "another person passes the proofing: the webhook names another patient",
            Self::SandboxSources => "pharmacy and lab are refused at once; the query ends partial",
        }
    }
}

impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No persona has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown persona; the personas are ordinary, no-data, silent-source, slow-source, wrong-external-id, \
     other-person, sandbox-sources"
)]
pub struct UnknownPersona;

impl FromStr for Persona {
    type Err = UnknownPersona;

    fn from_str(name: &str) -> Result<Self, UnknownPersona> {
        Self::ALL
            .into_iter()
            .find(|persona| persona.name() == name)
            .ok_or(UnknownPersona)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persona_is_found_by_first_name_and_by_name() {
        for persona in Persona::ALL {
            assert_eq!(Persona::from_first_name(persona.first_name()), persona);
            assert_eq!(persona.name().parse(), Ok(persona));
            assert!(UnknownPersona.to_string().contains(persona.name()));
        }
        assert_eq!(Persona::from_first_name(" silas "), Persona::SilentSource);
        assert_eq!(Persona::from_first_name("Nora"), Persona::Ordinary);
    }

    /// Metriport's sandbox has data for these five (docs.metriport.com, page `getting-started/sandbox`).
    #[test]
    fn metriport_sandbox_persons_are_ordinary() {
        for first_name in ["Jane", "Chris", "Ollie", "Andreas", "Kyla"] {
            assert_eq!(Persona::from_first_name(first_name), Persona::Ordinary, "{first_name}");
        }
    }
}
