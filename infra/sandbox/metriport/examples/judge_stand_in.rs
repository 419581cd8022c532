//! The stand-in's verdict on demographics, for `tests/interop/demographics/run`: a body of patient create on each line of
//! the input, `true` for one that is taken on each line of the output. The argument is the day.

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
