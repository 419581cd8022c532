//! Who the person says they are: parsed and checked before anything goes upstream.
//!
//! The rules are those Metriport applies (docs.metriport.com, page `patient/create-patient`, and the validators of the
//! published `@metriport/api-sdk`), so that a refusal reaches the app with a field name rather than as an upstream
//! error. One is stricter: Individual Access needs an e-mail address or a phone number.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Time;

/// Most addresses, and most contacts, of a person. More are not looked at: each could be wrong in several ways, and the
/// refusal would outgrow the request many times.
const ENTRIES_MAX: usize = 10;

/// A field that is wrong, as a JSON pointer, and what is expected. Never quotes the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// RFC 6901 pointer into the request body.
    pub pointer: String,
    /// What is expected there.
    pub detail: &'static str,
}

fn error(pointer: impl Into<String>, detail: &'static str) -> FieldError {
    FieldError {
        pointer: pointer.into(),
        detail,
    }
}

/// The body of `PUT /v1/patient`, unchecked. Field names are Metriport's. A missing field reads as an empty one, so
/// that everything that is wrong is reported at once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DemographicsInput {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    dob: String,
    #[serde(default)]
    gender_at_birth: String,
    #[serde(default)]
    address: Option<OneOrMany<AddressInput>>,
    #[serde(default)]
    contact: Option<OneOrMany<ContactInput>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(items) => items,
            Self::One(item) => vec![item],
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AddressInput {
    #[serde(default)]
    address_line1: String,
    #[serde(default)]
    address_line2: Option<String>,
    #[serde(default)]
    city: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    zip: String,
    #[serde(default)]
    country: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContactInput {
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

/// Checked demographics, in Metriport's normal form. `Debug` shows nothing.
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

/// A phone number of ten digits, an e-mail address, or both.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl fmt::Debug for Demographics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[demographics]")
    }
}

impl Demographics {
    /// Checks every field and reports all that are wrong at once.
    ///
    /// # Errors
    /// One [`FieldError`] for each field that Metriport would refuse, or that Individual Access needs.
    pub fn parse(input: DemographicsInput, now: Time) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let first_name = non_empty(&input.first_name, "/firstName", &mut errors);
        let last_name = non_empty(&input.last_name, "/lastName", &mut errors);
        let dob = birth_date(&input.dob, now, &mut errors);
        let gender_at_birth = gender(&input.gender_at_birth, &mut errors);
        let address = addresses(input.address.map(OneOrMany::into_vec).unwrap_or_default(), &mut errors);
        let contact = contacts(input.contact.map(OneOrMany::into_vec).unwrap_or_default(), &mut errors);
        if errors.is_empty() {
            Ok(Self {
                first_name,
                last_name,
                dob,
                gender_at_birth,
                address,
                contact,
            })
        } else {
            Err(errors)
        }
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

    /// One unambiguous byte string for equal demographics, to be hashed with a key.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn non_empty(text: &str, pointer: &str, errors: &mut Vec<FieldError>) -> String {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.chars().count() > 200 || trimmed.chars().any(char::is_control) {
        errors.push(error(pointer, "a text of 1 to 200 characters"));
    }
    trimmed.to_owned()
}

fn birth_date(text: &str, now: Time, errors: &mut Vec<FieldError>) -> String {
    let plausible = text.len() == 10
        && text.parse::<jiff::civil::Date>().is_ok_and(|date| date.year() >= 1900)
        && text <= now.date().as_str();
    if !plausible {
        errors.push(error("/dob", "a date YYYY-MM-DD from 1900 on, not in the future"));
    }
    text.to_owned()
}

fn gender(text: &str, errors: &mut Vec<FieldError>) -> Gender {
    match text {
        "F" => Gender::F,
        "M" => Gender::M,
        "O" => Gender::O,
        "U" => Gender::U,
        _ => {
            errors.push(error("/genderAtBirth", "one of F, M, O, U"));
            Gender::U
        }
    }
}

fn addresses(input: Vec<AddressInput>, errors: &mut Vec<FieldError>) -> Vec<Address> {
    if input.is_empty() || input.len() > ENTRIES_MAX {
        errors.push(error("/address", "one to ten addresses, the primary one first"));
    }
    input
        .into_iter()
        .take(ENTRIES_MAX)
        .enumerate()
        .map(|(index, address)| parse_address(index, &address, errors))
        .collect()
}

fn parse_address(index: usize, input: &AddressInput, errors: &mut Vec<FieldError>) -> Address {
    let at = |field: &str| format!("/address/{index}/{field}");
    let state = input.state.trim().to_ascii_uppercase();
    if !STATES.contains(&state.as_str()) {
        errors.push(error(at("state"), "a US state, district or territory code"));
    }
    let zip: String = input.zip.chars().filter(char::is_ascii_digit).collect();
    if zip.len() != 5 || PLACEHOLDER_ZIPS.contains(&zip.as_str()) {
        errors.push(error(at("zip"), "a real ZIP code of five digits"));
    }
    if input.country.as_deref().is_some_and(|country| country != "USA") {
        errors.push(error(at("country"), "USA, or nothing"));
    }
    let line2 = input
        .address_line2
        .as_deref()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    Address {
        address_line1: non_empty(&input.address_line1, &at("addressLine1"), errors),
        address_line2: line2.map(|line| non_empty(line, &at("addressLine2"), errors)),
        city: non_empty(&input.city, &at("city"), errors),
        state,
        zip,
        country: "USA".to_owned(),
    }
}

fn contacts(input: Vec<ContactInput>, errors: &mut Vec<FieldError>) -> Vec<Contact> {
    if input.is_empty() || input.len() > ENTRIES_MAX {
        errors.push(error(
            "/contact",
            "one to ten contacts: Individual Access needs an e-mail address or a phone number",
        ));
    }
    input
        .into_iter()
        .take(ENTRIES_MAX)
        .enumerate()
        .map(|(index, contact)| parse_contact(index, &contact, errors))
        .collect()
}

fn parse_contact(index: usize, input: &ContactInput, errors: &mut Vec<FieldError>) -> Contact {
    let filled = |text: &Option<String>| {
        text.as_deref()
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    };
    let (phone, email) = (filled(&input.phone), filled(&input.email));
    if phone.is_none() && email.is_none() {
        errors.push(error(
            format!("/contact/{index}"),
            "an e-mail address or a phone number",
        ));
    }
    let phone = phone.map(|phone| ten_digits(&phone));
    if phone.as_ref().is_some_and(|phone| phone.len() != 10) {
        errors.push(error(
            format!("/contact/{index}/phone"),
            "a US phone number of ten digits",
        ));
    }
    if email.as_deref().is_some_and(|email| !is_email(email)) {
        errors.push(error(format!("/contact/{index}/email"), "an e-mail address"));
    }
    Contact { phone, email }
}

fn ten_digits(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix('1') {
        Some(rest) if digits.len() == 11 => rest.to_owned(),
        _ => digits,
    }
}

/// The shape of an address; whether it exists is for a confirmation mail to find out.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let clean = text.len() <= 254 && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let dotted = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    clean && dotted && !local.is_empty() && !local.contains('@') && !text.starts_with("+1")
}

/// ZIP codes that Metriport refuses as placeholders.
const PLACEHOLDER_ZIPS: [&str; 13] = [
    "00000", "99999", "10000", "20000", "30000", "40000", "50000", "60000", "70000", "80000", "90000", "12345", "54321",
];

/// USPS codes of states, the district and the territories (Publication 28, appendix B).
const STATES: [&str; 59] = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA",
    "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR",
    "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "AS", "FM", "GU", "MH", "MP", "PW",
    "PR", "VI",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn nora() -> Value {
        json!({
            "firstName": " Nora ", "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F",
            "address": [{"addressLine1": "77 Birch Ln", "city": "Dayton", "state": "oh", "zip": "45402"}],
            "contact": [{"phone": "+1 (937) 555-0142", "email": "nora.quill@example.test"}]
        })
    }

    fn parse(value: Value) -> Result<Demographics, Vec<String>> {
        let input: DemographicsInput = serde_json::from_value(value).map_err(|error| vec![error.to_string()])?;
        let now = Time::parse("2026-11-22T00:00:00Z").unwrap();
        Demographics::parse(input, now).map_err(|errors| errors.into_iter().map(|e| e.pointer).collect())
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut body = nora();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    }

    #[test]
    fn normalises_as_metriport_does() {
        let json = serde_json::to_value(parse(nora()).unwrap()).unwrap();
        assert_eq!(json["firstName"], "Nora");
        assert_eq!(json["address"][0]["state"], "OH");
        assert_eq!(json["address"][0]["country"], "USA");
        assert_eq!(json["contact"][0]["phone"], "9375550142");
        let single = with("/address", nora()["address"][0].clone());
        assert_eq!(parse(single).unwrap(), parse(nora()).unwrap());
    }

    #[test]
    fn what_is_wrong_with_many_entries_is_told_of_a_few() {
        for list in ["/address", "/contact"] {
            let refused = parse(with(list, Value::Array(vec![json!({}); 100_000]))).unwrap_err();
            assert!(
                refused.contains(&list.to_owned()) && refused.len() <= 1 + 4 * ENTRIES_MAX,
                "{list}"
            );
        }
    }

    #[test]
    fn refuses_field_by_field() {
        let cases = [
            ("/firstName", json!("  ")),
            ("/dob", json!("1984-7-19")),
            ("/dob", json!("1899-12-31")),
            ("/dob", json!("2026-11-23")),
            ("/dob", json!("1984-02-30")),
            ("/genderAtBirth", json!("female")),
            ("/address/0/state", json!("ZZ")),
            ("/address/0/zip", json!("12345")),
            ("/address/0/zip", json!("45402-1234")),
            ("/contact/0/phone", json!("555-0142")),
            ("/contact/0/email", json!("nora at example")),
        ];
        for (pointer, value) in cases {
            assert_eq!(parse(with(pointer, value)).unwrap_err(), vec![pointer.to_owned()]);
        }
        assert_eq!(parse(with("/address", json!([]))).unwrap_err(), ["/address"]);
        assert_eq!(parse(with("/contact", json!([]))).unwrap_err(), ["/contact"]);
        assert_eq!(parse(with("/contact/0", json!({}))).unwrap_err(), ["/contact/0"]);
    }

    #[test]
    fn reports_all_errors_and_no_value() {
        let mut body = with("/dob", json!("CANARY"));
        body["genderAtBirth"] = json!("CANARY");
        let input: DemographicsInput = serde_json::from_value(body).unwrap();
        let errors = Demographics::parse(input, Time::default()).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(!format!("{errors:?}").contains("CANARY"));
        assert_eq!(format!("{:?}", parse(nora()).unwrap()), "[demographics]");
    }
}
