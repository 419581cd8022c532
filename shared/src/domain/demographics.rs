//! Demographics as the person states them, checked before any call to Metriport.
//!
//! The rules are Metriport's (docs.metriport.com, page `patient/create-patient`, and `patientCreateSchema` of the
//! published `@metriport/api-sdk`). They are checked here so that a refusal can name the wrong field. Some rules are
//! stricter than Metriport's: Individual Access needs an e-mail address or a phone number, and names hold only visible
//! characters. `tests/interop/demographics` compares our rules with Metriport's, and lists the stricter ones with their
//! reasons.

mod address;
mod contact;
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::address::Address;
use self::contact::Contact;
pub use self::text::TEXT_CHARS_MAX;
use self::text::{TEXT, text, trim};
use super::Time;
use super::input::{self, Faults, Fields, Input, InputError};
use super::time::is_calendar_date;

/// Maximum number of a person's addresses, and also of contacts. Further entries are not read: each may have several
/// faults, and a refusal with all of them would be longer than the request.
const ENTRIES_MAX: usize = 10;

/// Checked demographics in Metriport's normal form. `Debug` hides them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demographics {
    first_name: String,
    last_name: String,
    dob: String,
    gender_at_birth: Gender,
    address: Vec<Address>,
    contact: Vec<Contact>,
}

/// Gender at birth as Metriport codes it: female, male, other, unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gender {
    /// Female.
    F,
    /// Male.
    M,
    /// Other.
    O,
    /// Unknown.
    U,
}

impl fmt::Debug for Demographics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[demographics]")
    }
}

impl Demographics {
    /// The names of the fields, which are Metriport's.
    pub const FIELDS: [&str; 6] = ["firstName", "lastName", "dob", "genderAtBirth", "address", "contact"];

    /// Reads demographics from JSON.
    ///
    /// # Errors
    /// Fails if the body is not JSON, has an unknown field, or if [`Demographics::of_fields`] notes a fault.
    pub fn parse(json: &[u8], now: Time) -> Result<Self, InputError> {
        input::read(json, |input, faults| {
            let fields = input.fields(&Self::FIELDS, faults)?;
            Self::of_fields(&fields, now, faults)
        })
    }

    /// Reads the fields of [`Demographics::FIELDS`]. Notes each that Metriport would refuse or that Individual Access
    /// cannot use.
    pub fn of_fields(fields: &Fields<'_>, now: Time, faults: &mut Faults) -> Option<Self> {
        const DOB: &str = "a date YYYY-MM-DD from 1900 on, not in the future";
        const ADDRESSES: &str = "one to ten addresses, the primary one first";
        const CONTACTS: &str = "one to ten contacts, each with an e-mail address, a phone number or both";
        let first_name = fields.required("firstName", TEXT, faults, text);
        let last_name = fields.required("lastName", TEXT, faults, text);
        let dob = fields.required("dob", DOB, faults, |input| birth_date(input, now));
        let gender_at_birth = fields.required("genderAtBirth", "one of F, M, O, U", faults, gender);
        let address = entries(fields, ("address", ADDRESSES), faults, Address::read);
        let contact = entries(fields, ("contact", CONTACTS), faults, Contact::read);
        Some(Self {
            first_name: first_name?,
            last_name: last_name?,
            dob: dob?,
            gender_at_birth: gender_at_birth?,
            address: address?,
            contact: contact?,
        })
    }

    /// Given name or names, as entered.
    #[must_use]
    pub fn first_name(&self) -> &str {
        &self.first_name
    }

    /// Family name or names, as entered.
    #[must_use]
    pub fn last_name(&self) -> &str {
        &self.last_name
    }

    /// Birth date, `YYYY-MM-DD`.
    #[must_use]
    pub fn dob(&self) -> &str {
        &self.dob
    }

    /// An unambiguous byte string, equal for equal demographics, to be hashed with a key.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// One entry, or an array of them.
fn entries<T>(
    fields: &Fields<'_>,
    (name, expected): (&str, &'static str),
    faults: &mut Faults,
    read: fn(&Input<'_>, &mut Faults) -> Option<T>,
) -> Option<Vec<T>> {
    let input = fields.get(name);
    let inputs = input.map(|input| input.items().unwrap_or_else(|| vec![input]));
    let inputs = inputs.unwrap_or_default();
    if inputs.is_empty() || inputs.len() > ENTRIES_MAX {
        faults.add(fields.at(name), expected);
    }
    let inputs = inputs.iter().take(ENTRIES_MAX);
    // All entries are read first, so that every fault is noted.
    let read: Vec<Option<T>> = inputs.map(|input| read(input, faults)).collect();
    read.into_iter().collect()
}

fn birth_date(input: &Input<'_>, now: Time) -> Option<String> {
    let text = input.text()?;
    let date = trim(&text);
    let plausible = is_calendar_date(date) && date >= "1900" && date <= now.date().as_str();
    plausible.then(|| date.to_owned())
}

fn gender(input: &Input<'_>) -> Option<Gender> {
    match input.text()?.as_str() {
        "F" => Some(Gender::F),
        "M" => Some(Gender::M),
        "O" => Some(Gender::O),
        "U" => Some(Gender::U),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
