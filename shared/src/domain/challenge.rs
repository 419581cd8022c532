//! The AAL2 challenge: a person has at most one pending challenge at a time, and uses it once.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Aal2SessionId, ChallengeId, PatientId, ProofedIdentityId, PullId, Time};

/// A person's stored challenge: the pending one, and the session that a queued pull still needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeSlot {
    /// The pending challenge; a new one supersedes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// The session of the pull that is about to start. It is stored only here, until the start is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Counts every write.
    #[serde(default)]
    pub version: u64,
}

/// A challenge that was opened and is not used yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Metriport's id of the challenge.
    pub id: ChallengeId,
    /// The identity that is challenged.
    pub proofed_identity: ProofedIdentityId,
    /// The patient of this identity.
    pub patient: PatientId,
    /// When the hosted page stops working.
    pub expires_at: Time,
}

/// An AAL2 session that waits for its pull to start. The session is a secret that opens a query, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The pull it is for.
    #[serde(rename = "run")]
    pub pull: PullId,
    /// The session.
    pub session: Aal2SessionId,
    /// The identity that passed the challenge.
    pub proofed_identity: ProofedIdentityId,
    /// The time from which we no longer use the session.
    pub until: Time,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("run", &self.pull)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Why a challenge does not open a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeRefusal {
    /// No such challenge is pending for this person.
    #[error("no such challenge is pending")]
    NotPending,
    /// The challenge was not passed in time.
    #[error("the challenge has expired")]
    Expired,
    /// The challenge was opened for an identity or a patient that is no longer the person's.
    #[error("the challenge belongs to another identity")]
    OtherIdentity,
    /// The hosted page did not return `verified`.
    #[error("the challenge was not passed")]
    NotVerified,
}

impl ChallengeSlot {
    /// Opens a challenge, which supersedes a pending one. A held session stays.
    #[must_use]
    pub fn open(mut self, pending: Pending) -> Self {
        self.pending = Some(pending);
        self.version += 1;
        self
    }

    /// Checks the values that the browser brought back. Refuses every status except `verified`, and a challenge that
    /// does not match the caller's patient and identity. A refusal changes nothing.
    ///
    /// A challenge is accepted until `life` after its page expires. The person may pass it in the last second, and the
    /// browser needs time to return.
    ///
    /// # Errors
    /// Returns the first reason for a refusal.
    pub fn check(
        &self,
        answer: &ChallengeAnswer<'_>,
        now: Time,
        life: std::time::Duration,
    ) -> Result<&Pending, ChallengeRefusal> {
        if answer.status != "verified" {
            return Err(ChallengeRefusal::NotVerified);
        }
        let pending = self.pending.as_ref().filter(|pending| pending.id == *answer.challenge);
        let pending = pending.ok_or(ChallengeRefusal::NotPending)?;
        if pending.patient != *answer.patient || pending.proofed_identity != *answer.proofed_identity {
            return Err(ChallengeRefusal::OtherIdentity);
        }
        if now >= pending.expires_at.plus(life) {
            return Err(ChallengeRefusal::Expired);
        }
        Ok(pending)
    }

    /// Marks the pending challenge as used and holds the session for its pull.
    #[must_use]
    pub fn spend(mut self, held: Held) -> Self {
        self.pending = None;
        self.held = Some(held);
        self.version += 1;
        self
    }

    /// Removes the session held for `pull`. `None` if the slot holds no session for that pull.
    #[must_use]
    pub fn free(mut self, pull: PullId) -> Option<Self> {
        self.held.take_if(|held| held.pull == pull)?;
        self.version += 1;
        Some(self)
    }

    /// Removes the pending challenge and the held session.
    #[must_use]
    pub fn clear(self) -> Self {
        Self {
            pending: None,
            held: None,
            version: self.version + 1,
        }
    }

    /// Whether neither a challenge nor a session is stored.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        self.pending.is_none() && self.held.is_none()
    }

    /// The session held for `pull`, if we may still use it.
    #[must_use]
    pub fn session_for(&self, pull: PullId, now: Time) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.pull == pull && now < held.until)
    }
}

/// The values from the browser, and the caller's own ids that they must match.
#[derive(Debug, Clone, Copy)]
pub struct ChallengeAnswer<'a> {
    /// The challenge that the app names as passed.
    pub challenge: &'a ChallengeId,
    /// The `status` parameter of the redirect.
    pub status: &'a str,
    /// The caller's patient now.
    pub patient: &'a PatientId,
    /// The caller's proofed identity now.
    pub proofed_identity: &'a ProofedIdentityId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn slot() -> ChallengeSlot {
        ChallengeSlot::default().open(Pending {
            id: ChallengeId::parse("aalc_1").unwrap(),
            proofed_identity: ProofedIdentityId::parse("pid_1").unwrap(),
            patient: PatientId::parse("p1").unwrap(),
            expires_at: Time::from_millis(1000),
        })
    }

    fn check(challenge: &str, status: &str, patient: &str, identity: &str, now: i64) -> Result<(), ChallengeRefusal> {
        let answer = ChallengeAnswer {
            challenge: &ChallengeId::parse(challenge).unwrap(),
            status,
            patient: &PatientId::parse(patient).unwrap(),
            proofed_identity: &ProofedIdentityId::parse(identity).unwrap(),
        };
        slot()
            .check(&answer, Time::from_millis(now), Duration::from_millis(100))
            .map(|_| ())
    }

    #[test]
    fn challenge_passes_only_for_its_own_patient_and_identity() {
        assert_eq!(check("aalc_1", "verified", "p1", "pid_1", 1099), Ok(()));
        assert_eq!(
            check("aalc_1", "verified", "p1", "pid_1", 1100),
            Err(ChallengeRefusal::Expired)
        );
        for status in ["", "Verified", "verified ", "success", "cancelled"] {
            assert_eq!(
                check("aalc_1", status, "p1", "pid_1", 0),
                Err(ChallengeRefusal::NotVerified)
            );
        }
        assert_eq!(
            check("aalc_2", "verified", "p1", "pid_1", 0),
            Err(ChallengeRefusal::NotPending)
        );
        assert_eq!(
            check("aalc_1", "verified", "p2", "pid_1", 0),
            Err(ChallengeRefusal::OtherIdentity)
        );
        assert_eq!(
            check("aalc_1", "verified", "p1", "pid_2", 0),
            Err(ChallengeRefusal::OtherIdentity)
        );
    }

    #[test]
    fn used_challenge_is_removed_and_its_session_serves_one_pull() {
        let pull = PullId::parse("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d").unwrap();
        let other = PullId::parse("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8e").unwrap();
        let session = Aal2SessionId::parse("aal2_CANARY").unwrap();
        let proofed_identity = ProofedIdentityId::parse("pid_1").unwrap();
        let spent = slot().spend(Held {
            pull,
            session,
            proofed_identity,
            until: Time::from_millis(50),
        });
        assert!(spent.pending.is_none());
        assert!(spent.session_for(pull, Time::from_millis(49)).is_some());
        assert!(spent.session_for(pull, Time::from_millis(50)).is_none());
        assert!(spent.session_for(other, Time::from_millis(0)).is_none());
        assert!(!format!("{spent:?}").contains("CANARY"));
    }
}
