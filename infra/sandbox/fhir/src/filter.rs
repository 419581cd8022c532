//! The filter of a consolidated query, by resource type and by date.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::value::RawValue;

use crate::resource::{resource_date, resource_type};

/// Selects resources of a record (docs.metriport.com, page `api-reference/fhir/consolidated-data-query-post`). The
/// default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Selected resource types, case-sensitive; `None` selects all.
    pub resource_types: Option<BTreeSet<String>>,
    /// First selected day, inclusive.
    pub date_from: Option<Date>,
    /// Last selected day, inclusive.
    pub date_to: Option<Date>,
    /// Whether to add persons, places and products that a kept resource refers to, directly or through other resources.
    /// Only the chosen sources are searched.
    pub with_referenced: bool,
}

impl RecordFilter {
    /// Whether the filter selects everything. The caller then need not read the resources.
    pub fn keeps_all(&self) -> bool {
        self.resource_types.is_none() && !self.has_dates()
    }

    /// Whether the filter selects a resource, regardless of references to it. A resource without a readable date is in
    /// every range of dates.
    pub fn keeps(&self, resource: &RawValue) -> bool {
        self.keeps_type(resource) && self.keeps_date(resource)
    }

    fn keeps_type(&self, resource: &RawValue) -> bool {
        self.resource_types
            .as_ref()
            .is_none_or(|wanted| resource_type(resource).is_some_and(|found| wanted.contains(&found)))
    }

    fn keeps_date(&self, resource: &RawValue) -> bool {
        !self.has_dates() || resource_date(resource).is_none_or(|span| span.overlaps(self.date_from, self.date_to))
    }

    fn has_dates(&self) -> bool {
        self.date_from.is_some() || self.date_to.is_some()
    }
}
