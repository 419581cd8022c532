//! National Provider Identifiers.

use serde::Serialize;

/// A National Provider Identifier: ten digits, the last one a check digit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Npi(String);

/// A text that is not an NPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an NPI has ten digits, and the last must be the right check digit")]
pub struct NpiError;

impl Npi {
    /// Checks the digits.
    ///
    /// # Errors
    /// When the text is not ten digits, or the check digit is wrong.
    pub fn parse(text: &str) -> Result<Self, NpiError> {
        let ten_digits = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
        if ten_digits && luhn(text).is_multiple_of(10) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NpiError)
        }
    }

    /// The ten digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The Luhn sum of the digits with the prefix `80840` (CMS, "Requirements for National Provider Identifier and NPI
/// Check Digit"). The prefix adds 24.
fn luhn(digits: &str) -> u32 {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(doubled_if_odd)
        .sum();
    sum + 24
}

fn doubled_if_odd((position, digit): (usize, u32)) -> u32 {
    let weighed = if position % 2 == 1 { digit * 2 } else { digit };
    if weighed > 9 { weighed - 9 } else { weighed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npi_with_a_wrong_check_digit_is_refused() {
        assert_eq!(Npi::parse("1234567893").unwrap().as_str(), "1234567893");
        for bad in ["1234567891", "123456789", "12345678930", "123456789x", ""] {
            assert_eq!(Npi::parse(bad), Err(NpiError), "{bad}");
        }
    }
}
