//! Days, shards and blinds of the access log.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::LogHash;
use crate::domain::time::is_calendar_date;
use crate::domain::{OwnerId, Time, Timing};

const DATE_MILLIS: i64 = 86_400_000;

/// A day of the log: a date in UTC, `2026-11-25`. The scale of the time ([`Timing`]) divides the day as it divides
/// every duration: with scale 24, `2026-11-25.7of24` is the hour that begins at 07:00.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogDay {
    /// Days of the log in one date.
    per_date: u32,
    /// Days of the log since the beginning of 1970.
    number: i64,
}

/// The text is not a day of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a day like 2026-11-25")]
pub struct LogDayError;

impl LogDay {
    /// The day of a point in time.
    #[must_use]
    pub fn of(time: Time, timing: Timing) -> Self {
        Self::divided(time, timing.scale())
    }

    fn divided(time: Time, per_date: u32) -> Self {
        let scaled = time.millis().saturating_mul(i64::from(per_date));
        Self {
            per_date,
            number: scaled.div_euclid(DATE_MILLIS),
        }
    }

    /// Reads the text of a day.
    ///
    /// # Errors
    /// Fails if the text is not exactly the one that [`fmt::Display`] gives.
    pub fn parse(text: &str) -> Result<Self, LogDayError> {
        let (date, part) = text.split_once('.').unwrap_or((text, "0of1"));
        let read = || {
            let (part, per_date) = part.split_once("of")?;
            let per_date: u32 = per_date.parse().ok().filter(|per_date| *per_date > 0)?;
            let midnight = is_calendar_date(date).then(|| Time::parse(&format!("{date}T00:00:00Z")))?;
            let first = Self::divided(midnight.ok()?, per_date);
            let number = first.number.checked_add(part.parse().ok()?)?;
            Some(Self { per_date, number })
        };
        read().filter(|day| day.to_string() == text).ok_or(LogDayError)
    }

    /// The day after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            per_date: self.per_date,
            number: self.number.saturating_add(1),
        }
    }

    /// The day before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        self.minus(1)
    }

    /// The day that many days before this one.
    #[must_use]
    pub const fn minus(self, days: i64) -> Self {
        Self {
            per_date: self.per_date,
            number: self.number.saturating_sub(days),
        }
    }

    /// The first day whose entries are certainly still kept, if this is today and entries stay for so many days.
    #[must_use]
    pub const fn first_kept(self, retention_days: u16) -> Self {
        self.minus(retention_days as i64 - 1)
    }

    /// The last day that ended before `time`.
    #[must_use]
    pub fn ended_before(time: Time, timing: Timing) -> Self {
        Self::of(time, timing).previous()
    }

    /// The first millisecond of the day.
    #[must_use]
    pub fn begin(self) -> Time {
        let per_date = i64::from(self.per_date.max(1));
        let first = self.number.saturating_mul(DATE_MILLIS).saturating_add(per_date - 1);
        Time::from_millis(first.div_euclid(per_date))
    }

    /// Whether both days have the same length. Days of different lengths have no common order.
    #[must_use]
    pub const fn is_as_long_as(self, other: Self) -> bool {
        self.per_date == other.per_date
    }

    /// Days from this one until `later`, which has the same length; negative if `later` is earlier.
    #[must_use]
    pub const fn days_to(self, later: Self) -> i64 {
        later.number.saturating_sub(self.number)
    }

    /// The text of the day with a padded part, so that the order of texts is the order of days.
    #[must_use]
    pub fn sortable(self) -> String {
        let text = self.to_string();
        match text
            .split_once('.')
            .and_then(|(date, part)| Some((date, part.split_once("of")?)))
        {
            Some((date, (part, parts))) => format!("{date}.{part:0>10}of{parts}"),
            None => text,
        }
    }

    /// Reads the text that [`LogDay::sortable`] gives.
    ///
    /// # Errors
    /// Fails if the text is another one.
    pub fn parse_sortable(text: &str) -> Result<Self, LogDayError> {
        let unpadded = match text
            .split_once('.')
            .and_then(|(date, part)| Some((date, part.split_once("of")?)))
        {
            Some((date, (part, parts))) => {
                let part: u32 = part.parse().map_err(|_not_a_number| LogDayError)?;
                format!("{date}.{part}of{parts}")
            }
            None => text.to_owned(),
        };
        Self::parse(&unpadded)
            .ok()
            .filter(|day| day.sortable() == text)
            .ok_or(LogDayError)
    }

    /// Days from this one until the day of `time`, which has the same length.
    #[must_use]
    pub fn days_until(self, time: Time) -> i64 {
        Self::divided(time, self.per_date).number.saturating_sub(self.number)
    }
}

impl fmt::Display for LogDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_date = i64::from(self.per_date.max(1));
        let midnight = self.number.div_euclid(per_date).saturating_mul(DATE_MILLIS);
        f.write_str(&Time::from_millis(midnight).date())?;
        match self.per_date {
            0 | 1 => Ok(()),
            parts => write!(f, ".{}of{parts}", self.number.rem_euclid(per_date)),
        }
    }
}

impl fmt::Debug for LogDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for LogDay {
    type Error = LogDayError;

    fn try_from(text: String) -> Result<Self, LogDayError> {
        Self::parse(&text)
    }
}

impl From<LogDay> for String {
    fn from(day: LogDay) -> Self {
        day.to_string()
    }
}

/// The shard of a person, from 0 to 15: the first hex digit of the owner id's SHA-256 hash. All entries of a person
/// have one shard, which makes the person's day one leaf.
#[must_use]
pub fn shard(owner: &OwnerId) -> u8 {
    let hash = LogHash::of(&[owner.as_str().as_bytes()]);
    let [first, ..] = hash.as_bytes();
    first >> 4
}

/// The name of a person in the tree of one day. Only a reader who knows the owner id can tell whose name it is, or
/// relate the names of two days.
#[must_use]
pub fn blind(owner: &OwnerId, day: LogDay) -> LogHash {
    let (owner, day) = (owner.as_str().as_bytes(), day.to_string());
    LogHash::of(&[b"ias-blind-v1\n", owner, b"\n", day.as_bytes()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(time: &str, scale: u32) -> LogDay {
        LogDay::of(Time::parse(time).unwrap(), Timing::scaled(scale))
    }

    #[test]
    fn day_is_the_date_in_utc() {
        let last = day("2026-11-30T23:59:59.999Z", 1);
        assert_eq!(last.to_string(), "2026-11-30");
        assert_eq!(last.next().to_string(), "2026-12-01");
        assert_eq!(last.next(), day("2026-12-01T01:00:00+01:00", 1));
        assert_eq!(last.days_until(Time::parse("2026-12-03T12:00:00Z").unwrap()), 3);
    }

    #[test]
    fn scale_divides_the_day() {
        let last = day("2026-11-30T23:59:59.999Z", 24);
        assert_eq!(last.to_string(), "2026-11-30.23of24");
        assert_eq!(last.next().to_string(), "2026-12-01.0of24");
        assert_eq!(last.days_until(Time::parse("2026-12-01T02:30:00Z").unwrap()), 3);
    }

    #[test]
    fn text_that_no_day_has_is_refused() {
        for text in [
            "",
            "2026-11-31",
            "2026-1-1",
            "20261125",
            "2026-11-25T00:00:00Z",
            "2026-11-25.0of1",
            "2026-11-25.24of24",
            "2026-11-25.-1of24",
            "2026-11-25.07of24",
            "2026-11-25.+7of24",
            "2026-11-25.7of0",
            "2026-11-25.7",
        ] {
            assert_eq!(LogDay::parse(text), Err(LogDayError), "{text}");
        }
    }

    #[test]
    fn texts_of_keys_have_the_order_of_their_days() {
        let sortable = |time, scale| day(time, scale).sortable();
        assert_eq!(sortable("2026-11-25T07:00:00Z", 1), "2026-11-25");
        let hours = ["2026-11-25T02:00:00Z", "2026-11-25T10:00:00Z"].map(|time| sortable(time, 24));
        assert_eq!(hours[0], "2026-11-25.0000000002of24");
        assert!(hours[0] < hours[1]);
        for other in ["2026-11-25.2of24", "2026-11-25.00000000024of24", "2026-11-25.", "seal"] {
            assert_eq!(LogDay::parse_sortable(other), Err(LogDayError), "{other}");
        }
    }

    /// Known answers, computed with Python's `hashlib`.
    #[test]
    fn shard_and_blind_match_known_answers() {
        let owner = OwnerId::parse("v1.nora").unwrap();
        assert_eq!(shard(&owner), 0x1);
        assert_eq!(
            blind(&owner, LogDay::parse("2026-11-25").unwrap()).to_string(),
            "cc97f970b4db242880efeffa767e1941e48142724257ef0072719682a0f1357b"
        );
    }

    proptest! {
        #[test]
        fn text_of_a_day_is_read_back(millis in -60_000_000_000_000_i64..200_000_000_000_000, scale in 1_u32..10_000) {
            let day = LogDay::of(Time::from_millis(millis), Timing::scaled(scale));
            prop_assert_eq!(LogDay::parse(&day.to_string()), Ok(day));
            prop_assert_eq!(day.days_until(Time::from_millis(millis)), 0);
            prop_assert!(day < day.next());
            prop_assert_eq!(day.next().previous(), day);
            prop_assert_eq!(LogDay::parse_sortable(&day.sortable()), Ok(day));
            prop_assert!(day.sortable() < day.next().sortable());
            let timing = Timing::scaled(scale);
            prop_assert_eq!(LogDay::of(day.begin(), timing), day);
            prop_assert_eq!(LogDay::of(day.begin().minus(std::time::Duration::from_millis(1)), timing), day.previous());
        }
    }
}
