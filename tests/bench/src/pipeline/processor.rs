//! Processor time of a process, as Linux tells it (proc_pid_stat(5)).

use std::time::Duration;

/// Ticks of `/proc/<pid>/stat` in a second: `USER_HZ`, 100 on every architecture of Linux.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of a process; `None` if there is no such process, or no such file system.
pub(super) fn of(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses, and may hold anything. What follows begins with the third field.
    let (_, after) = stat.rsplit_once(") ")?;
    let mut fields = after.split(' ').skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_used_some() {
        let begun = super::of(std::process::id()).unwrap();
        while super::of(std::process::id()).unwrap() == begun {}
        assert_eq!(super::of(u32::MAX), None);
    }
}
