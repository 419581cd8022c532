//! A pull is accepted (`network-query`), as in `functions/network-query/src/accept.rs`.

use shared::Error;
use shared::domain::challenge::{Answer, ChallengeRefusal, Held};
use shared::domain::identity::Standing;
use shared::domain::run::{NewRun, Run};
use shared::domain::{Aal2SessionId, ChallengeId, RunId, SourceKind, Sources, Time};
use shared::http::{Code, Problem};
use shared::queue::{Subject, announce_run};
use shared::store::{Condition, StoreError};

use crate::Sabotage;
use crate::ids;
use crate::io::{Io, put_entry, put_run};
use crate::store::{Item, Key, Lock, Require, Write};

/// How often a pull is tried when what it stands on is written at the same moment.
const ATTEMPTS: u32 = 5;

/// What the app brings back from the browser, or says it does.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Presented {
    pub(crate) challenge: ChallengeId,
    pub(crate) session: Aal2SessionId,
    pub(crate) status: &'static str,
    pub(crate) sources: Vec<SourceKind>,
}

pub(crate) async fn accept(io: &Io, person: u8, id: RunId, presented: &Presented) -> Result<&'static str, Error> {
    let now = io.now().await;
    let mut tries = 1;
    let run = loop {
        match write(io, person, id, presented, now).await {
            Err(Error::Store(error)) if tries < ATTEMPTS && moved(&error) => tries += 1,
            Err(Error::Store(error)) if error.lacks(Condition::SessionUnused) => {
                return Err(Problem::new(Code::Aal2SessionUsed).into());
            }
            Err(Error::Store(error)) if error.lacks(Condition::NoOpenRun) => {
                return Err(Problem::new(Code::NetworkQueryOpen).into());
            }
            written => break written?,
        }
    };
    match announce_run(io, &ids::owner(person), &run, now).await {
        Ok(()) => Ok("accepted"),
        Err(_sent_by_the_reconciler) => Ok("accepted, not announced"),
    }
}

async fn write(io: &Io, person: u8, id: RunId, presented: &Presented, now: Time) -> Result<Run, Error> {
    let owner = ids::owner(person);
    let patient = super::people::patient(io, &owner).await?;
    let link = patient.settled()?;
    let identity = super::people::identity(io, &owner).await?;
    let Standing::Verified(proofed) = identity.standing(&link.patient, &link.demographics, now, io.timing) else {
        return Err(Problem::new(Code::IdentityNotVerified).into());
    };
    let slot = io.challenge(&owner).await?;
    let answer = Answer {
        challenge: &presented.challenge,
        status: presented.status,
        patient: &link.patient,
        proofed_identity: &proofed,
    };
    slot.check(&answer, now, io.timing.aal2_session()).map_err(refused)?;
    let sources = Sources::pending(presented.sources.iter().copied());
    let new = NewRun {
        id,
        patient: link.patient.clone(),
        sources: sources.ok_or_else(|| Problem::new(Code::NoSourceEnabled))?,
    };
    let run = Run::accept(new, now, io.timing);
    let held = Held {
        run: run.id,
        session: presented.session.clone(),
        proofed_identity: proofed,
        until: run.start_by,
    };
    let lock = Lock {
        owner: owner.clone(),
        holder: Subject::Run(run.id),
        deadline: run.lock_until(io.timing),
    };
    let challenge = Key::Challenge(owner.clone());
    let used = match io.is(Sabotage::SessionForgotten) {
        true => Require::Anything,
        false => Require::Nothing,
    };
    let spent = Item::Challenge(slot.clone().spend(held));
    let (read, alive) = (Require::Version(slot.version), Require::NothingAlive(now));
    io.commit(vec![
        Write::put(Condition::ChallengeAsRead, read, challenge, spent),
        Write::put(
            Condition::SessionUnused,
            used,
            Key::Used(presented.session.clone()),
            Item::Used(run.id),
        ),
        Write::put(
            Condition::NoOpenRun,
            alive,
            Key::OpenRun(run.patient.clone()),
            Item::Lock(lock),
        ),
        put_run(&owner, &run, 0),
        put_entry(&owner, &run, None, None, now),
        Write::check(
            Condition::PatientAsRead,
            Require::Version(patient.version),
            Key::Patient(owner.clone()),
        ),
        Write::check(
            Condition::IdentityAsRead,
            Require::Version(identity.version),
            Key::Identity(owner.clone()),
        ),
    ])
    .await?;
    Ok(run)
}

fn moved(error: &StoreError) -> bool {
    let grounds = [
        Condition::ChallengeAsRead,
        Condition::PatientAsRead,
        Condition::IdentityAsRead,
    ];
    !error.lacks(Condition::SessionUnused) && grounds.into_iter().any(|condition| error.lacks(condition))
}

fn refused(refusal: ChallengeRefusal) -> Problem {
    Problem::new(match refusal {
        ChallengeRefusal::NotVerified => Code::Aal2NotVerified,
        ChallengeRefusal::Expired => Code::ChallengeExpired,
        ChallengeRefusal::NotPending | ChallengeRefusal::OtherIdentity => Code::ChallengeNotPending,
    })
}
