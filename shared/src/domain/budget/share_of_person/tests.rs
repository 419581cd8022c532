//! Tests that a person gets at most a full bucket and its refill in a span of time, and at most their calls of a day.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

const T0: i64 = 1_795_345_402_005;
const DAY_MS: i64 = 86_400_000;

fn at(ms: i64) -> Time {
    Time::from_millis(T0 + ms)
}

fn rules() -> PersonRules {
    PersonRules {
        burst: 5,
        percent: 10,
        limits: Limits::default(),
        daily_quota: 10_000,
        timing: Timing::default(),
    }
}

const ASKS: [PersonAsk; 6] = [
    PersonAsk::IdentitySession,
    PersonAsk::Challenge,
    PersonAsk::PatientWrite,
    PersonAsk::Record,
    PersonAsk::Link,
    PersonAsk::LogPage,
];

/// Makes the same request until it is refused. Returns the number of requests that succeeded, and the shares after
/// them.
fn drain(mut shares: PersonShares, ask: PersonAsk, rules: &PersonRules, now: Time) -> (u32, PersonShares) {
    let mut served = 0;
    while let Ok(next) = shares.take(ask, rules, now) {
        (shares, served) = (next, served + 1);
        assert!(served < 1000, "{ask:?} has no end");
    }
    (served, shares)
}

#[test]
fn person_gets_a_burst_and_a_tenth_of_the_shared_rate() {
    let rules = rules();
    let refills = ShareKind::ALL.map(|kind| rules.refill(kind).as_millis());
    // 60 s divided by 1.3, 1.3, 10.8, 1.8, 30 and 30 requests a minute.
    assert_eq!(refills, [46_154, 46_154, 5_556, 33_334, 2_000, 2_000]);
    for ask in ASKS {
        let (served, shares) = drain(PersonShares::default(), ask, &rules, at(0));
        assert_eq!(served, rules.burst(ask.kind()), "{ask:?}");
        let refused = shares.take(ask, &rules, at(0)).unwrap_err();
        let refill = rules.refill(ask.kind());
        assert_eq!(refused.retry_at, at(0).plus(refill), "{ask:?}");
        assert_eq!(
            (refused.allowance.left, refused.allowance.reset),
            (0, refill),
            "{ask:?}"
        );
        assert!(
            shares
                .take(ask, &rules, refused.retry_at.minus(Duration::from_millis(1)))
                .is_err()
        );
        assert!(shares.take(ask, &rules, refused.retry_at).is_ok(), "{ask:?}");
    }
}

#[test]
fn buckets_of_a_person_are_independent_and_sessions_share_one() {
    let rules = rules();
    let (_, shares) = drain(PersonShares::default(), PersonAsk::IdentitySession, &rules, at(0));
    assert!(shares.take(PersonAsk::Challenge, &rules, at(0)).is_err());
    for other in [
        PersonAsk::PatientWrite,
        PersonAsk::Record,
        PersonAsk::Link,
        PersonAsk::LogPage,
    ] {
        assert!(shares.take(other, &rules, at(0)).is_ok(), "{other:?}");
    }
}

/// A request is charged when it is made, by the calls that it normally causes. A link causes none.
#[test]
fn calls_of_a_day_are_limited_and_reset_at_midnight() {
    let rules = PersonRules {
        burst: 100,
        daily_quota: 500,
        ..rules()
    };
    assert_eq!(rules.day_calls(), 50);
    assert_eq!(
        PersonRules {
            daily_quota: 60,
            ..rules
        }
        .day_calls(),
        DAY_CALLS_MIN
    );
    let (served, shares) = drain(PersonShares::default(), PersonAsk::Challenge, &rules, at(0));
    assert_eq!((served, shares.calls), (12, 48));
    let refused = shares.take(PersonAsk::Challenge, &rules, at(0)).unwrap_err();
    assert_eq!((refused.allowance.share, refused.allowance.quota), (ShareName::Day, 50));
    assert_eq!(refused.retry_at, midnight_after(at(0)));
    assert!(shares.take(PersonAsk::Record, &rules, at(0)).is_ok());
    assert!(shares.take(PersonAsk::Link, &rules, at(0)).is_ok());
    let tomorrow = shares.take(PersonAsk::Challenge, &rules, at(DAY_MS)).unwrap();
    assert_eq!(tomorrow.calls, 4);
}

#[test]
fn returned_share_restores_bucket_and_count() {
    let rules = rules();
    for ask in ASKS {
        let before = PersonShares::default().take(ask, &rules, at(0)).unwrap();
        let taken = before.take(ask, &rules, at(1)).unwrap();
        let back = taken.give_back(ask, &rules, at(2));
        assert_eq!(
            (back.full_at(ask.kind()), back.calls),
            (before.full_at(ask.kind()), before.calls)
        );
        // A charge of yesterday is not taken out of today's count.
        assert_eq!(taken.give_back(ask, &rules, at(DAY_MS)).calls, taken.calls);
    }
}

#[test]
fn item_is_kept_until_every_bucket_is_full_again() {
    let slowest = PersonRules {
        burst: 100,
        percent: 1,
        limits: Limits::parse("identity=2,patient=2").unwrap(),
        ..rules()
    };
    let (served, shares) = drain(PersonShares::default(), PersonAsk::IdentitySession, &slowest, at(0));
    assert_eq!(served, 100);
    assert!(shares.full_at(ShareKind::Identity).unwrap() <= slowest.expires_at(at(0)));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(11),
        ..ProptestConfig::default()
    })]

    #[test]
    fn person_never_takes_more_than_their_share(
        burst in 1..20_u32,
        percent in 1..=100_u32,
        scale in prop_oneof![Just(1_u32), 2..60_u32],
        asks in prop::collection::vec((0..ASKS.len(), prop_oneof![Just(0), 0..500_i64, 0..90_000_i64]), 1..200),
    ) {
        let rules = PersonRules { burst, percent, timing: Timing::scaled(scale), ..rules() };
        let (mut shares, mut now, mut served) = (PersonShares::default(), 0, Vec::new());
        for (ask, gap) in asks {
            now += gap / i64::from(scale);
            let ask = ASKS[ask];
            let left = shares.allowance(ask.kind(), &rules, at(now)).left;
            match shares.take(ask, &rules, at(now)) {
                Ok(next) => {
                    prop_assert!(left > 0 && next.allowance(ask.kind(), &rules, at(now)).left == left - 1);
                    served.push((ask, now));
                    shares = next;
                }
                Err(refused) => {
                    prop_assert!(refused.retry_at > at(now));
                    prop_assert!(shares.take(ask, &rules, refused.retry_at).is_ok());
                }
            }
        }
        for kind in ShareKind::ALL {
            let times: Vec<i64> = served.iter().filter(|(ask, _)| ask.kind() == kind).map(|(_, now)| *now).collect();
            let refill = i64::try_from(rules.refill(kind).as_millis()).unwrap();
            for (index, first) in times.iter().enumerate() {
                for (more, last) in times[index..].iter().enumerate() {
                    prop_assert!((more as i64) < i64::from(rules.burst(kind)) + (last - first) / refill);
                }
            }
        }
    }
}
