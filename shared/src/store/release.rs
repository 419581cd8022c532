//! Removes the link between a Metriport patient and a person. An operator corrects a wrong link this way, after
//! checking the persons' identities. No function has this port.

use super::{Condition, Result, Table, keys};
use crate::domain::log::{Access, Actor};
use crate::domain::patient::PatientSlot;
use crate::domain::{OwnerId, PatientId, Time};
use crate::ports::port;

port! {
    /// Releases patients.
    pub trait ReleasePatient via HasStore {
        /// Removes the patient's owner, unlinks the person, and logs the access, in one transaction, provided that
        ///
        /// - the person's link has not changed since it was read ([`Condition::PatientAsRead`]),
        /// - the person owns the patient ([`Condition::PatientOurs`]),
        /// - the patient has neither an open pull nor an open consolidated query ([`Condition::NoOpenPull`],
        ///   [`Condition::NoOpenConsolidated`]),
        /// - the person is not being erased ([`Condition::NotErasing`]).
        async fn release_patient(
            &self,
            owner: &OwnerId,
            read: &PatientSlot,
            patient: &PatientId,
            actor: &Actor,
            now: Time,
        ) -> Result<()>;
    }
}

impl ReleasePatient for Table {
    async fn release_patient(
        &self,
        owner: &OwnerId,
        read: &PatientSlot,
        patient: &PatientId,
        actor: &Actor,
        now: Time,
    ) -> Result<()> {
        let entry = self.log_entry(Access::PatientReleased, actor, now)?;
        self.transaction()
            .put_patient(owner, &read.clone().release(patient))?
            .delete_owner(keys::patient_owner(patient), owner)?
            .check_unlocked(Condition::NoOpenPull, keys::open_pull(patient), now)?
            .check_unlocked(Condition::NoOpenConsolidated, keys::open_consolidated(patient), now)?
            .check_not_erasing(owner)?
            .put_log(owner, &entry)?
            .commit()
            .await
    }
}
