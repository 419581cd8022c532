//! Several measurements of one thing.

use serde::Serialize;

/// Median and range of measurements of one thing, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the measurements are not above it.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one measurement; `None` without any.
    pub fn of(measurements: &[f64]) -> Option<Self> {
        Some(Self {
            median: quantile(measurements, 0.5)?,
            min: quantile(measurements, 0.0)?,
            max: quantile(measurements, 1.0)?,
        })
    }
}

/// The measurement that the share `q` (0 to 1) of all of them does not exceed.
pub fn quantile(measurements: &[f64], q: f64) -> Option<f64> {
    let mut sorted = measurements.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = ((sorted.len().saturating_sub(1)) as f64 * q.clamp(0.0, 1.0)).round() as usize;
    sorted.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_a_measurement() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (3.0, 1.0, 4.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn quantiles_are_measurements() {
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
    }
}
