//! Judges demographics as the product does, for `tests/interop/demographics/run`. Each line of the input is a body of
//! `PUT /v1/patient`, and each line of the output is the verdict on it. The argument is the time of the requests.

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
