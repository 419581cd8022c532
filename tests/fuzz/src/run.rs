//! Runs an entry: makes inputs, judges them, counts the classes and catches findings.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::canary::CANARY;
use crate::chance::Chance;
use crate::log;
use crate::minimise::minimise;

/// The result of an input in a few words: accepted, or the reason of the refusal.
pub type Class = &'static str;

/// A place where input from outside reaches the system.
pub trait Entry {
    /// The entry's name on the command line.
    fn name(&self) -> &'static str;

    /// Makes one input.
    fn generate(&self, chance: &mut Chance) -> Vec<u8>;

    /// Sends the input into the system, and judges every result.
    ///
    /// # Errors
    /// Fails with the property that does not hold.
    fn judge(&mut self, input: &[u8]) -> Result<Class, String>;
}

/// A run without findings.
#[derive(Debug)]
pub struct Tally {
    /// The number of inputs.
    pub inputs: u64,
    /// The number of inputs of each class.
    pub classes: BTreeMap<Class, u64>,
    /// The duration, including the generation of the inputs.
    pub elapsed: Duration,
}

/// A finding: an input that breaks a property.
#[derive(Debug)]
pub struct Finding {
    /// The entry.
    pub entry: &'static str,
    /// The seed of the run.
    pub seed: u64,
    /// The number of the input in the run.
    pub number: u64,
    /// The broken property.
    pub broken: String,
    /// The system's log while the input was judged.
    pub log: String,
    /// The smallest input that breaks a property.
    pub input: Vec<u8>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entry,
            seed,
            number,
            broken,
            log,
            input,
        } = self;
        writeln!(f, "{entry}: input {number} of seed {seed}: {broken}")?;
        writeln!(f, "text: {:?}", String::from_utf8_lossy(input))?;
        writeln!(f, "hex: {}", hex::encode(input))?;
        write!(f, "log: {log}")
    }
}

/// Judges the inputs with these numbers, made from this seed.
///
/// # Errors
/// Fails with the first finding, whose input is minimised.
pub fn run(entry: &mut dyn Entry, seed: u64, numbers: Range<u64>) -> Result<Tally, Box<Finding>> {
    let began = Instant::now();
    let mut classes = BTreeMap::new();
    let inputs = numbers.end.saturating_sub(numbers.start);
    for number in numbers {
        let input = entry.generate(&mut Chance::of_input(seed, entry.name(), number));
        match attempt(entry, &input) {
            Ok(class) => *classes.entry(class).or_default() += 1,
            Err(broken) => return Err(Box::new(finding(entry, seed, number, broken, &input))),
        }
    }
    Ok(Tally {
        inputs,
        classes,
        elapsed: began.elapsed(),
    })
}

/// Judges one input. A panic breaks a property, and so does a log line that repeats the input.
///
/// # Errors
/// Fails with the broken property.
pub fn attempt(entry: &mut dyn Entry, input: &[u8]) -> Result<Class, String> {
    log::clear();
    let class = match catch_unwind(AssertUnwindSafe(|| entry.judge(input))) {
        Ok(judged) => judged?,
        Err(payload) => return Err(format!("panicked: {}", message(payload.as_ref()))),
    };
    match log::line_with(CANARY) {
        Some(line) => Err(format!("the log repeats the input: {line}")),
        None => Ok(class),
    }
}

pub(crate) fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

fn finding(entry: &mut dyn Entry, seed: u64, number: u64, broken: String, input: &[u8]) -> Finding {
    let smallest = minimise(input, |candidate| attempt(entry, candidate).is_err());
    let broken = attempt(entry, &smallest).err().unwrap_or(broken);
    Finding {
        entry: entry.name(),
        seed,
        number,
        broken,
        log: log::text(),
        input: smallest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry that panics, logs the canary or breaks a property if the input contains the byte 7.
    struct Planted(&'static str);

    impl Entry for Planted {
        fn name(&self) -> &'static str {
            "planted"
        }

        fn generate(&self, chance: &mut Chance) -> Vec<u8> {
            (0..40).map(|_| chance.byte()).collect()
        }

        fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
            match (input.contains(&7), self.0) {
                (true, "panic") => panic!("planted"),
                (true, "log") => tracing::warn!(context = CANARY, "planted"),
                (true, "property") => return Err("planted".to_owned()),
                (true, "free") => tracing::warn!(message_id = CANARY, "planted"),
                _ => {}
            }
            Ok("accepted")
        }
    }

    #[test]
    fn planted_failures_are_found_and_minimised() {
        log::capture();
        for (kind, says) in [
            ("panic", "panicked: planted"),
            ("property", "planted"),
            ("log", "the log repeats"),
        ] {
            let found = run(&mut Planted(kind), 1, 0..1000).unwrap_err();
            assert!(found.broken.contains(says), "{found}");
            assert_eq!(found.input, [7], "{found}");
            let again = Planted(kind).generate(&mut Chance::of_input(found.seed, "planted", found.number));
            assert!(
                attempt(&mut Planted(kind), &again).is_err(),
                "seed and number give the input again"
            );
        }
        assert!(run(&mut Planted("free"), 1, 0..1000).is_ok());
        assert_eq!(
            run(&mut Planted("none"), 1, 0..1000).unwrap().classes.get("accepted"),
            Some(&1000)
        );
    }
}
