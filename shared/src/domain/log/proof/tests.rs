use super::*;
use crate::domain::OwnerId;
use crate::domain::log::sample::{day, owner};
use crate::domain::log::seal::{SealedShard, ShardEntries};
use crate::domain::log::{blind, leaf};

fn leaves(count: usize) -> Vec<LogHash> {
    (0..count).map(|n| leaf(&n.to_string())).collect()
}

/// A shard with this many persons, `p0` and so on. Person number n has n + 1 entries.
fn shard_of(persons: usize) -> (SealedShard, ShardProof) {
    let mut entries = ShardEntries::default();
    for number in 0..persons {
        for leaf in leaves(number + 1) {
            entries.add(owner(&format!("p{number}")), leaf);
        }
    }
    let shard = entries.seal(day(0));
    let summary = shard.summary();
    let proof = ShardProof {
        persons: summary.persons,
        root: summary.root,
        path: Vec::new(),
    };
    (shard, proof)
}

fn blind_of(person: &OwnerId) -> LogHash {
    blind(person, day(0))
}

#[test]
fn presence_is_provable_for_every_person_with_entries() {
    for persons in 1..20 {
        let (shard, root) = shard_of(persons);
        for number in 0..persons {
            let person = owner(&format!("p{number}"));
            let proof = shard.prove(&person, day(0));
            let entries = leaves(number + 1);
            assert_eq!(proof.count(), number as u64 + 1);
            assert!(proof.proves(&root, blind_of(&person), &entries));
            assert!(!proof.proves(&root, blind_of(&person), &entries[1..]));
            assert!(!proof.proves(&root, blind(&person, day(1)), &entries));
            assert!(!proof.proves(&root, blind_of(&owner("x")), &entries));
            let PersonProof::Present { index, path, count } = proof else {
                panic!("absent")
            };
            let count = count + 1;
            assert!(!PersonProof::Present { index, path, count }.proves(&root, blind_of(&person), &entries));
        }
    }
}

/// Among many persons, some blinds lie before the first leaf and after the last.
#[test]
fn absence_is_provable_for_every_person_without_entries() {
    for persons in 0..8 {
        let (shard, root) = shard_of(persons);
        let mut ends = (persons == 0, persons == 0);
        for number in 0..100 {
            let person = owner(&format!("x{number}"));
            let proof = shard.prove(&person, day(0));
            assert!(proof.proves(&root, blind_of(&person), &[]), "{number} of {persons}");
            assert!(!proof.proves(&root, blind_of(&person), &leaves(1)));
            if let PersonProof::Absent { left, right } = proof {
                ends = (ends.0 || left.is_none(), ends.1 || right.is_none());
            }
        }
        assert_eq!(ends, (true, true), "{persons} persons");
    }
}

#[test]
fn absence_of_a_person_with_entries_is_never_provable() {
    let (shard, root) = shard_of(9);
    // The neighbours in every proof of absence, and no neighbour.
    let proofs = (0..200).map(|number| shard.prove(&owner(&format!("x{number}")), day(0)));
    let mut sides = vec![None];
    for proof in proofs {
        let PersonProof::Absent { left, right } = proof else {
            panic!("present")
        };
        sides.extend([left, right]);
    }
    sides.sort_by_key(|side| side.as_ref().map(|side| side.index));
    sides.dedup();
    assert_eq!(sides.len(), 10);
    for person in (0..9).map(|number| owner(&format!("p{number}"))) {
        for (left, right) in sides
            .iter()
            .flat_map(|left| sides.iter().map(move |right| (left, right)))
        {
            let proof = PersonProof::Absent {
                left: left.clone(),
                right: right.clone(),
            };
            assert!(!proof.proves(&root, blind_of(&person), &[]));
        }
    }
}

#[test]
fn changed_neighbour_proves_nothing() {
    let (shard, root) = shard_of(9);
    let inner = |proof: &PersonProof| {
        matches!(
            proof,
            PersonProof::Absent {
                left: Some(_),
                right: Some(_)
            }
        )
    };
    let mut persons = (0..100).map(|number| owner(&format!("x{number}")));
    let person = persons.find(|person| inner(&shard.prove(person, day(0)))).unwrap();
    let changes: [fn(&mut Neighbour); 4] = [
        |of| of.index += 1,
        |of| of.blind = LogHash::of(&[b"another"]),
        |of| of.entries = LogHash::of(&[b"another"]),
        |of| of.path.truncate(1),
    ];
    for change in changes {
        for is_left in [true, false] {
            let mut proof = shard.prove(&person, day(0));
            let PersonProof::Absent { left, right } = &mut proof else {
                panic!("present")
            };
            let side = if is_left { left } else { right };
            change(side.as_mut().unwrap());
            assert!(!proof.proves(&root, blind_of(&person), &[]));
        }
    }
}

#[test]
fn empty_shard_proves_absence_only_without_neighbours() {
    let (full, _) = shard_of(1);
    let (_, root) = shard_of(0);
    let person = owner("x0");
    assert!(
        PersonProof::Absent {
            left: None,
            right: None
        }
        .proves(&root, blind_of(&person), &[])
    );
    assert!(!full.prove(&person, day(0)).proves(&root, blind_of(&person), &[]));
    let (_, full_root) = shard_of(1);
    assert!(
        !PersonProof::Absent {
            left: None,
            right: None
        }
        .proves(&full_root, blind_of(&person), &[])
    );
}
