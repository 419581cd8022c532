//! A share of one processor, as Lambda cuts it: by memory, a whole one at 1,769 MB (docs.aws.amazon.com, "Configure
//! Lambda function memory").

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Problem;

/// Memory that comes with one whole processor, in MB.
const WHOLE_MB: u32 = 1_769;
/// The time over which the share is kept, in microseconds. AWS names none. Kept over a longer time, a share lets a
/// process that is done within it run as if it had a whole processor.
const PERIOD_US: u32 = 20_000;

/// A control group with such a share; removed when dropped.
pub struct Group(PathBuf);

impl Group {
    /// For one process of a function of this memory size. None is used twice: what the last process in it had
    /// overdrawn, to end as well, the next one would have to wait for.
    ///
    /// # Errors
    /// When no control group is writable here.
    pub fn new(memory_mb: u32) -> Result<Self, Problem> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let quota_us = PERIOD_US * memory_mb / WHOLE_MB;
        let name = format!("bench-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let made = v1(&name, quota_us).or_else(|| v2(&name, quota_us));
        made.ok_or_else(|| "no control group is writable here, which root's are".into())
    }

    /// Where its files are.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its last process may take a moment to end; an empty group left behind costs nothing.
        fs::remove_dir(&self.0).ok();
    }
}

fn v1(name: &str, quota_us: u32) -> Option<Group> {
    let group = make("/sys/fs/cgroup/cpu", name, "cpu.cfs_quota_us")?;
    fs::write(group.0.join("cpu.cfs_period_us"), PERIOD_US.to_string()).ok()?;
    fs::write(group.0.join("cpu.cfs_quota_us"), quota_us.to_string()).ok()?;
    Some(group)
}

fn v2(name: &str, quota_us: u32) -> Option<Group> {
    let group = make("/sys/fs/cgroup", name, "cpu.max")?;
    fs::write(group.0.join("cpu.max"), format!("{quota_us} {PERIOD_US}")).ok()?;
    Some(group)
}

fn make(parent: &str, name: &str, file: &str) -> Option<Group> {
    let path = Path::new(parent).join(name);
    fs::create_dir_all(&path).ok()?;
    let group = Group(path);
    group.0.join(file).is_file().then_some(group)
}
