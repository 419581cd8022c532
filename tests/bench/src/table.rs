//! Tables of results as Markdown. They are printed, and written into `docs/performance.md` between two comments with
//! the table's name.

use std::fmt;
use std::fs;

use crate::{Problem, root};

#[derive(Debug, Default)]
pub struct Table {
    /// The name in the page's two comments around the table.
    pub name: &'static str,
    /// The measured subject, the number of measurements, and the conditions.
    pub caption: String,
    /// Headings with units, separated by ` | `.
    pub columns: &'static str,
    /// Rows, with cells separated by ` | `.
    pub rows: Vec<String>,
    /// Figures above their limits, in words.
    pub missed: Vec<String>,
}

impl Table {
    /// Adds a figure to `missed` if it exceeds its limit.
    pub fn hold(&mut self, what: &str, figure: f64, max: f64) {
        if figure > max {
            let figure = number(figure);
            self.missed
                .push(format!("{what}: {figure}, but at most {max} is allowed"));
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = "--:|".repeat(self.columns.matches(" | ").count());
        writeln!(f, "{}\n\n| {} |\n|---|{figures}", self.caption, self.columns)?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {row} |"))
    }
}

/// Median and range of measurements, in their unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The median; for an even number of measurements, the upper of the two in the middle.
    pub median: f64,
    min: f64,
    pub max: f64,
}

impl Spread {
    /// The spread of the measurements. Fails without a measurement.
    pub fn of(measurements: impl IntoIterator<Item = f64>) -> Result<Self, Problem> {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        match (sorted.get(sorted.len() / 2), sorted.as_slice()) {
            (Some(&median), &[min, .., max] | &[min @ max]) => Ok(Self { median, min, max }),
            _ => Err("there are no measurements".into()),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, min, max] = [self.median, self.min, self.max].map(number);
        write!(f, "{median} ({min}–{max})")
    }
}

/// Three significant digits, without an exponent.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.6}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// Puts the tables into docs/performance.md.
pub fn write(tables: &[Table]) -> Result<(), Problem> {
    let path = root().join("docs/performance.md");
    let mut page = fs::read_to_string(&path)?;
    for table in tables {
        page = with_text(&page, table.name, &table.to_string())
            .ok_or_else(|| format!("docs/performance.md has no place for the table `{}`", table.name))?;
    }
    Ok(fs::write(path, page)?)
}

fn with_text(page: &str, name: &str, text: &str) -> Option<String> {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&start)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{start}{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        for (value, text) in [
            (0.0, "0.00"),
            (0.000_012, "0.000012"),
            (1.754, "1.75"),
            (12.34, "12.3"),
            (985.4, "985"),
            (1_234_567.8, "1,234,568"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn median_of_an_even_number_is_a_measurement() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(spread.to_string(), "3.00 (1.00–4.00)");
        assert_eq!(Spread::of([7.0]).unwrap().to_string(), "7.00 (7.00–7.00)");
        assert!(Spread::of([]).is_err());
    }

    #[test]
    fn figure_above_its_limit_is_missed() {
        let mut table = Table::default();
        table.hold("init", 1.15, 1.15);
        assert!(table.missed.is_empty());
        table.hold("init", 1.16, 1.15);
        assert_eq!(table.missed, ["init: 1.16, but at most 1.15 is allowed"]);
    }

    #[test]
    fn new_table_replaces_only_the_old_one() {
        let page = "# A\n<!-- cold -->\n1 ms\n<!-- end of cold -->\n<!-- cost -->\n<!-- end of cost -->\n";
        let table = Table {
            columns: "function | init",
            rows: vec!["reconcile | 2 ms".to_owned()],
            ..Table::default()
        };
        let now = with_text(page, "cold", &table.to_string()).unwrap();
        let text = "\n\n| function | init |\n|---|--:|\n| reconcile | 2 ms |\n";
        assert_eq!(now, page.replace("1 ms\n", text));
        assert_eq!(with_text(page, "hot", "2 ms\n"), None);
    }
}
