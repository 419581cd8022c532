//! US addresses, as Metriport accepts them.

use serde::{Deserialize, Serialize};

use super::text::{TEXT, line, text, trim};
use crate::domain::input::{Faults, Input};

/// A US address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    address_line1: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address_line2: Option<String>,
    city: String,
    state: String,
    zip: String,
    country: String,
}

impl Address {
    pub(super) fn read(input: &Input<'_>, faults: &mut Faults) -> Option<Self> {
        const KNOWN: [&str; 6] = ["addressLine1", "addressLine2", "city", "state", "zip", "country"];
        const LINE: &str = "a text of up to 200 characters, without control or invisible characters";
        let fields = input.fields(&KNOWN, faults)?;
        let address_line1 = fields.required("addressLine1", TEXT, faults, text);
        let address_line2 = fields.optional("addressLine2", LINE, faults, line);
        let city = fields.required("city", TEXT, faults, text);
        let state = fields.required("state", "the code of a US state, D.C. or a US territory", faults, state);
        let zip = fields.required("zip", "a real ZIP code of five digits", faults, zip);
        let country = |input: &Input<'_>| input.text().filter(|text| text == COUNTRY);
        fields.optional("country", "USA, if given", faults, country);
        Some(Self {
            address_line1: address_line1?,
            address_line2: address_line2.filter(|line| !line.is_empty()),
            city: city?,
            state: state?,
            zip: zip?,
            country: COUNTRY.to_owned(),
        })
    }
}

fn state(input: &Input<'_>) -> Option<String> {
    let state = trim(&input.text()?).to_ascii_uppercase();
    STATES.contains(&state.as_str()).then_some(state)
}

fn zip(input: &Input<'_>) -> Option<String> {
    let text = input.text()?;
    let zip = trim(&text);
    let digits = zip.len() == 5 && zip.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !PLACEHOLDER_ZIPS.contains(&zip)).then(|| zip.to_owned())
}

const COUNTRY: &str = "USA";

/// ZIP codes that Metriport refuses as placeholders.
const PLACEHOLDER_ZIPS: [&str; 13] = [
    "00000", "99999", "10000", "20000", "30000", "40000", "50000", "60000", "70000", "80000", "90000", "12345", "54321",
];

/// The states, the district and the territories that Metriport accepts. Metriport refuses further codes of USPS
/// (Publication 28, appendix B): the Northern Marianas, the freely associated states and the armed forces.
const STATES: [&str; 55] = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA",
    "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR",
    "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "AS", "GU", "PR", "VI",
];
