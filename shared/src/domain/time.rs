//! Points in time: milliseconds since the Unix epoch, UTC.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since the Unix epoch. It is stored as a number and shown as ISO 8601 with
/// milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Time(i64);

impl Time {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded up. DynamoDB's TTL has this unit.
    #[must_use]
    pub const fn seconds_ceil(self) -> i64 {
        self.0.div_euclid(1000) + (self.0.rem_euclid(1000) > 0) as i64
    }

    /// The time `span` later, or the latest possible time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// The time `span` earlier, or the earliest possible time.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// The span until `later`; zero if `later` is not after `self`.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// Reads ISO 8601 / RFC 3339 with an offset.
    ///
    /// # Errors
    /// Fails if the text is not such a timestamp. The error does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        match text.parse::<jiff::Timestamp>() {
            Ok(timestamp) => Ok(Self(timestamp.as_millisecond())),
            Err(_not_a_timestamp) => Err(TimeError),
        }
    }

    /// The calendar date in UTC, `YYYY-MM-DD`.
    #[must_use]
    pub fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

/// For `#[serde(with = "iso")]`: writes a point in time as ISO 8601 text instead of a number.
pub(crate) mod iso {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Time;

    pub(crate) fn serialize<S: Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        Time::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Whether the text is a calendar date in exactly the form `YYYY-MM-DD`.
#[must_use]
pub(crate) fn is_calendar_date(text: &str) -> bool {
    let date = text.parse::<jiff::civil::Date>();
    date.is_ok_and(|date| date.to_string() == text)
}

/// The text is not a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 8601 timestamp")]
pub struct TimeError;

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_beyond_the_calendar) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_iso_with_milliseconds() {
        let time = Time::parse("2026-11-22T10:03:22Z").unwrap();
        assert_eq!(time.to_string(), "2026-11-22T10:03:22.000Z");
        assert_eq!(time.date(), "2026-11-22");
        assert_eq!(
            time.plus(Duration::from_millis(5)).to_string(),
            "2026-11-22T10:03:22.005Z"
        );
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(
            Time::from_millis(i64::MAX).plus(Duration::from_secs(9)).millis(),
            i64::MAX
        );
        assert_eq!(Time::from_millis(10).until(Time::from_millis(4)), Duration::ZERO);
        assert_eq!(Time::from_millis(1001).seconds_ceil(), 2);
    }
}
