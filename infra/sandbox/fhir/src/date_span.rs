//! FHIR dates, which may name a day, a month or a year (hl7.org/fhir/R4/datatypes.html, `date` and `dateTime`).

use jiff::civil::Date;

/// The days that a FHIR `date` or `dateTime` covers, both ends inclusive: `2019-05` is 2019-05-01 to 2019-05-31.
///
/// The time-zone offset is ignored, because the written day is the day at the place of care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateSpan {
    /// First day.
    pub first: Date,
    /// Last day.
    pub last: Date,
}

impl DateSpan {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or a `dateTime` that begins with one of them; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let day = text.split_once('T').map_or(text, |(day, _)| day);
        let mut numbers = day.split('-');
        let year = digits(numbers.next()?, 4)?;
        let month = numbers.next().map(|text| digits(text, 2));
        let day = numbers.next().map(|text| digits(text, 2));
        if numbers.next().is_some() {
            return None;
        }
        match (month, day) {
            (None, _) => Some(Self {
                first: civil(year, 1, 1)?,
                last: civil(year, 12, 31)?,
            }),
            (Some(month), None) => {
                let first = civil(year, month?, 1)?;
                Some(Self {
                    first,
                    last: first.last_of_month(),
                })
            }
            (Some(month), Some(day)) => {
                let first = civil(year, month?, day?)?;
                Some(Self { first, last: first })
            }
        }
    }

    /// Whether a day of the span lies in the range. Both ends are inclusive, and `None` stands for no limit.
    pub fn overlaps(&self, from: Option<Date>, to: Option<Date>) -> bool {
        from.is_none_or(|from| self.last >= from) && to.is_none_or(|to| self.first <= to)
    }
}

fn digits(text: &str, width: usize) -> Option<i16> {
    let plain = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

fn civil(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::DateSpan;

    #[test]
    fn dates_of_each_precision_are_read() {
        let span = |first, last| Some(DateSpan { first, last });
        assert_eq!(DateSpan::parse("2019"), span(date(2019, 1, 1), date(2019, 12, 31)));
        assert_eq!(DateSpan::parse("2020-02"), span(date(2020, 2, 1), date(2020, 2, 29)));
        assert_eq!(
            DateSpan::parse("2020-02-29"),
            span(date(2020, 2, 29), date(2020, 2, 29))
        );
        assert_eq!(
            DateSpan::parse("2020-01-31T23:59:59-05:00"),
            span(date(2020, 1, 31), date(2020, 1, 31))
        );
    }

    #[test]
    fn text_that_is_not_a_date_is_refused() {
        for text in [
            "",
            "19",
            "2019-2",
            "2019-02-30",
            "2019-13",
            "2019-01-01-01",
            "+201-01-01",
            "soon",
            "2019-",
        ] {
            assert_eq!(DateSpan::parse(text), None, "{text}");
        }
    }

    #[test]
    fn overlap_includes_both_ends() {
        let may = DateSpan::parse("2019-05").unwrap();
        assert!(may.overlaps(Some(date(2019, 5, 31)), None));
        assert!(!may.overlaps(Some(date(2019, 6, 1)), None));
        assert!(may.overlaps(None, Some(date(2019, 5, 1))));
        assert!(!may.overlaps(None, Some(date(2019, 4, 30))));
        assert!(may.overlaps(None, None));
    }
}
