//! What Linux knows of a process (proc(5)).

use std::fs;
use std::path::Path;

use crate::Problem;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Vitals {
    /// Processor time of the threads it has, in microseconds.
    pub cpu_us: f64,
    /// Resident, in KiB.
    pub resident_kib: f64,
    /// The most that was resident, in KiB.
    pub peak_kib: f64,
    /// Page faults, minor and major.
    pub faults: f64,
}

impl Vitals {
    /// Of a process that is alive.
    ///
    /// # Errors
    /// When it is not.
    pub fn of(pid: u32) -> Result<Self, Problem> {
        let proc = Path::new("/proc").join(pid.to_string());
        let status = fs::read_to_string(proc.join("status"))?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok())
                .ok_or_else(|| format!("no {name} of a process"))
        };
        Ok(Self {
            cpu_us: cpu_us(&proc)?,
            resident_kib: kib("VmRSS:")?,
            peak_kib: kib("VmHWM:")?,
            faults: faults(&proc)?,
        })
    }

    /// The most that was resident, in MB.
    pub fn peak_mb(&self) -> f64 {
        self.peak_kib * 1024.0 / 1e6
    }
}

/// In nanoseconds per thread, and so exact enough for one event; the process's own account counts in hundredths of a
/// second.
fn cpu_us(proc: &Path) -> Result<f64, Problem> {
    let mut sum = 0.0;
    for task in fs::read_dir(proc.join("task"))? {
        // A thread may end between the two.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let nanos: f64 = text.split_whitespace().next().unwrap_or_default().parse()?;
        sum += nanos / 1e3;
    }
    Ok(sum)
}

fn faults(proc: &Path) -> Result<f64, Problem> {
    let stat = fs::read_to_string(proc.join("stat"))?;
    // After the name, which may hold anything: state is field 3, minflt 10, majflt 12.
    let (_, rest) = stat.rsplit_once(')').ok_or("no name of a process")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    Ok(field(7).unwrap_or_default() + field(9).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let vitals = Vitals::of(std::process::id()).unwrap();
        assert!(vitals.cpu_us > 0.0 && vitals.faults > 0.0);
        assert!(vitals.resident_kib > 100.0 && vitals.peak_kib >= vitals.resident_kib);
    }
}
