//! Processor time and memory of a process, from Linux's `/proc` (proc(5)).

use std::fs;

use serde::{Deserialize, Serialize};

use crate::Problem;

/// Processor time and memory of one process.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of its living threads, in microseconds.
    pub cpu_us: f64,
    /// Resident memory, in MiB.
    pub resident_mib: f64,
    /// Peak of the resident memory, in MiB.
    pub peak_mib: f64,
}

impl Usage {
    /// The usage of a living process.
    pub fn of(pid: u32) -> Result<Self, Problem> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).ok_or(format!("no {name} of a process"))
        };
        Ok(Self {
            cpu_us: cpu_us(pid)?,
            resident_mib: mib("VmRSS:")?,
            peak_mib: mib("VmHWM:")?,
        })
    }
}

/// Sums the processor times of the threads, which Linux counts in nanoseconds. Linux's own sum for a process counts
/// hundredths of a second and is too coarse for one event.
fn cpu_us(pid: u32) -> Result<f64, Problem> {
    let mut nanos = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the two reads.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanos += text.split(' ').next().unwrap_or_default().parse().unwrap_or(0.0);
    }
    Ok(nanos / 1e3)
}

/// Processor time of a process, its ended threads included, in milliseconds.
pub fn cpu_ms(pid: u32) -> Result<f64, Problem> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name is in parentheses and may contain any character. User and system time follow, in hundredths of a second.
    let (_, fields) = stat.rsplit_once(") ").ok_or("no name of a process")?;
    let times = fields.split(' ').skip(11).take(2);
    Ok(times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_has_processor_time_and_memory() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.cpu_us > 0.0 && usage.resident_mib > 0.1 && usage.peak_mib >= usage.resident_mib);
        assert!(cpu_ms(std::process::id()).is_ok() && cpu_ms(u32::MAX).is_err());
    }
}
