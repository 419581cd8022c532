//! What the networks hold on one person, per source of a network query.

use std::fmt;

use serde_json::value::RawValue;

/// A source of a network query (docs.metriport.com, page `ias/start-network-query`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Health information exchanges.
    Hie,
    /// Pharmacies: prescribed and dispensed medication.
    Pharmacy,
    /// Laboratories: results and their reports.
    Lab,
}

impl Source {
    /// Every source, in the order in which a consolidated Bundle lists them.
    pub const ALL: [Self; 3] = [Self::Hie, Self::Pharmacy, Self::Lab];

    /// The name on the wire: `hie`, `pharmacy`, `lab`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hie => "hie",
            Self::Pharmacy => "pharmacy",
            Self::Lab => "lab",
        }
    }
}

/// The FHIR R4 resources of one person, per source and in order; each resource is the text it came as.
#[derive(Clone, Default)]
pub struct NetworkRecord {
    /// From health information exchanges; holds the Patient.
    pub hie: Vec<Box<RawValue>>,
    /// From pharmacies.
    pub pharmacy: Vec<Box<RawValue>>,
    /// From laboratories.
    pub lab: Vec<Box<RawValue>>,
}

impl NetworkRecord {
    /// The resources of one source.
    pub fn part(&self, source: Source) -> &[Box<RawValue>] {
        match source {
            Source::Hie => &self.hie,
            Source::Pharmacy => &self.pharmacy,
            Source::Lab => &self.lab,
        }
    }

    /// How many resources the sources hold together.
    pub fn len(&self) -> usize {
        Source::ALL.into_iter().map(|source| self.part(source).len()).sum()
    }

    /// Whether no source holds anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every resource, source by source.
    pub fn resources(&self) -> impl Iterator<Item = &RawValue> {
        Source::ALL
            .into_iter()
            .flat_map(|source| self.part(source))
            .map(|resource| &**resource)
    }

    pub(crate) fn push(&mut self, source: Source, resource: Box<RawValue>) {
        match source {
            Source::Hie => self.hie.push(resource),
            Source::Pharmacy => self.pharmacy.push(resource),
            Source::Lab => self.lab.push(resource),
        }
    }
}

/// Counts only: the resources are somebody's record.
impl fmt::Debug for NetworkRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let mut counts = formatter.debug_struct("NetworkRecord");
        for source in Source::ALL {
            counts.field(source.as_str(), &self.part(source).len());
        }
        counts.finish()
    }
}
