//! Takes a Metriport patient away from the person it is linked to: what an operator corrects who has checked who is
//! who. No function does it.

use super::{Condition, Result, Table, keys};
use crate::domain::patient::PatientSlot;
use crate::domain::{OwnerId, PatientId, Time};
use crate::ports::port;

port! {
    /// Releases patients.
    pub trait ReleasePatient via HasStore {
        /// In one transaction: the patient is nobody's, and the person is no longer linked to it; provided that the
        /// person's link is as it was read ([`Condition::PatientAsRead`]), the patient is the person's
        /// ([`Condition::PatientOurs`]), and neither a pull nor a consolidated query of the patient is open
        /// ([`Condition::NoOpenRun`], [`Condition::NoOpenConsolidated`]).
        async fn release_patient(
            &self,
            owner: &OwnerId,
            read: &PatientSlot,
            patient: &PatientId,
            now: Time,
        ) -> Result<()>;
    }
}

impl ReleasePatient for Table {
    async fn release_patient(&self, owner: &OwnerId, read: &PatientSlot, patient: &PatientId, now: Time) -> Result<()> {
        self.transaction()
            .put_patient(owner, &read.clone().release(patient))?
            .delete_owner(keys::patient_owner(patient), owner)?
            .check_unlocked(Condition::NoOpenRun, keys::open_run(patient), now)?
            .check_unlocked(Condition::NoOpenConsolidated, keys::open_consolidated(patient), now)?
            .commit()
            .await
    }
}
