//! The networks' data about one person, per source of a network query.

use std::fmt;

use serde_json::value::RawValue;

use crate::entry::Entry;
use crate::resource::source_of;

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

/// The FHIR R4 resources of one person, per source and in order.
#[derive(Clone, Default)]
pub struct NetworkRecord {
    /// From health information exchanges; includes the Patient.
    pub hie: Vec<Entry>,
    /// From pharmacies.
    pub pharmacy: Vec<Entry>,
    /// From laboratories.
    pub lab: Vec<Entry>,
}

impl NetworkRecord {
    /// The entries of one source.
    pub fn part(&self, source: Source) -> &[Entry] {
        match source {
            Source::Hie => &self.hie,
            Source::Pharmacy => &self.pharmacy,
            Source::Lab => &self.lab,
        }
    }

    /// Number of resources in all sources.
    pub fn len(&self) -> usize {
        Source::ALL.into_iter().map(|source| self.part(source).len()).sum()
    }

    /// Whether all sources are empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every resource, source by source.
    pub fn resources(&self) -> impl Iterator<Item = &RawValue> {
        self.entries().map(Entry::resource)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        Source::ALL.into_iter().flat_map(|source| self.part(source))
    }

    /// Changes every reference to one of the record's Patients to `Patient/patient_id`.
    /// [`BundleText::with_patient`](crate::BundleText::with_patient) then replaces these Patients. Only whole JSON
    /// strings are changed.
    #[must_use]
    pub fn with_links_to(self, patient_id: &str) -> Self {
        let link = format!("\"Patient/{patient_id}\"");
        let patients = self.entries().filter(|entry| entry.is_patient());
        let old: Vec<String> = patients
            .flat_map(|patient| {
                let relative = patient.id().map(|id| format!("\"Patient/{id}\""));
                [patient.full_url_text().map(str::to_owned), relative]
            })
            .flatten()
            .collect();
        let relink = |entry: Entry| {
            let text = entry.resource().get().to_owned();
            let text = old.iter().fold(text, |text, old| text.replace(old, &link));
            entry.with_text(text)
        };
        self.map_entries(relink)
    }

    pub(crate) fn map_entries(self, change: impl Fn(Entry) -> Entry) -> Self {
        let map_part = |part: Vec<Entry>| part.into_iter().map(&change).collect();
        Self {
            hie: map_part(self.hie),
            pharmacy: map_part(self.pharmacy),
            lab: map_part(self.lab),
        }
    }

    pub(crate) fn push(&mut self, source: Source, entry: Entry) {
        match source {
            Source::Hie => self.hie.push(entry),
            Source::Pharmacy => self.pharmacy.push(entry),
            Source::Lab => self.lab.push(entry),
        }
    }
}

/// Puts each entry into the source that its resource comes from, in order. An entry that is not a resource goes to
/// `hie`.
impl FromIterator<Entry> for NetworkRecord {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut record = Self::default();
        for entry in entries {
            record.push(source_of(entry.resource()).unwrap_or(Source::Hie), entry);
        }
        record
    }
}

/// Shows only counts, because the resources are a person's record.
impl fmt::Debug for NetworkRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let mut counts = formatter.debug_struct("NetworkRecord");
        for source in Source::ALL {
            counts.field(source.as_str(), &self.part(source).len());
        }
        counts.finish()
    }
}
