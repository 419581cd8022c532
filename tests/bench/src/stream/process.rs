//! One process of a function, or of the yardstick, with the environment that Lambda gives it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::loopback::BUCKET;
use crate::Problem;

/// A process, killed when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a binary that finds all it needs at `host`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(binary: &Path, host: &str) -> Result<Self, Problem> {
        let child = Command::new(binary)
            .env_clear()
            .envs(environment(host))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child })
    }

    /// The most memory it has held so far, in MB (`VmHWM`, see proc_pid_status(5)), and the processor time it has used,
    /// in seconds (`schedstat`, see the kernel's documentation, "Scheduler Statistics").
    ///
    /// # Errors
    /// When it has ended.
    pub fn used(&self) -> Result<Used, Problem> {
        let pid = self.child.id().ok_or("the process has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak
            .and_then(|line| line.split_whitespace().next())
            .ok_or("no peak of a process")?;
        let mut nanos = 0.0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanos += text.split_whitespace().next().map_or(Ok(0.0), str::parse::<f64>)?;
        }
        Ok(Used {
            peak_mb: peak.parse::<f64>()? * 1024.0 / 1e6,
            cpu_secs: nanos / 1e9,
        })
    }
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// The most memory it has held, in MB.
    pub peak_mb: f64,
    /// Processor time of the threads it has, in seconds.
    pub cpu_secs: f64,
}

/// The variables of a process that finds all it needs at `host`.
pub fn environment(host: &str) -> Vec<(String, String)> {
    let at = format!("http://{host}");
    let queue = |name: &str| format!("{at}/000000000000/{name}");
    let variables = [
        ("AWS_LAMBDA_RUNTIME_API", host.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "BENCH".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("AWS_ENDPOINT_URL", at.clone()),
        ("STAGE", "bench".to_owned()),
        // On loopback, where a link may be followed without TLS.
        ("METRIPORT_BASE_URL", at.clone()),
        ("TABLE_NAME", "table".to_owned()),
        ("RECORDS_BUCKET", BUCKET.to_owned()),
        ("RECORD_LINK_HOSTS", host.to_owned()),
        ("RUN_ADVANCE_QUEUE_URL", queue("run-advance")),
        ("RECORD_FETCH_DEAD_LETTERS_URL", queue("record-fetch-dead-letters")),
        ("OWNER_KEY_SECRET", "key".to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).into()
}
