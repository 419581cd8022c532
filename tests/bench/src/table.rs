//! What is printed, and written into the documentation.

use std::fmt;

use serde::Serialize;

use crate::spread::Spread;

/// A table of results.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Names the place in `docs/performance.md`: `cold`, `cold-limited`, `warm`, …
    pub name: &'static str,
    /// What was measured, how often, and on what.
    pub caption: String,
    /// Headings, with units.
    pub columns: Vec<&'static str>,
    /// One cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// Figures of "how fast it has to be" that this run misses, in words.
    pub breaches: Vec<String>,
}

/// One cell.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A count or a measurement, in the unit of its column.
    Number(f64),
    /// Several measurements, in the unit of their column.
    Spread(Spread),
    /// Nothing to show here.
    Nothing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Option<Spread>> for Cell {
    fn from(spread: Option<Spread>) -> Self {
        spread.map_or(Self::Nothing, Self::Spread)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Number(value) => f.pad(&number(*value)),
            Self::Spread(spread) => {
                let Spread { median, min, max } = spread;
                f.pad(&format!("{} ({}–{})", number(*median), number(*min), number(*max)))
            }
            Self::Nothing => f.pad(""),
        }
    }
}

/// Three digits that count, without an exponent.
fn number(value: f64) -> String {
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
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

impl Table {
    /// As Markdown: the caption, and under it the table.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = line(self.columns.iter().map(ToString::to_string).collect());
        let rule = format!("|---|{}\n", "--:|".repeat(self.columns.len().saturating_sub(1)));
        let rows: String = self
            .rows
            .iter()
            .map(|row| line(row.iter().map(ToString::to_string).collect()))
            .collect();
        format!("{}\n\n{head}{rule}{rows}", self.caption)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(ToString::to_string).collect())
            .collect();
        let width = |column: usize, heading: &str| {
            let cells = cells.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .max(heading.chars().count())
        };
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, name)| width(at, name))
            .collect();
        writeln!(f, "{}", self.caption)?;
        let heading = self.columns.iter().map(ToString::to_string).collect();
        for row in std::iter::once(&heading).chain(&cells) {
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if at == 0 {
                    write!(f, "{cell:width$}")?
                } else {
                    write!(f, "  {cell:>width$}")?
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
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
}
