//! US addresses and contacts, validated like `addressSchema` and `contactSchema` of Metriport's published SDK.

use serde::Serialize;
use serde_json::Value;

use crate::coercion::{coerced, trim};
use crate::email;
use crate::envelope::Issues;

/// `USState` and `USTerritory` of the SDK.
const STATES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY \
                      NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU PR VI";

/// Zip codes that people enter as placeholders.
const PLACEHOLDER_ZIPS: [&str; 13] = [
    "00000", "99999", "10000", "20000", "30000", "40000", "50000", "60000", "70000", "80000", "90000", "12345", "54321",
];

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
    /// Reads one address, or reports its issues below the path `at`.
    pub(crate) fn read(value: &Value, at: &str, issues: &mut Issues) -> Option<Self> {
        let address_line1 = issues.require(text(value, "addressLine1"), "Required", &format!("{at},addressLine1"));
        let city = issues.require(text(value, "city"), "Required", &format!("{at},city"));
        let state = issues.require(read_state(value), "Invalid state", &format!("{at},state"));
        let zip = issues.require(read_zip(value), "Invalid zip", &format!("{at},zip"));
        if value.get("country").is_some_and(|country| country != "USA") {
            issues.add("Invalid literal value, expected \"USA\"", &format!("{at},country"));
        }
        if value.get("addressLine2").is_some_and(|line| !line.is_string()) {
            issues.add("Expected string", &format!("{at},addressLine2"));
        }
        Some(Self {
            address_line1: address_line1?,
            address_line2: text(value, "addressLine2"),
            city: city?,
            state: state?,
            zip: zip?,
            country: "USA",
        })
    }

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

/// A text field without surrounding white space; `None` if missing or empty.
pub(crate) fn text(value: &Value, field: &str) -> Option<String> {
    let text = trim(value.get(field)?.as_str()?);
    (!text.is_empty()).then(|| text.to_owned())
}

fn read_state(value: &Value) -> Option<String> {
    let state = trim(&value.get("state")?.as_str()?.to_uppercase()).to_owned();
    STATES
        .split_ascii_whitespace()
        .any(|known| known == state)
        .then_some(state)
}

fn read_zip(value: &Value) -> Option<String> {
    let digits = digits(&coerced(value.get("zip")?));
    (digits.len() == 5 && !PLACEHOLDER_ZIPS.contains(&digits.as_str())).then_some(digits)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[derive(Clone, PartialEq, Serialize)]
pub(crate) struct Contact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

impl Contact {
    /// Reads one contact, or reports its issues below the path `at`. `null` counts as absent.
    pub(crate) fn read(value: &Value, at: &str, issues: &mut Issues) -> Option<Self> {
        let given = |field| value.get(field).filter(|value| !value.is_null());
        let (phone, email) = (given("phone"), given("email"));
        if !value.is_object() || (phone.is_none() && email.is_none()) {
            issues.add("Either email or phone must be present", at);
        }
        let phone = phone.map(|phone| issues.require(normal_phone(phone), "Invalid phone", &format!("{at},phone")));
        let email = email.map(|email| {
            let valid = email.as_str().filter(|text| email::is_valid(text)).map(str::to_owned);
            issues.require(valid, "Invalid email address", &format!("{at},email"))
        });
        Some(Self {
            phone: phone.flatten(),
            email: email.flatten(),
        })
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        same(&self.phone, &other.phone) || same(&self.email, &other.email)
    }
}

fn normal_phone(value: &Value) -> Option<String> {
    let digits = digits(&coerced(value));
    let national = if digits.len() == 11 {
        digits.strip_prefix('1')?
    } else {
        &digits
    };
    (national.len() == 10).then(|| national.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn zip(text: &str) -> Option<String> {
        read_zip(&json!({ "zip": text }))
    }

    #[test]
    fn zips_need_five_digits_and_placeholders_are_refused() {
        assert_eq!(zip("45402").as_deref(), Some("45402"));
        for bad in ["45402-1234", "4540", "12345", "00000"] {
            assert_eq!(zip(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_read_as_text() {
        assert_eq!(read_zip(&json!({ "zip": 45402 })).as_deref(), Some("45402"));
        assert_eq!(normal_phone(&json!(9_375_550_142_u64)).as_deref(), Some("9375550142"));
    }

    #[test]
    fn phones_lose_their_country_code() {
        let phone = |text: &str| normal_phone(&json!(text));
        assert_eq!(phone("+1 937 555 0142").as_deref(), Some("9375550142"));
        assert_eq!(phone("937555014"), None);
        assert_eq!(phone("29375550142"), None);
    }

    #[test]
    fn territories_that_the_schema_lacks_are_refused() {
        for state in ["FM", "MH", "MP", "PW", "UM", "AA"] {
            assert_eq!(read_state(&json!({ "state": state })), None, "{state}");
        }
        assert_eq!(read_state(&json!({ "state": " pr " })).as_deref(), Some("PR"));
    }

    #[test]
    fn another_country_is_refused() {
        let mut issues = Issues::default();
        let us = json!({ "addressLine1": "1 A St", "city": "B", "state": "OH", "zip": "45402", "country": "US" });
        let read = Address::read(&us, "address,0", &mut issues);
        let refused = issues.finish(read.map(|_| ())).unwrap_err();
        assert!(format!("{refused:?}").contains("on [address,0,country]"));
    }
}
