//! AAL2 challenges and the sessions they give (docs.metriport.com, page `api-reference/ias/create-aal2-challenge`).
//!
//! Assumptions, because no page states these facts:
//! - An AAL2 session lives five minutes, serves one query, and belongs to one proofed identity.
//! - The page returns `status=cancelled` when the person cancels, and `status=failed` after too many wrong codes.
//!   Neither redirect has an AAL2 session.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::demographics::trimmed;
use crate::envelope::{Issues, Refusal};
use crate::hosted::{CODE_TRIES, Form, Hosted};
use crate::moment::Moment;
use crate::pages;
use crate::redirect;
use crate::world::World;

/// Challenges by the token of their URL, sessions by id.
#[derive(Default)]
pub(crate) struct Aal2 {
    challenges: BTreeMap<String, Challenge>,
    sessions: BTreeMap<String, Session>,
}

struct Challenge {
    identity_id: String,
    redirect_url: String,
    expires_at: Moment,
    tries_left: u8,
    open: bool,
}

struct Session {
    identity_id: String,
    expires_at: Moment,
    used: bool,
}

impl World {
    /// `POST /medical/v1/identity/aal2/challenge`.
    pub(crate) fn create_challenge(&mut self, now: Moment, body: &Value) -> Result<Value, Refusal> {
        let mut issues = Issues::default();
        let identity_id = issues.require(trimmed(body, "proofedIdentityId"), "Required", "proofedIdentityId");
        let redirect_url = issues.require(trimmed(body, "redirectUrl"), "Required", "redirectUrl");
        let (identity_id, redirect_url) = issues.finish(identity_id.zip(redirect_url))?;
        self.check_identity_is_active(&identity_id)?;
        redirect::check(&self.options.redirect_allowlist, &redirect_url)?;
        let token = self.ids.token();
        let expires_at = now.plus(self.options.session_ttl());
        let view = json!({
            "challengeId": self.ids.prefixed("aalc_", now),
            "challengeUrl": format!("{}/aal2/{token}", self.base_url),
            "expiresAt": expires_at,
            "method": "totp",
        });
        let tries_left = CODE_TRIES;
        let challenge = Challenge {
            identity_id,
            redirect_url,
            expires_at,
            tries_left,
            open: true,
        };
        self.aal2.challenges.insert(token, challenge);
        Ok(view)
    }

    fn check_identity_is_active(&self, identity_id: &str) -> Result<(), Refusal> {
        match self.identities.proofed.get(identity_id) {
            None => Err(Refusal::not_found("Could not find proofed identity")),
            Some(identity) if !identity.active => Err(Refusal::bad_request("Proofed identity is not active")),
            Some(_) => Ok(()),
        }
    }

    /// `GET /aal2/{token}`: shows the page, or finishes at once in automatic mode.
    pub(crate) fn challenge_page(&mut self, now: Moment, token: &str) -> Hosted {
        match self.aal2.open_challenge(now, token) {
            None => Hosted::gone(),
            Some(_) if self.options.auto_approve => self.complete_challenge(now, token),
            Some(_) => Hosted::show(pages::challenge(None), false),
        }
    }

    /// `POST /aal2/{token}`: the person submitted the form.
    pub(crate) fn challenge_answer(&mut self, now: Moment, token: &str, form: &Form) -> Hosted {
        let Some(challenge) = self.aal2.open_challenge(now, token) else {
            return Hosted::gone();
        };
        if form.cancelled {
            return challenge.leave("status=cancelled");
        }
        let identity_id = challenge.identity_id.clone();
        if self.code_is_right(now, &identity_id, &form.code) {
            return self.complete_challenge(now, token);
        }
        self.aal2
            .open_challenge(now, token)
            .map_or_else(Hosted::gone, Challenge::miss)
    }

    fn code_is_right(&self, now: Moment, identity_id: &str, code: &str) -> bool {
        let identity = self
            .identities
            .proofed
            .get(identity_id)
            .filter(|identity| identity.active);
        let authenticator = identity.and_then(|known| self.identities.authenticators.get(&known.enrolled_for));
        authenticator.is_some_and(|authenticator| authenticator.accepts(now, code))
    }

    fn complete_challenge(&mut self, now: Moment, token: &str) -> Hosted {
        let id = self.ids.prefixed("aal2_", now);
        let expires_at = now.plus(self.options.aal2_ttl());
        let Some(challenge) = self.aal2.open_challenge(now, token) else {
            return Hosted::gone();
        };
        let session = Session {
            identity_id: challenge.identity_id.clone(),
            expires_at,
            used: false,
        };
        let hosted = challenge.leave(&format!("aal2SessionId={id}&status=verified"));
        self.aal2.sessions.insert(id, session);
        hosted
    }

    /// Checks that this AAL2 session may start a query of this identity. Metriport does not document the refusals. The
    /// stand-in answers 401 if the session is unknown, expired or used, and 403 if it belongs to another identity.
    pub(crate) fn check_aal2(&self, now: Moment, session_id: &str, identity_id: &str) -> Result<(), Refusal> {
        if !self.options.check_aal2 {
            return Ok(());
        }
        let session = self.aal2.sessions.get(session_id);
        let session = session.filter(|session| now < session.expires_at && !session.used);
        match session {
            None => Err(Refusal::unauthorized("AAL2 session is unknown, expired or used")),
            Some(session) if session.identity_id != identity_id => Err(Refusal::forbidden(
                "AAL2 session does not belong to the proofed identity",
            )),
            Some(_) => Ok(()),
        }
    }

    /// Marks the AAL2 session as used, if `aal2_single_use` is set.
    pub(crate) fn spend_aal2(&mut self, session_id: &str) {
        let single_use = self.options.aal2_single_use;
        if let Some(session) = self.aal2.sessions.get_mut(session_id) {
            session.used = single_use;
        }
    }
}

impl Aal2 {
    fn open_challenge(&mut self, now: Moment, token: &str) -> Option<&mut Challenge> {
        self.challenges
            .get_mut(token)
            .filter(|challenge| challenge.open && now < challenge.expires_at)
    }
}

impl Challenge {
    fn leave(&mut self, pairs: &str) -> Hosted {
        self.open = false;
        Hosted::Leave(redirect::append(&self.redirect_url, pairs))
    }

    fn miss(&mut self) -> Hosted {
        self.tries_left = self.tries_left.saturating_sub(1);
        if self.tries_left == 0 {
            return self.leave("status=failed");
        }
        Hosted::show(pages::challenge(Some(&pages::wrong_code(self.tries_left))), true)
    }
}
