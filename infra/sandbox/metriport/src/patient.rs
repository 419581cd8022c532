//! The account's patients: create, read, find, update, delete.
//!
//! In Metriport's public code, a create that matches a patient of the account returns that patient with 201, unchanged
//! and with its old `externalId`. The stand-in keeps this hazard.

use serde_json::{Map, Value, json};

use crate::demographics::{Demographics, trimmed};
use crate::envelope::Refusal;
use crate::etag;
use crate::moment::Moment;
use crate::personas::Persona;
use crate::world::World;

/// The `externalId` that [`Persona::WrongExternalId`] gets instead of the caller's.
pub const SOMEBODY_ELSES_EXTERNAL_ID: &str = "somebody-elses-external-id";

#[derive(Clone)]
pub(crate) struct Patient {
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) facility_id: String,
    pub(crate) external_id: Option<String>,
    pub(crate) created_at: Moment,
    pub(crate) demographics: Demographics,
    pub(crate) hie_opt_out: bool,
}

impl Patient {
    pub(crate) fn persona(&self) -> Persona {
        Persona::from_first_name(&self.demographics.first_name)
    }

    fn view(&self) -> Value {
        let mut view = match serde_json::to_value(&self.demographics) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        view.insert("id".to_owned(), json!(self.id));
        view.insert("eTag".to_owned(), json!(self.version.to_string()));
        view.insert("facilityIds".to_owned(), json!([self.facility_id]));
        view.insert("dateCreated".to_owned(), json!(self.created_at));
        if let Some(external_id) = &self.external_id {
            view.insert("externalId".to_owned(), json!(external_id));
        }
        if self.hie_opt_out {
            view.insert("status".to_owned(), json!({ "hieOptOut": true }));
        }
        Value::Object(view)
    }
}

impl World {
    /// `POST /medical/v1/patient?facilityId=`.
    pub(crate) fn create_patient(
        &mut self,
        now: Moment,
        facility: Option<&str>,
        body: &Value,
    ) -> Result<Value, Refusal> {
        let facility_id = self.require_facility(facility)?;
        let demographics = Demographics::read(body, now.date())?;
        if let Some(existing) = self
            .patients
            .values()
            .find(|known| known.demographics.matches(&demographics))
        {
            return Ok(existing.view());
        }
        self.check_patient_cap()?;
        let persona = Persona::from_first_name(&demographics.first_name);
        let external_id = match persona {
            Persona::WrongExternalId => Some(SOMEBODY_ELSES_EXTERNAL_ID.to_owned()),
            _ => trimmed(body, "externalId"),
        };
        let id = self.ids.uuid(now);
        let hie_opt_out = opts_out(body);
        let patient = Patient {
            id: id.clone(),
            version: 0,
            facility_id,
            external_id,
            created_at: now,
            demographics,
            hie_opt_out,
        };
        let view = patient.view();
        self.patients.insert(id, patient);
        Ok(view)
    }

    fn check_patient_cap(&self) -> Result<(), Refusal> {
        match self.options.patient_cap {
            Some(cap) if self.patients.len() >= usize::try_from(cap).unwrap_or(usize::MAX) => Err(Refusal::message(
                400,
                &format!("Cannot create more than {cap} patients in this environment"),
            )),
            _ => Ok(()),
        }
    }

    /// The patient with this id, or 404.
    pub(crate) fn patient(&self, id: &str) -> Result<&Patient, Refusal> {
        self.patients.get(id).ok_or_else(Refusal::patient_not_found)
    }

    /// `GET /medical/v1/patient/{id}`.
    pub(crate) fn read_patient(&self, id: &str) -> Result<Value, Refusal> {
        self.patient(id).map(Patient::view)
    }

    /// `GET /medical/v1/patient/external-id?externalId=`.
    pub(crate) fn find_patient(&self, external_id: Option<&str>) -> Result<Value, Refusal> {
        let wanted = external_id.ok_or_else(|| Refusal::invalid("Required, on [externalId]"))?;
        let found = self
            .patients
            .values()
            .find(|patient| patient.external_id.as_deref() == Some(wanted));
        found.map(Patient::view).ok_or_else(Refusal::patient_not_found)
    }

    /// `POST /medical/v1/patient/match`: the patient that a create with these demographics would return.
    pub(crate) fn match_patient(&self, now: Moment, body: &Value) -> Result<Value, Refusal> {
        let demographics = Demographics::read(body, now.date())?;
        let mut known = self.patients.values();
        let found = known.find(|known| known.demographics.matches(&demographics));
        found.map(Patient::view).ok_or_else(Refusal::patient_not_found)
    }

    /// `PUT /medical/v1/patient/{id}?facilityId=`: a full replacement.
    pub(crate) fn update_patient(
        &mut self,
        now: Moment,
        id: &str,
        facility: Option<&str>,
        if_match: Option<&str>,
        body: &Value,
    ) -> Result<Value, Refusal> {
        self.require_facility(facility)?;
        let version = self.patient(id)?.version;
        let demographics = Demographics::read(body, now.date())?;
        etag::check(version, if_match, Some(body))?;
        if self.hie_is_running(id) {
            return Err(Refusal::patient_locked());
        }
        let patient = self.patients.get_mut(id).ok_or_else(Refusal::patient_not_found)?;
        patient.version += 1;
        patient.demographics = demographics;
        patient.external_id = trimmed(body, "externalId");
        patient.hie_opt_out = opts_out(body);
        Ok(patient.view())
    }

    /// `DELETE /medical/v1/patient/{id}`. The proofed identity is deleted too, which Metriport does not document.
    pub(crate) fn delete_patient(&mut self, id: &str, if_match: Option<&str>) -> Result<(), Refusal> {
        etag::check(self.patient(id)?.version, if_match, None)?;
        self.patients.remove(id);
        self.forget_patient(id);
        Ok(())
    }
}

/// Reads the newer field `status.hieOptOut`, or else the older field `hieOptOut`.
fn opts_out(body: &Value) -> bool {
    let field = body.pointer("/status/hieOptOut").or_else(|| body.get("hieOptOut"));
    field.and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::{at, patient_body, world};

    fn id_of(view: &Value) -> &str {
        view["id"].as_str().unwrap()
    }

    #[test]
    fn matching_create_returns_the_first_patient_unchanged() {
        let (mut world, facility) = world();
        let first = world
            .create_patient(at(0), Some(&facility), &patient_body("Nora", "user-1"))
            .unwrap();
        let second = world
            .create_patient(at(5), Some(&facility), &patient_body("Nora", "user-2"))
            .unwrap();
        assert_eq!(first, second);
        assert_eq!(second["externalId"], "user-1");
    }

    #[test]
    fn wren_gets_the_external_id_of_another_person() {
        let (mut world, facility) = world();
        let wren = world
            .create_patient(at(0), Some(&facility), &patient_body("Wren", "user-1"))
            .unwrap();
        assert_eq!(wren["externalId"], SOMEBODY_ELSES_EXTERNAL_ID);
        assert_eq!(world.find_patient(Some("user-1")).unwrap_err().status, 404);
    }

    #[test]
    fn match_finds_the_patient_of_a_matching_create() {
        let (mut world, facility) = world();
        let body = patient_body("Nora", "user-1");
        assert_eq!(world.match_patient(at(0), &body).unwrap_err().status, 404);
        let made = world.create_patient(at(0), Some(&facility), &body).unwrap();
        assert_eq!(
            world.match_patient(at(1), &patient_body("Nora", "user-2")).unwrap(),
            made
        );
        assert_eq!(
            world
                .match_patient(at(1), &patient_body("Iris", "user-1"))
                .unwrap_err()
                .status,
            404
        );
        assert_eq!(world.match_patient(at(1), &json!({})).unwrap_err().status, 400);
    }

    #[test]
    fn updates_check_the_version_and_raise_it() {
        let (mut world, facility) = world();
        let made = world
            .create_patient(at(0), Some(&facility), &patient_body("Nora", "user-1"))
            .unwrap();
        let body = patient_body("Norah", "user-1");
        let stale = world.update_patient(at(1), id_of(&made), Some(&facility), Some("3"), &body);
        assert_eq!(stale.unwrap_err().status, 412);
        let fresh = world
            .update_patient(at(1), id_of(&made), Some(&facility), Some("0"), &body)
            .unwrap();
        assert_eq!(
            (fresh["eTag"].as_str(), fresh["firstName"].as_str()),
            (Some("1"), Some("Norah"))
        );
    }

    #[test]
    fn patient_cap_answers_with_a_bare_message() {
        let (mut world, facility) = world();
        world.options.patient_cap = Some(1);
        world
            .create_patient(at(0), Some(&facility), &patient_body("Nora", "user-1"))
            .unwrap();
        let refused = world
            .create_patient(at(1), Some(&facility), &patient_body("Iris", "user-2"))
            .unwrap_err();
        assert_eq!(
            refused,
            Refusal::message(400, "Cannot create more than 1 patients in this environment")
        );
    }

    #[test]
    fn deleted_patients_are_not_found() {
        let (mut world, facility) = world();
        let made = world
            .create_patient(at(0), Some(&facility), &patient_body("Nora", "user-1"))
            .unwrap();
        assert_eq!(world.delete_patient(id_of(&made), Some("9")).unwrap_err().status, 412);
        world.delete_patient(id_of(&made), None).unwrap();
        assert_eq!(world.read_patient(id_of(&made)).unwrap_err().status, 404);
    }
}
