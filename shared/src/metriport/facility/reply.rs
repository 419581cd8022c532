//! Metriport's answer about a facility.

use serde::Deserialize;

use crate::domain::FacilityId;
use crate::metriport::tolerant;

/// A facility of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facility {
    /// Metriport's id, which is a parameter of the stack.
    pub id: FacilityId,
    /// Its name; empty if the answer omits it.
    pub name: String,
    /// Its NPI as Metriport writes it.
    pub npi: Option<String>,
    /// Whether the facility is in use; true if the answer does not state it.
    pub active: bool,
}

#[derive(Deserialize)]
pub(super) struct Wire {
    #[serde(default, deserialize_with = "tolerant::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "tolerant::scalar")]
    npi: Option<String>,
    #[serde(default, deserialize_with = "tolerant::flag")]
    active: Option<bool>,
}

impl Wire {
    /// The facility; `None` if its id is missing or unreadable.
    pub(super) fn facility(self) -> Option<Facility> {
        Some(Facility {
            id: FacilityId::parse(self.id?).ok()?,
            name: self.name.unwrap_or_default(),
            npi: self.npi,
            active: self.active.unwrap_or(true),
        })
    }
}
