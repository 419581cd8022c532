//! The body of `PUT /v1/patient`.

use crate::domain::input::{Faults, Input};
use crate::domain::{Demographics, Time};

/// The person's demographics, and whether the person opts out of health information exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientDetails {
    /// The demographics.
    pub demographics: Demographics,
    /// The opt-out; `None` to leave it as it is.
    pub hie_opt_out: Option<bool>,
}

impl PatientDetails {
    /// Reads the body. Notes each field that Metriport would refuse or that Individual Access cannot use.
    pub fn read(input: &Input<'_>, now: Time, faults: &mut Faults) -> Option<Self> {
        const OPT_OUT: &str = "hieOptOut";
        let known = [&Demographics::FIELDS[..], &[OPT_OUT]].concat();
        let fields = input.fields(&known, faults)?;
        let hie_opt_out = fields.optional(OPT_OUT, "true or false, if given", faults, Input::flag);
        Some(Self {
            demographics: Demographics::of_fields(&fields, now, faults)?,
            hie_opt_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::input::{self, InputError};

    fn read(extra: &Value) -> Result<PatientDetails, Vec<String>> {
        let mut body = json!({
            "firstName": "Nora", "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F",
            "address": {"addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402"},
            "contact": {"phone": "9375550142"}
        });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let now = Time::parse("2026-11-22T00:00:00Z").unwrap();
        let read = input::read(body.to_string().as_bytes(), |input, faults| {
            PatientDetails::read(input, now, faults)
        });
        read.map_err(|error| match error {
            InputError::Faults(faults) => faults.into_iter().map(|fault| fault.pointer).collect(),
            InputError::NotJson => panic!("{body}"),
        })
    }

    #[test]
    fn opt_out_is_optional_and_either_true_or_false() {
        for (body, expected) in [
            (json!({}), None),
            (json!({ "hieOptOut": true }), Some(true)),
            (json!({ "hieOptOut": false }), Some(false)),
        ] {
            assert_eq!(read(&body).unwrap().hie_opt_out, expected);
        }
        for odd in [json!(null), json!("true"), json!(1), json!([true])] {
            assert_eq!(read(&json!({ "hieOptOut": odd })), Err(vec!["/hieOptOut".to_owned()]));
        }
        // All faults are named at once, and fields of Metriport's own are not passed on.
        let many = json!({ "hieOptOut": 1, "dob": "x", "status": { "hieOptOut": true } });
        let mut faults = read(&many).unwrap_err();
        faults.sort();
        assert_eq!(faults, ["/dob", "/hieOptOut", "/status"]);
    }
}
