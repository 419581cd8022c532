//! Whom a record is made up for.

use std::fmt;

use jiff::civil::Date;

/// The person a record is about, as the caller names them. Invented people only: nothing here is checked against
/// anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// `Patient.id`, which every resource of the record refers to (hl7.org/fhir/R4/datatypes.html#id: 1 to 64 of
    /// `A-Z a-z 0-9 - .`). The upstream uses its own patient id here.
    pub id: String,
    /// First name.
    pub given: String,
    /// Last name.
    pub family: String,
    /// Date of birth. Nothing in the record is older.
    pub birth_date: Date,
    /// Administrative gender.
    pub gender: Gender,
    /// Home address.
    pub address: Address,
    /// Phone number, any notation.
    pub phone: Option<String>,
    /// Mail address.
    pub email: Option<String>,
}

/// A postal address in the USA.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Street and number.
    pub line: String,
    /// City.
    pub city: String,
    /// Two-letter state code.
    pub state: String,
    /// ZIP code.
    pub zip: String,
}

/// FHIR administrative gender (hl7.org/fhir/R4/valueset-administrative-gender.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gender {
    /// `female`
    Female,
    /// `male`
    Male,
    /// `other`
    Other,
    /// `unknown`
    Unknown,
}

impl Gender {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

impl Person {
    /// Age in completed months on a day not before birth.
    pub(super) fn age_months(&self, on: Date) -> i64 {
        let months = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
        months(on) - months(self.birth_date) - i64::from(on.day() < self.birth_date.day())
    }

    /// Age in completed years on a day not before birth.
    pub(super) fn age_years(&self, on: Date) -> i64 {
        self.age_months(on).div_euclid(12)
    }
}

/// Names nobody.
impl fmt::Debug for Person {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("Person").finish_non_exhaustive()
    }
}

/// Names no place.
impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("Address").finish_non_exhaustive()
    }
}
