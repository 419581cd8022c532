//! How the person's values move over the years: growth, weight, blood pressure, sugar and fat.
//!
//! Numbers are integers in the unit a function names, so that every machine computes the same bytes.

use jiff::civil::Date;

use super::chart::Chart;
use super::codes::{Ailment, DIABETES, HYPERLIPIDEMIA, HYPERTENSION};
use super::person::{Gender, Person};
use super::problems::Course;

/// Height by age in years, as thousandths of adult height; typical values of US growth charts (cdc.gov/growthcharts).
const HEIGHT_SHARE: [i64; 19] = [
    291, 442, 506, 558, 599, 640, 674, 709, 744, 773, 802, 837, 872, 907, 942, 965, 983, 994, 1000,
];
/// Body mass index by age in years, as thousandths of that at 18; same source.
const BMI_SHARE: [i64; 19] = [
    628, 791, 767, 744, 721, 712, 712, 721, 735, 753, 777, 805, 833, 860, 893, 926, 953, 977, 1000,
];

/// The person's constants, drawn once, and since when which problem is treated.
pub(super) struct Trends {
    height_mm: i64,
    bmi_tenths: i64,
    systolic: i64,
    hypertension: Option<Date>,
    diabetes: Option<Date>,
    hyperlipidemia: Option<Date>,
}

impl Trends {
    pub(super) fn draw(chart: &mut Chart, courses: &[Course]) -> Self {
        let onset = |ailment: Ailment| {
            let mut of = courses
                .iter()
                .filter(|course| course.problem.ailment.icd10.code == ailment.icd10.code);
            of.next().map(|course| course.onset)
        };
        let diabetes = onset(DIABETES);
        let (height_low, height_high) = match chart.person.gender {
            Gender::Female => (1550, 1740),
            Gender::Male => (1680, 1870),
            Gender::Other | Gender::Unknown => (1600, 1800),
        };
        Self {
            height_mm: chart.draw(height_low, height_high),
            bmi_tenths: if diabetes.is_some() {
                chart.draw(275, 325)
            } else {
                chart.draw(205, 255)
            },
            systolic: chart.draw(112, 122),
            hypertension: onset(HYPERTENSION),
            diabetes,
            hyperlipidemia: onset(HYPERLIPIDEMIA),
        }
    }

    /// Height in tenths of a centimetre.
    pub(super) fn height(&self, person: &Person, on: Date) -> i64 {
        self.height_mm * share(&HEIGHT_SHARE, person.age_months(on)) / 1000
    }

    /// Weight in tenths of a kilogram, with a little up and down.
    pub(super) fn weight(&self, chart: &mut Chart, on: Date) -> i64 {
        let height_mm = self.height(chart.person, on);
        let bmi_tenths = self.bmi_tenths * share(&BMI_SHARE, chart.person.age_months(on)) / 1000;
        let middle = bmi_tenths * height_mm * height_mm / 1_000_000;
        middle * chart.draw(985, 1015) / 1000
    }

    /// Systolic and diastolic pressure in mm[Hg].
    pub(super) fn pressure(&self, chart: &mut Chart, on: Date) -> (i64, i64) {
        let child = (18 - chart.person.age_years(on)).clamp(0, 15);
        let middle = course(self.hypertension, on, 148, 128, 12).unwrap_or(self.systolic - child * 3 / 2);
        let systolic = middle + chart.draw(-4, 4);
        (systolic, systolic * 62 / 100 + chart.draw(-3, 3))
    }

    /// Hemoglobin A1c in tenths of a percent.
    pub(super) fn a1c(&self, chart: &mut Chart, on: Date) -> i64 {
        around(chart, course(self.diabetes, on, 84, 68, 18), 2, (51, 55))
    }

    /// LDL cholesterol in mg/dL.
    pub(super) fn ldl(&self, chart: &mut Chart, on: Date) -> i64 {
        around(chart, course(self.hyperlipidemia, on, 164, 86, 12), 6, (78, 98))
    }

    /// Triglycerides in mg/dL.
    pub(super) fn triglycerides(&self, chart: &mut Chart, on: Date) -> i64 {
        around(chart, course(self.hyperlipidemia, on, 210, 135, 12), 12, (70, 130))
    }

    pub(super) fn is_diabetic(&self) -> bool {
        self.diabetes.is_some()
    }
}

/// The value of a treated problem: `found` up to the onset, then straight to `treated` within some months, and there.
/// `None` without the problem.
fn course(onset: Option<Date>, on: Date, found: i64, treated: i64, months: i64) -> Option<i64> {
    let onset = onset?;
    let month = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
    let passed = (month(on) - month(onset)).clamp(0, months);
    Some(found + (treated - found) * passed / months)
}

/// A value near the middle of a course or, without one, in the healthy range.
fn around(chart: &mut Chart, middle: Option<i64>, spread: i64, healthy: (i64, i64)) -> i64 {
    let (low, high) = middle.map_or(healthy, |middle| (middle - spread, middle + spread));
    chart.draw(low, high)
}

/// A table by year of age, read by month; ages beyond its end have its last value.
fn share(table: &[i64], age_months: i64) -> i64 {
    let at = |year: i64| {
        usize::try_from(year)
            .ok()
            .and_then(|year| table.get(year))
            .or(table.last())
            .copied()
    };
    let (year, month) = (age_months.div_euclid(12), age_months.rem_euclid(12));
    let (from, to) = (at(year).unwrap_or(1000), at(year + 1).unwrap_or(1000));
    from + (to - from) * month / 12
}
