//! Chooses work in turn if there is more than fits: one item of each person, then a second of each, and so on.

use std::collections::BTreeMap;

/// Chooses at most `max` of `items` and keeps their order. Each person's first items are chosen first. While two
/// persons both have items left, the numbers of items chosen for them differ by at most one.
///
/// `max` may be too small for one item of each person. Each `round` therefore begins `max` items further in the list
/// than the round before. If the list does not change, every person is chosen in some round.
pub fn choose_in_turn<T, P: Ord>(items: Vec<T>, max: usize, round: usize, person: impl Fn(&T) -> P) -> Vec<T> {
    let count = items.len();
    if count <= max {
        return items;
    }
    let begin = round.wrapping_mul(max) % count;
    let mut numbers = BTreeMap::new();
    // For each item: its number among its person's items, its distance from the item with which this round begins, and
    // its index.
    let mut places: Vec<(usize, usize, usize)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let number = numbers.entry(person(item)).or_insert(0_usize);
        places.push((*number, (index + count - begin) % count, index));
        *number += 1;
    }
    places.sort_unstable();
    places.truncate(max);
    let mut chosen: Vec<usize> = places.into_iter().map(|(_, _, index)| index).collect();
    chosen.sort_unstable();
    let items = items.into_iter().enumerate();
    items
        .filter(|(index, _)| chosen.binary_search(index).is_ok())
        .map(|(_, item)| item)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn backlog_of_one_person_does_not_displace_other_persons() {
        let mut items: Vec<(&str, u32)> = (0..500).map(|n| ("noisy", n)).collect();
        items.extend([("quiet", 500), ("quiet", 501), ("calm", 502)]);
        let chosen = choose_in_turn(items.clone(), 5, 0, |(person, _)| *person);
        assert_eq!(
            chosen,
            [
                ("noisy", 0),
                ("noisy", 1),
                ("quiet", 500),
                ("quiet", 501),
                ("calm", 502)
            ]
        );
        assert_eq!(choose_in_turn(items.clone(), 503, 0, |(person, _)| *person), items);
    }

    #[test]
    fn rounds_leave_out_different_persons() {
        let mut served: Vec<u32> = (0..3)
            .flat_map(|round| choose_in_turn((0..20).collect(), 8, round, |n| *n))
            .collect();
        served.sort_unstable();
        served.dedup();
        assert_eq!(served, (0..20).collect::<Vec<_>>());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_person_is_served_once_before_any_is_served_twice(
            persons in prop::collection::vec(0..9_u8, 0..80),
            max in 0..60_usize,
            round in any::<usize>(),
        ) {
            let items: Vec<(usize, u8)> = persons.iter().copied().enumerate().collect();
            let chosen = choose_in_turn(items, max, round, |(_, person)| *person);
            prop_assert_eq!(chosen.len(), persons.len().min(max));
            prop_assert!(chosen.is_sorted());
            let count = |of: u8| chosen.iter().filter(|(_, person)| *person == of).count();
            let all = |of: u8| persons.iter().filter(|person| **person == of).count();
            let left_out = (0..9).filter(|person| count(*person) < all(*person));
            let fewest = left_out.map(count).min().unwrap_or(usize::MAX);
            prop_assert!((0..9).all(|person| count(person) <= fewest.saturating_add(1)));
        }
    }
}
