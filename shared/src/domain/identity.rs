//! A person's proofed identity, from the hosted IAL2 page to the `proofedIdentityId` that later queries carry.
//!
//! Metriport reports only that proofing succeeded. It does not report failure, abandonment and expiry
//! (docs.metriport.com, page `ias/create-identity-session`), so a session without a report expires by the clock.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DemographicsHash, IdentitySessionId, PatientId, ProofedIdentityId, Time, Timing};

/// Maximum number of superseded sessions that are kept. At worst, a person opens a few sessions every hour, and no
/// confirmation arrives.
const EARLIER_MAX: usize = 8;

/// A person's stored identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The proofed identity, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofed: Option<Proofed>,
    /// The open hosted session; a new one supersedes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<OpenSession>,
    /// Superseded sessions for the same patient and demographics, oldest first. A person who passes one of their pages
    /// is verified, too, and the confirmation may come hours late (decision 0011).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<OpenSession>,
    /// Whether a session was ever dropped, or opened for other demographics than an earlier session. The person may
    /// have passed such an earlier session's page, and that page's event may come late. If this is true, an event that
    /// names no session proves nothing about the open session.
    #[serde(default)]
    pub superseded_other: bool,
    /// Counts every write; each write is conditional on it.
    #[serde(default)]
    pub version: u64,
}

/// A person proofed at IAL2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proofed {
    /// Metriport's id of the proofed identity.
    pub id: ProofedIdentityId,
    /// The patient of the proofed identity.
    pub patient: PatientId,
    /// The demographics for which its session was opened.
    pub demographics: DemographicsHash,
    /// When the verification was applied.
    pub at: Time,
    /// When Metriport refused this identity. The person must then be proofed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_at: Option<Time>,
}

/// A hosted identity session that was opened and is not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenSession {
    /// Metriport's id of the session.
    pub id: IdentitySessionId,
    /// The patient it was opened for.
    pub patient: PatientId,
    /// The demographics for which it was opened.
    pub demographics: DemographicsHash,
    /// When the hosted page stops working.
    pub expires_at: Time,
    /// Our own random mark, which Metriport gets as metadata and repeats in the webhook.
    pub mark: String,
}

/// The state of a person's identity at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No session was opened yet.
    NotStarted,
    /// The hosted page is open.
    Pending {
        /// When the page stops working.
        expires_at: Time,
    },
    /// The page has expired, and a late confirmation is still expected.
    Confirming,
    /// The page has expired, and a confirmation is no longer expected.
    Expired,
    /// Proofed with the demographics that are linked now.
    Verified(ProofedIdentityId),
    /// Proofed with other demographics or for another patient; proofing is needed again.
    DemographicsChanged,
    /// Proofed, but no longer accepted by Metriport; proofing is needed again.
    Rejected,
}

impl Identity {
    /// The state at `now`, for the patient and the demographics that are linked now.
    #[must_use]
    pub fn standing(
        &self,
        patient: &PatientId,
        demographics: &DemographicsHash,
        now: Time,
        timing: Timing,
    ) -> Standing {
        let proofed = self.proofed.as_ref().filter(|proofed| proofed.patient == *patient);
        let usable = proofed.filter(|proofed| proofed.demographics == *demographics && proofed.rejected_at.is_none());
        if let Some(proofed) = usable {
            return Standing::Verified(proofed.id.clone());
        }
        let current = self
            .session
            .as_ref()
            .filter(|open| open.patient == *patient && open.demographics == *demographics);
        match current {
            Some(open) if now < open.expires_at => Standing::Pending {
                expires_at: open.expires_at,
            },
            Some(open) if now < open.expires_at.plus(timing.identity_grace()) => Standing::Confirming,
            Some(_) => Standing::Expired,
            None if proofed.is_some_and(|proofed| proofed.rejected_at.is_some()) => Standing::Rejected,
            None if self.proofed.is_some() => Standing::DemographicsChanged,
            None => Standing::NotStarted,
        }
    }

    /// The identity of a person who had sessions that it no longer has. An event that names no session then binds none.
    #[must_use]
    pub fn after_forgotten_sessions(self) -> Self {
        Self {
            superseded_other: true,
            ..self
        }
    }

    /// Opens a session, which supersedes the open one.
    #[must_use]
    pub fn open(mut self, session: OpenSession) -> Self {
        let open = self.session.as_ref().map(|open| &open.demographics);
        // The confirmed session may have superseded others, and the person may have passed their pages, too.
        let answered = self.proofed.as_ref().map(|proofed| &proofed.demographics);
        let other = open.into_iter().chain(answered).any(|one| *one != session.demographics);
        self.superseded_other = self.superseded_other || other;
        self.earlier.extend(self.session.take());
        self.earlier
            .retain(|earlier| earlier.patient == session.patient && earlier.demographics == session.demographics);
        let too_many = self.earlier.len().saturating_sub(EARLIER_MAX);
        self.earlier.drain(..too_many);
        self.session = Some(session);
        self.version += 1;
        self
    }

    /// Drops all hosted sessions. Later events about them then bind nothing, even if another session is open. `None` if
    /// there is no session.
    #[must_use]
    pub fn drop_sessions(&self) -> Option<Self> {
        if self.session.is_none() && self.earlier.is_empty() {
            return None;
        }
        Some(Self {
            session: None,
            earlier: Vec::new(),
            superseded_other: true,
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// Marks the proofed identity as refused by Metriport, so that the person can be proofed again. `None` if
    /// `rejected` is not the stored identity, or if it is already marked.
    #[must_use]
    pub fn reject(mut self, rejected: &ProofedIdentityId, now: Time) -> Option<Self> {
        let proofed = self.proofed.as_mut().filter(|proofed| proofed.id == *rejected)?;
        if proofed.rejected_at.is_some() {
            return None;
        }
        proofed.rejected_at = Some(now);
        self.version += 1;
        Some(self)
    }

    /// Applies a verification. The identity is bound only if the event's session and patient are the person's own.
    ///
    /// An expired session still binds, because a confirmation may be late. A superseded session also binds, if it was
    /// opened for the same patient and demographics as the open one. A new proofing may return the known identity,
    /// which is then bound again.
    #[must_use]
    pub fn verify(mut self, verification: &Verification, now: Time) -> (Self, IdentityVerdict) {
        let verdict = self.judge(verification);
        let bound = verdict == IdentityVerdict::Bound;
        let Some(passed) = bound.then(|| self.take(verification)).flatten() else {
            return (self, verdict);
        };
        self.proofed = Some(Proofed {
            id: verification.proofed_identity.clone(),
            patient: passed.patient,
            demographics: passed.demographics,
            at: now,
            rejected_at: None,
        });
        self.version += 1;
        (self, verdict)
    }

    /// Takes the session that an event is about, or the open session if the event names none. Sessions before it are
    /// dropped. Later sessions stay: the person may have passed their pages, too, and Metriport may accept only the
    /// newest identity.
    fn take(&mut self, verification: &Verification) -> Option<OpenSession> {
        match self
            .earlier
            .iter()
            .position(|session| verification.is_of(session) == Some(true))
        {
            Some(index) => self.earlier.drain(..=index).next_back(),
            None => {
                self.earlier.clear();
                self.session.take()
            }
        }
    }

    fn judge(&self, verification: &Verification) -> IdentityVerdict {
        let known = self
            .proofed
            .as_ref()
            .is_some_and(|proofed| proofed.id == verification.proofed_identity);
        let not_open = if known {
            IdentityVerdict::Known
        } else {
            IdentityVerdict::Superseded
        };
        let Some(open) = &self.session else { return not_open };
        let sessions = self.earlier.iter().chain([open]);
        if sessions.clone().any(|session| verification.contradicts_itself(session)) {
            return IdentityVerdict::Unbound;
        }
        // `is_of` returns `None` either for every session or for none of them. Otherwise, the maximum is `Some(true)`
        // if a session matches.
        let ours = sessions.map(|session| verification.is_of(session)).max().flatten();
        if ours == Some(false) {
            return not_open;
        }
        if verification
            .patient
            .as_ref()
            .is_some_and(|patient| *patient != open.patient)
        {
            return IdentityVerdict::OtherPatient;
        }
        match (ours, &verification.patient) {
            (Some(_), _) => IdentityVerdict::Bound,
            (None, Some(_)) if known => IdentityVerdict::Known,
            (None, Some(_)) if !self.superseded_other => IdentityVerdict::Bound,
            (None, _) => IdentityVerdict::Unbound,
        }
    }
}

/// The content of an `ias.identity.verified` event, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The identity that was proofed.
    pub proofed_identity: ProofedIdentityId,
    /// The ids of sessions in the event. Metriport does not document which field names the session, so sessions of
    /// another service may be among them. A single session is written as a text, because earlier versions of
    /// `webhook-process` refuse a list.
    #[serde(default, rename = "session", deserialize_with = "one_or_several")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_one_or_several")]
    pub sessions: Vec<IdentitySessionId>,
    /// The patient of the identity, if the event names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<PatientId>,
    /// Our own mark, if the event repeats it. A replay lacks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

fn as_one_or_several<S: Serializer>(sessions: &[IdentitySessionId], to: S) -> Result<S::Ok, S::Error> {
    match sessions {
        [session] => session.serialize(to),
        sessions => sessions.serialize(to),
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IdentitySessionId>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Sessions {
        One(IdentitySessionId),
        Several(Vec<IdentitySessionId>),
    }
    Ok(match Sessions::deserialize(from)? {
        Sessions::One(session) => vec![session],
        Sessions::Several(sessions) => sessions,
    })
}

impl Verification {
    /// Whether the event names its session, by id or by mark.
    #[must_use]
    pub const fn names_its_session(&self) -> bool {
        !self.sessions.is_empty() || self.mark.is_some()
    }

    /// Keeps only our session, if the event names exactly one of ours. `None` if it names several of ours, because the
    /// event does not show which page the person passed. `ours` lists the named sessions that are ours.
    #[must_use]
    pub fn of_ours(self, ours: &[IdentitySessionId]) -> Option<Self> {
        match ours {
            [] => Some(self),
            [session] => Some(Self {
                sessions: vec![session.clone()],
                ..self
            }),
            _ => None,
        }
    }

    /// Whether the event is about `session`; `None` if the event names no session.
    fn is_of(&self, session: &OpenSession) -> Option<bool> {
        let named = (!self.sessions.is_empty()).then(|| self.sessions.contains(&session.id));
        self.mark.as_ref().map(|mark| *mark == session.mark).or(named)
    }

    /// Whether the event's mark and its session ids disagree about `session`. Each session has its own mark.
    fn contradicts_itself(&self, session: &OpenSession) -> bool {
        let marked = self.mark.as_ref().map(|mark| *mark == session.mark);
        let named = self.sessions.contains(&session.id);
        !self.sessions.is_empty() && marked.is_some_and(|marked| marked != named)
    }
}

/// The effect of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityVerdict {
    /// The person is proofed now.
    Bound,
    /// The identity is already bound; nothing changes.
    Known,
    /// The event is about a session that the person does not wait for, for example one that was superseded by a session
    /// for other demographics.
    Superseded,
    /// The event names another patient than the open session. Another person may have passed the proofing.
    OtherPatient,
    /// The event does not show its session. Either its mark and its session ids disagree, or it has neither, and its
    /// patient does not decide between sessions.
    Unbound,
}
