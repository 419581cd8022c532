//! A share of one processor, as Lambda cuts it: by memory, a whole one at 1,769 MB (docs.aws.amazon.com, "Configure
//! Lambda function memory").

use std::fs;
use std::path::{Path, PathBuf};

/// Memory that comes with one whole processor, in MB.
const WHOLE_MB: u32 = 1_769;
/// The time over which the share is kept, in microseconds: the one that was measured on Lambda (Anupama and others,
/// "Demystifying the Cost of Serverless Computing").
const PERIOD_US: u32 = 20_000;

/// A control group with such a share; removed when dropped.
pub struct Group(PathBuf);

impl Group {
    /// For a function of this memory size. Says why there is none.
    pub fn new(memory_mb: u32) -> Option<Self> {
        let quota_us = PERIOD_US * memory_mb / WHOLE_MB;
        let name = format!("bench-{}", std::process::id());
        let made = v1(&name, quota_us).or_else(|| v2(&name, quota_us));
        if made.is_none() {
            tell("the processor cannot be limited: no control group is writable here, which root's are");
        }
        made
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

#[expect(clippy::print_stderr, reason = "the command's output")]
fn tell(what: &str) {
    eprintln!("{what}");
}
