//! Identity sessions, and the proofed identities that they give (docs.metriport.com, page
//! `api-reference/ias/create-identity-session`).
//!
//! Assumptions, where the documentation is silent:
//! - The session's URL lives `session_ttl_secs`.
//! - The authenticator is enrolled on the same page.
//! - A newer proofing supersedes the older identity.
//! - The code is the only check of the page's visitor.
//! - A visitor who leaves without finishing causes no event.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::demographics::trimmed;
use crate::envelope::{Issues, Refusal};
use crate::hosted::{CODE_TRIES, Form, Hosted};
use crate::metadata::{self, Metadata};
use crate::moment::Moment;
use crate::pages;
use crate::personas::Persona;
use crate::redirect;
use crate::schedule::Due;
use crate::world::World;

/// Sessions by the token of their URL, identities by id, authenticators by the patient they were enrolled for.
#[derive(Default)]
pub(crate) struct Identities {
    pub(crate) sessions: BTreeMap<String, IdentitySession>,
    pub(crate) proofed: BTreeMap<String, ProofedIdentity>,
    pub(crate) authenticators: BTreeMap<String, Authenticator>,
}

/// One visit to the hosted identity page.
pub(crate) struct IdentitySession {
    id: String,
    patient_id: String,
    redirect_url: String,
    metadata: Option<Metadata>,
    expires_at: Moment,
    tries_left: u8,
    open: bool,
}

/// The result of a completed identity session.
pub(crate) struct ProofedIdentity {
    /// The patient whose identity this is.
    pub(crate) patient_id: String,
    /// The patient of the identity session. Their authenticator makes the codes for the identity's challenges.
    pub(crate) enrolled_for: String,
    /// Only an active identity gets challenges and queries.
    pub(crate) active: bool,
}

impl World {
    /// `POST /medical/v1/identity/session`.
    pub(crate) fn create_identity_session(&mut self, now: Moment, body: &Value) -> Result<Value, Refusal> {
        let mut issues = Issues::default();
        let patient_id = issues.require(trimmed(body, "patientId"), "Required", "patientId");
        let redirect_url = issues.require(trimmed(body, "redirectUrl"), "Required", "redirectUrl");
        let (patient_id, redirect_url) = issues.finish(patient_id.zip(redirect_url))?;
        let metadata = metadata::read(body, metadata::PAIRS_MAX)?;
        self.enrol(&patient_id)?;
        redirect::check(&self.options.redirect_allowlist, &redirect_url)?;
        let (id, token) = (self.ids.prefixed("ids_", now), self.ids.token());
        let expires_at = now.plus(self.options.session_ttl());
        let view = json!({
            "sessionId": id,
            "sessionUrl": format!("{}/s/{token}", self.base_url),
            "expiresAt": expires_at,
            "status": "pending",
        });
        let tries_left = CODE_TRIES;
        let session = IdentitySession {
            id,
            patient_id,
            redirect_url,
            metadata,
            expires_at,
            tries_left,
            open: true,
        };
        self.identities.sessions.insert(token, session);
        Ok(view)
    }

    /// Enrols the patient's authenticator in the first session; later sessions use the same one.
    fn enrol(&mut self, patient_id: &str) -> Result<(), Refusal> {
        let names = &self.patient(patient_id)?.demographics;
        let account = format!("{} {}", names.first_name, names.last_name);
        if !self.identities.authenticators.contains_key(patient_id) {
            let authenticator = Authenticator::new(self.ids.totp_secret(), &account);
            self.identities
                .authenticators
                .insert(patient_id.to_owned(), authenticator);
        }
        Ok(())
    }

    /// `GET /s/{token}`: shows the page, or finishes at once in automatic mode.
    pub(crate) fn identity_page(&mut self, now: Moment, token: &str) -> Hosted {
        if !self.identity_session_is_open(now, token) {
            return Hosted::gone();
        }
        if self.options.auto_approve {
            return self.complete_proofing(now, token);
        }
        self.identity_form(token, None)
    }

    /// `POST /s/{token}`: the person submitted the form.
    pub(crate) fn identity_answer(&mut self, now: Moment, token: &str, form: &Form) -> Hosted {
        if !self.identity_session_is_open(now, token) {
            return Hosted::gone();
        }
        if form.cancelled {
            return self.close_session(token).map_or_else(Hosted::gone, Hosted::Leave);
        }
        if self.identity_code_is_right(now, token, &form.code) {
            return self.complete_proofing(now, token);
        }
        self.miss_identity_code(token)
    }

    fn identity_session_is_open(&self, now: Moment, token: &str) -> bool {
        self.identities.sessions.get(token).is_some_and(|session| {
            session.open && now < session.expires_at && self.patients.contains_key(&session.patient_id)
        })
    }

    fn identity_form(&self, token: &str, alert: Option<&str>) -> Hosted {
        let session = self.identities.sessions.get(token);
        let patient = session.and_then(|session| self.patients.get(&session.patient_id));
        let authenticator = session.and_then(|session| self.identities.authenticators.get(&session.patient_id));
        match (patient, authenticator) {
            (Some(patient), Some(authenticator)) => Hosted::show(
                pages::identity(&patient.demographics, authenticator, alert),
                alert.is_some(),
            ),
            _ => Hosted::gone(),
        }
    }

    fn identity_code_is_right(&self, now: Moment, token: &str, code: &str) -> bool {
        let session = self.identities.sessions.get(token);
        let authenticator = session.and_then(|session| self.identities.authenticators.get(&session.patient_id));
        authenticator.is_some_and(|authenticator| authenticator.accepts(now, code))
    }

    fn miss_identity_code(&mut self, token: &str) -> Hosted {
        let Some(session) = self.identities.sessions.get_mut(token) else {
            return Hosted::gone();
        };
        session.tries_left = session.tries_left.saturating_sub(1);
        session.open = session.tries_left > 0;
        if !session.open {
            return Hosted::Leave(session.redirect_url.clone());
        }
        let alert = pages::wrong_code(session.tries_left);
        self.identity_form(token, Some(&alert))
    }

    /// Ends the session and returns its redirect URL.
    fn close_session(&mut self, token: &str) -> Option<String> {
        let session = self.identities.sessions.get_mut(token)?;
        session.open = false;
        Some(session.redirect_url.clone())
    }

    fn complete_proofing(&mut self, now: Moment, token: &str) -> Hosted {
        let Some(redirect_url) = self.close_session(token) else {
            return Hosted::gone();
        };
        let patient_id = self
            .identities
            .sessions
            .get(token)
            .map(|session| session.patient_id.clone());
        let Some(enrolled_for) = patient_id else {
            return Hosted::gone();
        };
        let patient_id = self.who_passed(now, &enrolled_for);
        for earlier in self
            .identities
            .proofed
            .values_mut()
            .filter(|known| known.patient_id == patient_id)
        {
            earlier.active = false;
        }
        let id = self.ids.prefixed("pid_", now);
        let identity = ProofedIdentity {
            patient_id,
            enrolled_for,
            active: true,
        };
        self.identities.proofed.insert(id.clone(), identity);
        let due = now.plus(self.options.delay(self.options.delays.identity_webhook_ms));
        self.schedule.add(
            due,
            Due::IdentityVerified {
                token: token.to_owned(),
                identity_id: id,
            },
        );
        Hosted::Leave(redirect_url)
    }

    /// The patient whose identity the proofing attests: another one for [`Persona::OtherPerson`].
    fn who_passed(&mut self, now: Moment, patient_id: &str) -> String {
        match self.patients.get(patient_id).map(super::patient::Patient::persona) {
            Some(Persona::OtherPerson) => self.ids.uuid(now),
            _ => patient_id.to_owned(),
        }
    }

    /// Sends `ias.identity.verified`. Metriport does not document its body; the stand-in uses the form of the newer
    /// events.
    pub(crate) fn announce_identity(&mut self, now: Moment, token: &str, identity_id: &str) {
        let session = self.identities.sessions.get(token);
        let identity = self.identities.proofed.get(identity_id);
        let (Some(session), Some(identity)) = (session, identity) else {
            return;
        };
        let mut ids = json!({
            "patientId": identity.patient_id,
            "sessionId": session.id,
            "proofedIdentityId": identity_id,
        });
        let patient = self.patients.get(&identity.patient_id);
        crate::message::put_external_id(&mut ids, patient.and_then(|patient| patient.external_id.as_deref()));
        let (session_id, metadata) = (session.id.clone(), session.metadata.clone());
        let (field, event, request_id) = self.place_ids(now, &session_id, ids);
        self.emit(now, "ias.identity.verified", &request_id, metadata, field, event);
    }
}
