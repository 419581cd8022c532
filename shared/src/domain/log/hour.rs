//! Hours of the access log. Lists of records leave one entry an hour for each app of a person.

use crate::domain::{Time, Timing};

const HOUR_MILLIS: i64 = 3_600_000;

impl Time {
    /// The beginning of this time's hour, in UTC. `TIME_SCALE` divides the hour and the day of the log alike, so an
    /// hour never lies in two days.
    #[must_use]
    pub fn log_hour(self, timing: Timing) -> Self {
        let per_hour = i64::from(timing.scale().max(1));
        let number = self.millis().saturating_mul(per_hour).div_euclid(HOUR_MILLIS);
        // The first millisecond of the hour: the quotient is rounded up.
        let first = number.saturating_mul(HOUR_MILLIS).saturating_add(per_hour - 1);
        Self::from_millis(first.div_euclid(per_hour))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::log::LogDay;

    #[test]
    fn hour_begins_at_its_first_millisecond() {
        let hour = |time, scale| {
            let time = Time::parse(time).unwrap().log_hour(Timing::scaled(scale));
            time.to_string()
        };
        assert_eq!(hour("2026-11-25T10:59:59.999Z", 1), "2026-11-25T10:00:00.000Z");
        assert_eq!(hour("2026-11-25T11:00:00.000Z", 1), "2026-11-25T11:00:00.000Z");
        assert_eq!(hour("2026-11-25T10:59:59.999Z", 60), "2026-11-25T10:59:00.000Z");
    }

    proptest! {
        #[test]
        fn hour_holds_its_time_and_lies_in_one_day(millis in 0_i64..200_000_000_000_000, scale in 1_u32..10_000) {
            let (time, timing) = (Time::from_millis(millis), Timing::scaled(scale));
            let hour = time.log_hour(timing);
            prop_assert!(hour <= time && hour.until(time).as_millis() <= u128::from(3_600_000 / scale));
            prop_assert_eq!(hour.log_hour(timing), hour);
            prop_assert_eq!(LogDay::of(hour, timing), LogDay::of(time, timing));
        }
    }
}
