//! Counts that do not depend on the machine's mood: the difference between a number of events and twice as many.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::Problem;
use crate::bed::process::Program;
use crate::bed::world::World;

const VALGRIND: &str = "/usr/bin/valgrind";
const EVENTS: u32 = 15;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub enum Tool {
    /// Allocations on the heap.
    Allocations,
    /// Instructions of the process itself, without the kernel's.
    Instructions,
}

impl Tool {
    const fn arguments(self) -> [&'static str; 2] {
        match self {
            Self::Allocations => ["--tool=dhat", "--dhat-out-file=/dev/null"],
            Self::Instructions => ["--tool=callgrind", "--callgrind-out-file=/dev/null"],
        }
    }

    /// Reads the count in what the tool prints at its end.
    fn count(self, log: &str) -> Option<f64> {
        let digits = |text: &str| {
            text.chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
                .parse()
                .ok()
        };
        log.lines().rev().find_map(|line| match self {
            Self::Allocations => digits(line.split_once("Total:")?.1.split_once(" in ")?.1),
            Self::Instructions => digits(line.split_once("Collected :")?.1),
        })
    }
}

/// The count of one event; `None` without valgrind.
///
/// # Errors
/// When the process does not do what it is asked, or the tool says no number.
pub async fn per_event(world: &World, program: &Program, event: &Bytes, tool: Tool) -> Result<Option<f64>, Problem> {
    if !Path::new(VALGRIND).is_file() {
        return Ok(None);
    }
    let log = world.dir.path().join("valgrind.txt");
    let mut under = program.clone();
    let arguments = [VALGRIND.to_owned(), format!("--log-file={}", log.display())];
    let arguments = arguments.into_iter().chain(tool.arguments().map(str::to_owned));
    under.command.splice(0..0, arguments.map(PathBuf::from));
    let mut counts = [0.0; 2];
    for (count, events) in counts.iter_mut().zip([EVENTS, 2 * EVENTS]) {
        let left = world.state().clone();
        let mut process = world.start_process(&under, None).await?;
        process.init().await?;
        for _ in 0..events {
            process.invoke(event.clone()).await?;
            process.polled().await?;
            world.state().clone_from(&left);
        }
        process.end().await?;
        *count = tool.count(&fs::read_to_string(&log)?).ok_or("valgrind says no count")?;
    }
    let [once, twice] = counts;
    Ok(Some((twice - once) / f64::from(EVENTS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        let log = "==7== Total:     1,234 bytes in 56 blocks\n==7== At t-gmax: 9 bytes in 1 blocks\n";
        assert_eq!(Tool::Allocations.count(log), Some(56.0));
        let log = "==7== Events    : Ir\n==7== Collected : 12345678\n==7==\n";
        assert_eq!(Tool::Instructions.count(log), Some(12_345_678.0));
        assert_eq!(Tool::Instructions.count("==7== killed"), None);
    }
}
