//! What upstream says of a facility.

use serde::Deserialize;

use crate::domain::FacilityId;
use crate::metriport::tolerant;

/// A facility of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facility {
    /// Metriport's id, the deployment parameter of a stack.
    pub id: FacilityId,
    /// Its name; empty if the answer has none.
    pub name: String,
    /// Its NPI as upstream writes it.
    pub npi: Option<String>,
    /// Whether it is in use; facilities that do not say so are.
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
    /// `None` without a readable id.
    pub(super) fn facility(self) -> Option<Facility> {
        Some(Facility {
            id: FacilityId::parse(self.id?).ok()?,
            name: self.name.unwrap_or_default(),
            npi: self.npi,
            active: self.active.unwrap_or(true),
        })
    }
}
