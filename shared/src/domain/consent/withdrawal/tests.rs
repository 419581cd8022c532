use proptest::prelude::*;

use super::*;
use crate::domain::consent::{ConsentScope, GivenConsent};
use crate::domain::person_root::Grant;
use crate::domain::pull::tests::{accepted, started};
use crate::domain::record::tests::{make_record, processing};
use crate::domain::{ChallengeId, ProofedIdentityId, PullId, SourceKind};

const NOW: Time = Time::from_millis(2_000_000);
const LATER: Time = Time::from_millis(3_000_000);

fn timing() -> Timing {
    Timing::default()
}
fn patient(n: u8) -> PatientId {
    PatientId::parse(format!("patient-{n}")).unwrap()
}
fn consented() -> PersonRoot {
    let given = GivenConsent {
        scopes: [ConsentScope::Pull].into(),
        notice_version: "1".to_owned(),
        notice_sha256: String::new(),
        locale: "en".to_owned(),
    };
    PersonRoot::default().give(given, Time::from_millis(1)).unwrap()
}
fn pull(n: u128, state: PullState, of: u8) -> Pull {
    let id = PullId::new(uuid::Uuid::from_u128(n));
    let due_at = state.waits().then_some(NOW);
    let patient = patient(of);
    Pull {
        id,
        patient,
        state,
        due_at,
        ..started(&accepted(&SourceKind::ALL))
    }
}
fn record(n: u128, like: Record, of: u8) -> Record {
    let (id, patient) = (RecordId::new(uuid::Uuid::from_u128(n)), patient(of));
    Record { id, patient, ..like }
}
fn open_challenge() -> ChallengeSlot {
    ChallengeSlot::default().open(crate::domain::challenge::Pending {
        id: ChallengeId::parse("c1").unwrap(),
        proofed_identity: ProofedIdentityId::parse("i1").unwrap(),
        patient: patient(1),
        expires_at: LATER,
    })
}

/// The open work after the changes of one transaction.
fn after(open: &OpenWork, withdrawal: &Withdrawal) -> OpenWork {
    let changed = |pull: &Pull| withdrawal.pulls.iter().find(|change| change.pull.id == pull.id);
    let failed = |record: &Record| withdrawal.records.iter().find(|change| change.record.id == record.id);
    let pulls = open
        .pulls
        .iter()
        .map(|pull| changed(pull).map_or(pull, |change| &change.pull));
    let records = open.records.iter();
    let records = records.map(|record| failed(record).map_or(record, |change| &change.record));
    OpenWork {
        root: withdrawal.root.clone().unwrap_or_else(|| open.root.clone()),
        challenge: withdrawal.challenge.clone(),
        identity: withdrawal.identity.clone().unwrap_or_else(|| open.identity.clone()),
        open_records: open.open_records.clone(),
        pulls: pulls.cloned().collect(),
        records: records.cloned().collect(),
    }
}

/// The items of the transaction: root, challenge, identity, list of open records and entry, and those of the changes.
fn items(withdrawal: &Withdrawal) -> usize {
    let of_pull = |change: &Change| 2 + change.accesses().count() + usize::from(change.unlocks);
    let of_record = |change: &RecordChange| 1 + usize::from(change.unlocks || change.shortens.is_some());
    let pulls: usize = withdrawal.pulls.iter().map(of_pull).sum();
    5 + pulls + withdrawal.records.iter().map(of_record).sum::<usize>()
}

#[test]
fn withdrawal_ends_consent_challenge_pull_and_record() {
    let open = OpenWork {
        root: consented(),
        challenge: open_challenge(),
        pulls: vec![pull(2, PullState::Running, 1), pull(1, PullState::Completed, 1)],
        records: vec![record(2, make_record(), 1), record(1, processing(), 1)],
        ..OpenWork::default()
    };
    let withdrawal = withdraw(&open, NOW, timing()).unwrap();
    let after = after(&open, &withdrawal);
    assert_eq!((after.root.consent.clone(), after.root.withdrawn_at), (None, Some(NOW)));
    assert!(after.challenge.is_clear() && withdrawal.identity.is_none());
    assert_eq!(after.ended(), EndedWork { pulls: 1, records: 2 });
    assert!(withdrawal.pulls.iter().all(|change| change.unlocks));
    assert_eq!(after.pulls.last().unwrap().state, PullState::Completed);
    // Nothing is left, so a second withdrawal changes nothing.
    assert!(withdraw(&after, LATER, timing()).is_none());
}

#[test]
fn newest_of_two_waiting_pulls_releases_the_lock() {
    let open = OpenWork {
        pulls: vec![pull(2, PullState::Queued, 1), pull(1, PullState::Consolidating, 1)],
        ..OpenWork::default()
    };
    let withdrawal = withdraw(&open, NOW, timing()).unwrap();
    let unlocks: Vec<_> = withdrawal.pulls.iter().map(|change| change.unlocks).collect();
    assert_eq!(unlocks, [true, false]);
}

/// If the app keeps the consents, a person may go on after a withdrawal without a consent that is stored here.
#[test]
fn work_accepted_after_a_withdrawal_is_withdrawn_again() {
    let first = withdraw(&OpenWork::default(), NOW, timing()).unwrap();
    let open = OpenWork {
        root: first.root.unwrap(),
        pulls: vec![pull(1, PullState::Queued, 1)],
        ..OpenWork::default()
    };
    let again = withdraw(&open, LATER, timing()).unwrap();
    assert_eq!(again.root.as_ref().unwrap().withdrawn_at, Some(LATER));
    assert!(!again.root.as_ref().unwrap().holds(Grant::of(open.root.grant)));
    assert_eq!(after(&open, &again).ended(), EndedWork { pulls: 1, records: 0 });
}

/// A withdrawal reads again after its transaction. A consent may lie between the two.
#[test]
fn withdrawal_spares_a_consent_given_after_it() {
    let first = OpenWork {
        root: consented(),
        ..OpenWork::default()
    };
    let root = withdraw(&first, NOW, timing()).unwrap().root.unwrap();
    let given = consented().consent.unwrap().given();
    let open = OpenWork {
        root: root.give(given, NOW).unwrap(),
        challenge: open_challenge(),
        pulls: vec![pull(1, PullState::Queued, 1)],
        ..OpenWork::default()
    };
    assert!(withdraw(&open, NOW, timing()).is_none());
    // Another request withdraws that consent, too.
    assert!(withdraw(&open, LATER, timing()).is_some());
}

fn any_state() -> impl Strategy<Value = PullState> {
    use PullState::{Completed, Consolidating, Expired, Queued, Running, Starting};
    prop::sample::select(vec![Queued, Starting, Running, Consolidating, Expired, Completed])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// However much is open: each transaction stays within DynamoDB's 100 items, names no lock twice, and a few
    /// transactions end everything.
    #[test]
    fn withdrawal_ends_all_open_work_within_100_items(
        pulls in prop::collection::vec((any_state(), 0u8..50), 0..50),
        records in prop::collection::vec((any::<bool>(), 0u8..50), 0..60),
    ) {
        let numbered = (1u128..).zip(pulls);
        let pulls = numbered.map(|(n, (state, of))| pull(n, state, of)).collect();
        let like = |waits| if waits { make_record() } else { processing() };
        let records = (1u128..).zip(records).map(|(n, (waits, of))| record(n, like(waits), of)).collect();
        let mut open = OpenWork { root: consented(), pulls, records, ..OpenWork::default() };
        let mut transactions = 0;
        while let Some(withdrawal) = withdraw(&open, NOW, timing()) {
            prop_assert!(items(&withdrawal) <= 100);
            prop_assert_eq!(withdrawal.root.is_some(), transactions == 0, "one entry of the log");
            let locks = withdrawal.pulls.iter().filter(|change| change.unlocks);
            let patients: BTreeSet<_> = locks.clone().map(|change| &change.pull.patient).collect();
            prop_assert_eq!(locks.count(), patients.len());
            let locks = withdrawal.records.iter().filter(|change| change.shortens.is_some());
            let patients: BTreeSet<_> = locks.clone().map(|change| &change.record.patient).collect();
            prop_assert_eq!(locks.count(), patients.len());
            open = after(&open, &withdrawal);
            transactions += 1;
            prop_assert!(transactions <= 5);
        }
        prop_assert!(open.pulls.iter().all(|pull| pull.state.is_terminal()));
        prop_assert!(open.records.iter().all(|record| record.state.is_terminal()));
    }
}
