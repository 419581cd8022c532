//! The product's verdict on demographics, for `tests/interop/demographics/run`: a body of `PUT /v1/patient` on each line
//! of the input, a verdict on each line of the output. The argument is the moment of the request.

use std::io::{Write, stdin, stdout};

use serde_json::{Value, json};
use shared::domain::input::InputError;
use shared::domain::{Demographics, Time};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = Time::parse(&std::env::args().nth(1).ok_or("the moment of the requests is missing")?)?;
    let mut output = stdout().lock();
    for line in stdin().lines() {
        writeln!(output, "{}", verdict(line?.as_bytes(), now))?;
    }
    Ok(())
}

fn verdict(body: &[u8], now: Time) -> Value {
    match Demographics::parse(body, now) {
        Ok(demographics) => json!({ "sent": demographics }),
        Err(InputError::NotJson) => json!({ "code": "invalid_json" }),
        Err(InputError::Faults(errors)) => json!({ "code": "invalid_request", "errors": errors }),
    }
}
