//! Prints whether the stand-in accepts demographics, for `tests/interop/demographics/run`. Each input line is the body
//! of a patient create. The output line is `true` if the stand-in accepts it, otherwise `false`. The argument is
//! today's date.

use std::io::{Write, stdin, stdout};

use sandbox_metriport::takes_demographics;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let today = std::env::args().nth(1).ok_or("the day is missing")?.parse()?;
    let mut output = stdout().lock();
    for line in stdin().lines() {
        let body = serde_json::from_str(&line?);
        writeln!(output, "{}", body.is_ok_and(|body| takes_demographics(&body, today)))?;
    }
    Ok(())
}
