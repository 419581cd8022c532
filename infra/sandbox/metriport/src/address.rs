//! US addresses and contacts, validated as Metriport's published SDK does.

use serde::Serialize;
use serde_json::Value;

use crate::demographics::trimmed;
use crate::envelope::Issues;

const STATES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY \
                      NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS FM GU MH MP PR PW UM VI AA AE AP";

/// Zips that are only ever typed to fill a form.
const PLACEHOLDER_ZIPS: [&str; 13] = [
    "00000", "99999", "10000", "20000", "30000", "40000", "50000", "60000", "70000", "80000", "90000", "12345", "54321",
];

/// One address in the US.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Address {
    pub(crate) address_line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address_line2: Option<String>,
    pub(crate) city: String,
    pub(crate) state: String,
    pub(crate) zip: String,
    country: &'static str,
}

impl Address {
    /// Reads one address; says what is wrong with it otherwise.
    pub(crate) fn read(value: &Value, issues: &mut Issues) -> Option<Self> {
        let address_line1 = issues.require(trimmed(value, "addressLine1"), "Required", "address.addressLine1");
        let city = issues.require(trimmed(value, "city"), "Required", "address.city");
        let state = issues.require(read_state(value), "Invalid state", "address.state");
        let zip = issues.require(read_zip(value), "Invalid zip", "address.zip");
        if value.get("country").is_some_and(|country| country != "USA") {
            issues.add("Invalid literal value, expected \"USA\"", "address.country");
        }
        Some(Self {
            address_line1: address_line1?,
            address_line2: trimmed(value, "addressLine2"),
            city: city?,
            state: state?,
            zip: zip?,
            country: "USA",
        })
    }

    /// The address for people.
    pub(crate) fn one_line(&self) -> String {
        let second = self
            .address_line2
            .as_deref()
            .map(|line| format!(", {line}"))
            .unwrap_or_default();
        format!(
            "{}{second}, {}, {} {}",
            self.address_line1, self.city, self.state, self.zip
        )
    }
}

fn read_state(value: &Value) -> Option<String> {
    let state = trimmed(value, "state")?.to_uppercase();
    STATES
        .split_ascii_whitespace()
        .any(|known| known == state)
        .then_some(state)
}

fn read_zip(value: &Value) -> Option<String> {
    let digits: String = trimmed(value, "zip")?.chars().filter(char::is_ascii_digit).collect();
    (digits.len() == 5 && !PLACEHOLDER_ZIPS.contains(&digits.as_str())).then_some(digits)
}

/// A way to reach somebody: a phone, an e-mail address, or both.
#[derive(Clone, PartialEq, Serialize)]
pub(crate) struct Contact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

impl Contact {
    /// Reads one contact; says what is wrong with it otherwise.
    pub(crate) fn read(value: &Value, issues: &mut Issues) -> Option<Self> {
        let (phone, email) = (trimmed(value, "phone"), trimmed(value, "email"));
        if phone.is_none() && email.is_none() {
            issues.add("Either phone or email must be present", "contact");
        }
        let phone = phone.map(|phone| issues.require(normal_phone(&phone), "Invalid phone", "contact.phone"));
        let email = email.map(|email| issues.require(normal_email(&email), "Invalid email", "contact.email"));
        Some(Self {
            phone: phone.flatten(),
            email: email.flatten(),
        })
    }

    /// Whether both share a phone or an e-mail address.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        same(&self.phone, &other.phone) || same(&self.email, &other.email)
    }
}

fn normal_phone(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let ten = if digits.len() == 11 {
        digits.strip_prefix('1')?
    } else {
        &digits
    };
    (ten.len() == 10).then(|| ten.to_owned())
}

fn normal_email(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let plain = !text.starts_with("+1") && !text.contains(char::is_whitespace);
    (plain && !local.is_empty() && domain.contains('.') && !domain.contains('@')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn zip(text: &str) -> Option<String> {
        read_zip(&json!({ "zip": text }))
    }

    #[test]
    fn zips_have_five_digits_and_are_no_placeholders() {
        assert_eq!(zip("45402").as_deref(), Some("45402"));
        for bad in ["45402-1234", "4540", "12345", "00000"] {
            assert_eq!(zip(bad), None, "{bad}");
        }
    }

    #[test]
    fn phones_lose_their_country_code() {
        assert_eq!(normal_phone("+1 937 555 0142").as_deref(), Some("9375550142"));
        assert_eq!(normal_phone("937555014"), None);
        assert_eq!(normal_phone("29375550142"), None);
    }

    #[test]
    fn email_addresses_that_are_phones_are_refused() {
        assert!(normal_email("nora@example.test").is_some());
        assert_eq!(normal_email("+1937@example.test"), None);
        assert_eq!(normal_email("nora"), None);
    }

    #[test]
    fn another_country_is_refused() {
        let mut issues = Issues::default();
        let us = json!({ "addressLine1": "1 A St", "city": "B", "state": "OH", "zip": "45402", "country": "US" });
        let read = Address::read(&us, &mut issues);
        assert!(issues.finish(read.map(|_| ())).is_err());
    }
}
