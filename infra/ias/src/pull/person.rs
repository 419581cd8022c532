//! The invented person of a pull, whose first name decides how the networks behave.

use sandbox_metriport::Persona;
use serde_json::{Value, json};

pub(crate) fn demographics(persona: Persona) -> Value {
    json!({
        "firstName": persona.first_name(),
        "lastName": "Quill",
        "dob": "1974-07-19",
        "genderAtBirth": "F",
        "address": [{ "addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402" }],
        "contact": [{ "phone": "9375550142", "email": "quill@example.test" }],
    })
}
