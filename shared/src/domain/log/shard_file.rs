//! The file of one shard of a sealed day, from which proofs are made.
//!
//! It consists of the shard's persons, ordered by blind, and of the leaves of their entries in the same order. A person
//! has 72 bytes: blind, hash of the entries, and their number (big-endian); a leaf has 32. All positions follow from
//! the persons, so a reader fetches the persons and then only one person's leaves.

use std::ops::Range;

use super::seal::{PersonDay, SealedShard, ShardEntries};
use super::{LogDay, LogHash, blind};
use crate::domain::OwnerId;

const HASH_BYTES: usize = 32;
const PERSON_BYTES: usize = HASH_BYTES + HASH_BYTES + 8;

/// The bytes are not a part of a shard's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a part of a shard's file")]
pub struct ShardFileError;

impl ShardEntries {
    /// The whole file.
    #[must_use]
    pub fn file(&self, day: LogDay) -> Vec<u8> {
        let persons = self.persons(day);
        let heads = persons.iter().flat_map(|(person, _)| {
            let hashes = [person.blind.as_bytes().as_slice(), person.entries.as_bytes()];
            [hashes.concat(), person.count.to_be_bytes().to_vec()].concat()
        });
        let leaves = persons.iter().flat_map(|(_, leaves)| leaves.iter());
        heads.chain(leaves.flat_map(|leaf| *leaf.as_bytes())).collect()
    }
}

/// The bytes of the file that hold this many persons.
#[must_use]
pub fn bytes_of_persons(persons: u64) -> Range<u64> {
    0..persons.saturating_mul(PERSON_BYTES as u64)
}

impl SealedShard {
    /// Reads the persons from their bytes.
    ///
    /// # Errors
    /// Fails if the bytes are not those of whole persons.
    pub fn read_persons(bytes: &[u8]) -> Result<Self, ShardFileError> {
        let (persons, rest) = bytes.as_chunks::<PERSON_BYTES>();
        let persons = persons.iter().map(read_person).collect::<Option<_>>();
        let persons = persons.filter(|_| rest.is_empty()).ok_or(ShardFileError)?;
        Ok(Self { persons })
    }

    /// The bytes of the file that hold the person's leaves from number `skip` on, at most `max` leaves; `None` if there
    /// are none.
    #[must_use]
    pub fn bytes_of_leaves(&self, owner: &OwnerId, day: LogDay, skip: u64, max: u64) -> Option<Range<u64>> {
        let blind = blind(owner, day);
        let index = self.persons.binary_search_by_key(&blind, |person| person.blind).ok()?;
        let (before, person) = (self.persons.get(..index)?, self.persons.get(index)?);
        let before: u64 = before.iter().map(|person| person.count).sum();
        let leaves = person.count.checked_sub(skip).filter(|left| *left > 0)?.min(max);
        let begin = bytes_of_persons(u64::try_from(self.persons.len()).ok()?).end;
        let at = |leaf: u64| begin.checked_add(leaf.checked_mul(HASH_BYTES as u64)?);
        let first = before.checked_add(skip)?;
        Some(at(first)?..at(first.checked_add(leaves)?)?)
    }

    /// How many entries the person has.
    #[must_use]
    pub fn count_of(&self, owner: &OwnerId, day: LogDay) -> u64 {
        let blind = blind(owner, day);
        let found = self.persons.binary_search_by_key(&blind, |person| person.blind);
        found
            .ok()
            .and_then(|index| self.persons.get(index))
            .map_or(0, |person| person.count)
    }
}

fn read_person(bytes: &[u8; PERSON_BYTES]) -> Option<PersonDay> {
    let (blind, rest) = bytes.split_first_chunk()?;
    let (entries, count) = rest.split_first_chunk()?;
    Some(PersonDay {
        blind: LogHash::from_bytes(*blind),
        entries: LogHash::from_bytes(*entries),
        count: u64::from_be_bytes(count.try_into().ok()?),
    })
}

/// Reads leaves from their bytes.
///
/// # Errors
/// Fails if the bytes are not those of whole leaves.
pub fn read_leaves(bytes: &[u8]) -> Result<Vec<LogHash>, ShardFileError> {
    match bytes.as_chunks::<HASH_BYTES>() {
        (leaves, []) => Ok(leaves.iter().map(|leaf| LogHash::from_bytes(*leaf)).collect()),
        _ => Err(ShardFileError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::log::leaf;

    fn owner(name: &str) -> OwnerId {
        OwnerId::parse(format!("v1.{name}")).unwrap()
    }

    fn day() -> LogDay {
        LogDay::parse("2026-11-25").unwrap()
    }

    /// Person number `n` has `n` entries, from 1 to 20.
    fn entries() -> ShardEntries {
        let mut entries = ShardEntries::default();
        for person in 1..=20 {
            for entry in 0..person {
                entries.add(owner(&format!("{person}")), leaf(&format!("{person}/{entry}")));
            }
        }
        entries
    }

    fn cut(file: &[u8], bytes: Range<u64>) -> &[u8] {
        &file[usize::try_from(bytes.start).unwrap()..usize::try_from(bytes.end).unwrap()]
    }

    #[test]
    fn file_gives_back_persons_and_their_leaves() {
        let (entries, day) = (entries(), day());
        let (file, sealed) = (entries.file(day), entries.seal(day));
        let persons = bytes_of_persons(sealed.summary().persons);
        assert_eq!(SealedShard::read_persons(cut(&file, persons)), Ok(sealed.clone()));
        for person in 1..=20_u64 {
            let owner = owner(&person.to_string());
            assert_eq!(sealed.count_of(&owner, day), person);
            let all = sealed.bytes_of_leaves(&owner, day, 0, 1_000).unwrap();
            let expected: Vec<_> = (0..person).map(|entry| leaf(&format!("{person}/{entry}"))).collect();
            assert_eq!(read_leaves(cut(&file, all)), Ok(expected.clone()));
            let some = sealed.bytes_of_leaves(&owner, day, person - 1, 3).unwrap();
            assert_eq!(
                read_leaves(cut(&file, some)),
                Ok(expected[expected.len() - 1..].to_vec())
            );
            assert_eq!(sealed.bytes_of_leaves(&owner, day, person, 3), None);
        }
        assert_eq!(file.len() as u64, bytes_of_persons(20).end + 210 * 32);
        assert_eq!(
            (
                sealed.count_of(&owner("0"), day),
                sealed.bytes_of_leaves(&owner("0"), day, 0, 1)
            ),
            (0, None)
        );
    }

    #[test]
    fn bytes_of_half_a_person_or_leaf_are_refused() {
        let file = entries().file(day());
        assert_eq!(SealedShard::read_persons(&file[..71]), Err(ShardFileError));
        assert_eq!(read_leaves(&file[..33]), Err(ShardFileError));
        assert_eq!(read_leaves(&[]), Ok(Vec::new()));
    }
}
