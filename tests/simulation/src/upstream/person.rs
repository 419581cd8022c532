//! Patients, hosted identity pages and challenges.

use std::time::Duration;

use shared::domain::identity::Verification;
use shared::domain::{
    Aal2SessionId, ChallengeId, DemographicsHash, ExternalId, IdentitySessionId, PatientId, ProofedIdentityId, Time,
};
use shared::message::webhook::{Event, Marks};

use super::{Answer, Challenge, Page, Patient, Upstream};
use crate::choice::Pass;
use crate::ids::opaque;

const PAGE: Duration = Duration::from_secs(900);

impl Upstream {
    /// Creates a patient. If a patient with equal demographics exists, returns that patient, even if another caller
    /// created it.
    pub(super) fn create(&mut self, external: &ExternalId, demographics: &DemographicsHash) -> Answer {
        let alike = self
            .patients
            .iter()
            .find(|patient| patient.demographics == *demographics);
        if let Some(alike) = alike {
            return Answer::Patient(Some(alike.clone()));
        }
        Answer::Patient(Some(self.add(external, demographics, true)))
    }

    /// Adds a patient that another system of the customer created.
    pub(crate) fn register(&mut self, external: &ExternalId, demographics: &DemographicsHash) {
        self.add(external, demographics, false);
    }

    fn add(&mut self, external: &ExternalId, demographics: &DemographicsHash, ours: bool) -> Patient {
        let patient = Patient {
            id: opaque!(PatientId, "patient-{}", self.numbered),
            external: external.clone(),
            demographics: demographics.clone(),
            ours,
        };
        self.numbered += 1;
        self.patients.push(patient.clone());
        patient
    }

    pub(super) fn open_page(&mut self, patient: &PatientId, mark: &str, now: Time) -> Answer {
        let id = opaque!(IdentitySessionId, "ids-{}", self.pages.len());
        let known = self.patients.iter().find(|known| known.id == *patient);
        self.pages.push(Page {
            id: id.clone(),
            patient: patient.clone(),
            mark: mark.to_owned(),
            demographics: known.map(|known| known.demographics.clone()),
            expires_at: now.plus(PAGE),
            given: false,
            passed: None,
        });
        Answer::Session(id, now.plus(PAGE))
    }

    pub(super) fn open_challenge(&mut self, proofed: &ProofedIdentityId, now: Time) -> Answer {
        let id = opaque!(ChallengeId, "aalc-{}", self.challenges.len());
        self.challenges.push(Challenge {
            id: id.clone(),
            proofed: proofed.clone(),
            session: None,
        });
        Answer::Challenge(id, now.plus(PAGE))
    }

    /// The person passes a challenge in the browser and gets the session.
    pub(crate) fn pass_challenge(&mut self, id: &ChallengeId) -> Option<Aal2SessionId> {
        let challenge = self.challenges.iter_mut().find(|challenge| challenge.id == *id)?;
        let session = challenge
            .session
            .get_or_insert_with(|| opaque!(Aal2SessionId, "aal2-{}", id.as_str()));
        Some(session.clone())
    }

    /// A person passes an identity page. Metriport does not guarantee the ids in the event, and the page may have been
    /// opened for another person.
    pub(crate) fn pass_page(&mut self, index: usize, pass: Pass, now: Time) {
        let count = self.numbered;
        let foreign = opaque!(IdentitySessionId, "ids-elsewhere-{index}");
        let another = self.pages.get(usize::from(index == 0)).map(|page| page.mark.clone());
        let another = another.unwrap_or_else(|| "mark-elsewhere".to_owned());
        let Some(page) = self.pages.get_mut(index) else {
            return;
        };
        let proofed = opaque!(ProofedIdentityId, "pid-{}", page.id.as_str());
        page.passed = Some(proofed.clone());
        let page = page.clone();
        let somebody = opaque!(PatientId, "patient-{}", count + 1000);
        let (sessions, patient, mark) = match pass {
            Pass::Full => (vec![page.id], Some(page.patient), Some(page.mark)),
            Pass::PatientOnly => (Vec::new(), Some(page.patient), None),
            Pass::Unnamed => (Vec::new(), None, Some(page.mark)),
            Pass::Somebody => (vec![page.id], Some(somebody), Some(page.mark)),
            Pass::Elsewhere => (vec![foreign, page.id], Some(page.patient), None),
            Pass::Contradicted => (vec![page.id], Some(page.patient), Some(another)),
        };
        let verification = Verification {
            proofed_identity: proofed,
            sessions,
            patient,
            mark: mark.clone(),
        };
        let marks = Marks {
            identity: mark,
            ..Marks::default()
        };
        self.tell(None, marks, Event::Identity { verification }, now);
    }
}
