//! Tests that a window never holds more calls than its limit, whatever the order and the delays of the calls.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::domain::Timing;

const T0: i64 = 1_795_345_402_005;
const JITTER_MS: u64 = 2_000;
const TRAVEL_MS: u64 = 2_000;
const WINDOW_MS: i64 = 60_000;

fn at(ms: i64) -> Time {
    Time::from_millis(T0 + ms)
}

/// The highest number of calls in any closed window of `window_ms`.
fn fullest(mut calls: Vec<i64>, window_ms: i64) -> usize {
    calls.sort_unstable();
    let from = |start: i64| {
        calls
            .iter()
            .filter(|call| (start..=start + window_ms).contains(*call))
            .count()
    };
    calls.iter().map(|start| from(*start)).max().unwrap_or(0)
}

/// Calls as three numbers each: the gap after the previous call in milliseconds, the delay and the travel time. Delay
/// and travel time are thousandths of their longest values.
fn asks() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let gap = prop_oneof![Just(0), 0..200_u64, 0..8_000_u64, 30_000..90_000_u64];
    prop::collection::vec((gap, 0..=1_000_u64, 0..=1_000_u64), 1..250)
}

/// Takes planned times under the same conditions as the table. Returns the calls' times of arrival.
fn paced(limit: u32, scale: u32, patience_ms: i64, asks: &[(u64, u64, u64)]) -> Vec<i64> {
    let pace = Pace::new(limit, Timing::scaled(scale));
    let (mut now, mut next, mut calls) = (0_i64, None::<Time>, Vec::new());
    for (gap, late, travel) in asks {
        now += (gap / u64::from(scale)) as i64;
        let planned = next.unwrap_or(at(now)).max(at(now));
        if planned > pace.planned_for(at(now + patience_ms)) {
            continue;
        }
        next = Some(planned.plus(pace.spacing()));
        let slot = pace.slot(planned, at(now));
        let made = slot.plus(Duration::from_millis(JITTER_MS / u64::from(scale) * late / 1000));
        assert!(slot >= at(now));
        let travelled = made.plus(Duration::from_millis(TRAVEL_MS / u64::from(scale) * travel / 1000));
        calls.push(travelled.millis() - T0);
    }
    calls
}

/// Takes places under the same conditions as the table. The second number of a call picks its place.
fn placed(limit: u32, scale: u32, asks: &[(u64, u64, u64)]) -> Vec<i64> {
    let places = Places::new(limit, Timing::scaled(scale));
    let mut held = vec![None; places.count() as usize];
    let (mut now, mut calls) = (0_i64, Vec::new());
    for (gap, draw, travel) in asks {
        now += (gap / u64::from(scale)) as i64;
        let free = places.free(&held, at(now));
        let next = places.free_at(&held, at(now));
        assert_eq!(next == at(now), !free.is_empty());
        let Some(place) = free.get(*draw as usize % free.len().max(1)) else {
            assert!(next > at(now) && !places.free(&held, next).is_empty());
            continue;
        };
        held[*place as usize] = Some(at(now).plus(places.hold()));
        calls.push(now + (TRAVEL_MS / u64::from(scale) * travel / 1000) as i64);
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    /// Planned calls fit into the limit, so a call that is made in time finds a place.
    #[test]
    fn slots_never_overfill_a_window(
        limit in prop_oneof![2..40_u32, 100..400_u32],
        scale in prop_oneof![Just(1_u32), 2..60_u32],
        patience_ms in 0..280_000_i64,
        asks in asks(),
    ) {
        let calls = paced(limit, scale, patience_ms, &asks);
        prop_assert!(!calls.is_empty());
        prop_assert!(fullest(calls, WINDOW_MS / i64::from(scale)) <= usable(limit) as usize);
    }

    #[test]
    fn places_never_overfill_a_window(
        limit in prop_oneof![2..40_u32, 100..400_u32],
        scale in prop_oneof![Just(1_u32), 2..60_u32],
        asks in asks(),
    ) {
        let calls = placed(limit, scale, &asks);
        prop_assert!(!calls.is_empty());
        prop_assert!(fullest(calls, WINDOW_MS / i64::from(scale)) <= usable(limit) as usize);
    }
}

#[test]
fn four_fifths_of_the_usable_limit_can_be_used() {
    // Above these limits, rounding the spacing up to whole milliseconds costs more.
    for limit in 2..=600 {
        let calls = f64::from(usable(limit));
        let pace = Pace::new(limit, Timing::default());
        let a_minute = WINDOW_MS as f64 / millis(pace.spacing()) as f64;
        assert!(a_minute >= 0.8 * calls, "{limit}: {a_minute} slots a minute");
        let places = Places::new(limit, Timing::default());
        let of_places = f64::from(places.count()) * WINDOW_MS as f64 / millis(places.hold()) as f64;
        assert!(of_places >= 0.8 * calls, "{limit}: {of_places} places a minute");
    }
}

#[test]
fn first_starts_get_slots_at_once_and_later_ones_wait() {
    let pace = Pace::new(20, Timing::default());
    assert_eq!(pace.spacing(), Duration::from_millis(3_765));
    let slots: Vec<_> = (0..4)
        .map(|turn| pace.slot(at(0).plus(pace.spacing() * turn), at(0)).millis() - T0)
        .collect();
    assert_eq!(slots, [0, 0, 3_765, 7_530]);
}

#[test]
fn start_without_a_slot_gets_one_at_the_retry_time() {
    let pace = Pace::new(20, Timing::default());
    let (now, latest) = (at(0), pace.latest_to_accept(at(300_000)));
    let (mut next, mut granted) = (now, 0);
    while pace.slot(next, now) <= latest {
        next = next.plus(pace.spacing());
        granted += 1;
    }
    assert_eq!(granted, 76);
    let again = pace.retry_at(next, now, latest);
    let later = pace.latest_to_accept(at(300_000).plus(now.until(again)));
    assert!(again > now && pace.slot(next, again) <= later);
}

/// Each waiting call retries after a place is free and within half a hold of that time, whatever number it draws.
#[test]
fn retries_without_a_place_spread_over_half_a_hold() {
    let places = Places::new(120, Timing::default());
    let held = vec![Some(at(20_000)); places.count() as usize];
    let tries: Vec<_> = (0..1000_u64)
        .map(|draw| places.retry_at(&held, at(0), draw * 31))
        .collect();
    let (first, last) = (*tries.iter().min().unwrap(), *tries.iter().max().unwrap());
    assert!(
        first > at(20_000) && last <= at(20_000).plus(places.hold() / 2),
        "{first} to {last}"
    );
    assert!(first.until(last) > places.hold() / 3);
}
