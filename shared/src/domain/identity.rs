//! A person's proofed identity: from the hosted IAL2 page to the `proofedIdentityId` that later queries carry.
//!
//! Metriport reports one thing only, that proofing succeeded; failure, abandonment and expiry have no event
//! (docs.metriport.com, page `ias/create-identity-session`) and are read off the clock.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DemographicsHash, IdentitySessionId, PatientId, ProofedIdentityId, Time, Timing};

/// How many superseded sessions are kept. A person opens some every hour at worst, while none is confirmed.
const EARLIER_MAX: usize = 8;

/// What is stored of a person's identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The proofed identity, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofed: Option<Proofed>,
    /// The one open hosted session; a new one supersedes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<OpenSession>,
    /// Those it superseded that were opened for the same patient and demographics, the oldest first: what their pages
    /// confirm is the same, and a confirmation may be hours late (decision 0011).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<OpenSession>,
    /// Whether there ever was a session for other demographics than a later one's. Its page, or that of a session it
    /// had superseded, may have been passed and be told late, so an event that names no session says nothing about the
    /// one that is open.
    #[serde(default)]
    pub superseded_other: bool,
    /// Counts every write; the next write names it.
    #[serde(default)]
    pub version: u64,
}

/// A person proofed at IAL2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proofed {
    /// Metriport's id of the proofed identity.
    pub id: ProofedIdentityId,
    /// The patient it belongs to.
    pub patient: PatientId,
    /// The demographics we had when the session that led here was opened.
    pub demographics: DemographicsHash,
    /// When we learnt of it.
    pub at: Time,
    /// When upstream said that it takes it no longer. The person is to be proofed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_at: Option<Time>,
}

/// A hosted identity session that was opened and not answered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenSession {
    /// Metriport's id of the session.
    pub id: IdentitySessionId,
    /// The patient it was opened for.
    pub patient: PatientId,
    /// The demographics at that time.
    pub demographics: DemographicsHash,
    /// When the hosted page stops working.
    pub expires_at: Time,
    /// Our own mark, sent as metadata and echoed.
    pub mark: String,
}

/// Where a person stands, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No session was opened yet.
    NotStarted,
    /// The hosted page is open.
    Pending {
        /// When it stops working.
        expires_at: Time,
    },
    /// The page has expired; a late confirmation may still come.
    Confirming,
    /// The page has expired and nothing came.
    Expired,
    /// Proofed, with the demographics we hold now.
    Verified(ProofedIdentityId),
    /// Proofed, but with other demographics: proofing is needed again.
    DemographicsChanged,
    /// Proofed, but upstream takes the identity no longer: proofing is needed again.
    Rejected,
}

impl Identity {
    /// Where the person stands at `now`, for the patient and demographics linked now.
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

    /// Opens a session; one that was open is superseded.
    #[must_use]
    pub fn open(mut self, session: OpenSession) -> Self {
        let open = self.session.as_ref().map(|open| &open.demographics);
        // A session that was answered may have superseded others, whose pages can be passed as well.
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

    /// Marks a proofed identity that upstream no longer takes, so that the person can be proofed again. `None` when it
    /// is not the one we hold, or is marked already.
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

    /// Takes in a verification. Binds only what belongs together: our session, our patient.
    ///
    /// Expiry by the clock does not matter here: the confirmation may come after the page's end. That a session was
    /// superseded matters only if it was opened for other demographics, or for another patient, than the open one.
    /// Proofing again may yield the identity that is known already; it binds anew if it comes from such a session.
    #[must_use]
    pub fn verify(mut self, seen: &Verification, now: Time) -> (Self, Verdict) {
        let verdict = self.judge(seen);
        let bound = verdict == Verdict::Bound;
        let Some(passed) = bound.then(|| self.take(seen)).flatten() else {
            return (self, verdict);
        };
        self.proofed = Some(Proofed {
            id: seen.proofed_identity.clone(),
            patient: passed.patient,
            demographics: passed.demographics,
            at: now,
            rejected_at: None,
        });
        self.version += 1;
        (self, verdict)
    }

    /// The session that an event is about, the open one if it names none. Those before it are done with; those after it
    /// may have been passed as well, and upstream may take the newest identity alone.
    fn take(&mut self, seen: &Verification) -> Option<OpenSession> {
        match self
            .earlier
            .iter()
            .position(|session| seen.is_of(session) == Some(true))
        {
            Some(index) => self.earlier.drain(..=index).next_back(),
            None => {
                self.earlier.clear();
                self.session.take()
            }
        }
    }

    fn judge(&self, seen: &Verification) -> Verdict {
        let known = self
            .proofed
            .as_ref()
            .is_some_and(|proofed| proofed.id == seen.proofed_identity);
        let not_open = if known { Verdict::Known } else { Verdict::Superseded };
        let Some(open) = &self.session else { return not_open };
        let sessions = self.earlier.iter().chain([open]);
        if sessions.clone().any(|session| seen.contradicts_itself(session)) {
            return Verdict::Unbound;
        }
        // `None` sorts first: one that names a session names the same kind of thing of each.
        let ours = sessions.map(|session| seen.is_of(session)).max().flatten();
        if ours == Some(false) {
            return not_open;
        }
        if seen.patient.as_ref().is_some_and(|patient| *patient != open.patient) {
            return Verdict::OtherPatient;
        }
        match (ours, &seen.patient) {
            (Some(_), _) => Verdict::Bound,
            (None, Some(_)) if known => Verdict::Known,
            (None, Some(_)) if !self.superseded_other => Verdict::Bound,
            (None, _) => Verdict::Unbound,
        }
    }
}

/// What an `ias.identity.verified` event says, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The identity that was proofed.
    pub proofed_identity: ProofedIdentityId,
    /// The sessions it names. Their place is not documented, so another service's may be among them. One is written as
    /// a text, as consumers of earlier versions read it; they refuse several.
    #[serde(default, rename = "session", deserialize_with = "one_or_several")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_one_or_several")]
    pub sessions: Vec<IdentitySessionId>,
    /// The patient it belongs to, where named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<PatientId>,
    /// Our own mark, where it came back; replays lose it.
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
    /// Whether it says which session it is about.
    #[must_use]
    pub const fn names_its_session(&self) -> bool {
        !self.sessions.is_empty() || self.mark.is_some()
    }

    /// The same once our sessions are known: beside one of ours, the others do not count. `None` if several are ours,
    /// since the event does not say which of them was passed.
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

    /// Whether it is about a session; `None` if it names none.
    fn is_of(&self, session: &OpenSession) -> Option<bool> {
        let named = (!self.sessions.is_empty()).then(|| self.sessions.contains(&session.id));
        self.mark.as_ref().map(|mark| *mark == session.mark).or(named)
    }

    /// Whether our own mark, which is new for each session, and the session that it names are not of the same session.
    fn contradicts_itself(&self, session: &OpenSession) -> bool {
        let marked = self.mark.as_ref().map(|mark| *mark == session.mark);
        let named = self.sessions.contains(&session.id);
        !self.sessions.is_empty() && marked.is_some_and(|marked| marked != named)
    }
}

/// What became of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The person is proofed now.
    Bound,
    /// That identity was bound before; nothing changes.
    Known,
    /// It is about a session that was superseded by one for other demographics, or that we do not wait for.
    Superseded,
    /// It names another patient than the session was opened for: somebody else may have passed the proofing.
    OtherPatient,
    /// It names neither session nor patient, or two sessions: nothing says that it is about this person.
    Unbound,
}
