//! Facilities of the account. Every patient belongs to a facility, for Individual Access too.

mod create;
mod list;
mod npi;
mod reply;

use std::future::Future;

pub use create::{FacilityAddress, NewFacility};
pub use npi::{Npi, NpiError};
pub use reply::Facility;

use super::{Client, UpstreamError};

/// Creates and lists facilities. Only the set-up of an account needs this; no function does.
pub trait ManageFacilities {
    /// Creates a facility.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    fn create_facility(&self, facility: &NewFacility) -> impl Future<Output = Result<Facility, UpstreamError>> + Send;

    /// Lists the account's facilities.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    fn list_facilities(&self) -> impl Future<Output = Result<Vec<Facility>, UpstreamError>> + Send;
}

impl ManageFacilities for Client {
    async fn create_facility(&self, facility: &NewFacility) -> Result<Facility, UpstreamError> {
        create::create(self, facility).await
    }

    async fn list_facilities(&self) -> Result<Vec<Facility>, UpstreamError> {
        list::list(self).await
    }
}
