//! One process of a function or a yardstick, with the environment that Lambda gives it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::environment::Variables;
use super::runtime_api::{Happened, RuntimeApi};
use super::server;
use super::vitals::Vitals;
use crate::Problem;

/// How long one thing may take: a transfer of 1 GB, under a processor cut down to a fourteenth or in valgrind.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The function whose environment it gets.
    pub function: String,
    /// The command and its arguments.
    pub command: Vec<PathBuf>,
    /// Variables beside those of the function.
    pub variables: Vec<(String, String)>,
}

impl Program {
    /// A binary in the place of a function.
    pub fn new(function: &str, binary: &Path) -> Self {
        Self {
            function: function.to_owned(),
            command: vec![binary.to_owned()],
            variables: Vec::new(),
        }
    }

    /// With one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }
}

/// A process, killed when dropped.
pub struct Process {
    child: Child,
    started: Instant,
    events: mpsc::Sender<Bytes>,
    happened: mpsc::UnboundedReceiver<Happened>,
    api: JoinHandle<()>,
    log: PathBuf,
}

impl Process {
    /// Starts it with these variables and its own, and with its log in `dir`. With `group`, it runs in that control
    /// group from its first instruction on.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(
        program: &Program,
        variables: Variables,
        dir: &Path,
        group: Option<&Path>,
    ) -> Result<Self, Problem> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (api, events, happened) = RuntimeApi::new(&program.function);
        let host = listener.local_addr()?.to_string();
        let api = tokio::spawn(server::serve(listener, None, Arc::new(api)));
        let log = dir.join("log.txt");
        let mut command = command(program, group)?;
        command
            .env_clear()
            .envs(variables)
            .envs(program.variables.iter().cloned())
            .env("AWS_LAMBDA_RUNTIME_API", host)
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let (child, started) = begin(command, group).await?;
        Ok(Self {
            child,
            started,
            events,
            happened,
            api,
            log,
        })
    }

    /// How long it took from its start to its first poll.
    ///
    /// # Errors
    /// When it ends or reports an error instead.
    pub async fn init(&mut self) -> Result<(Duration, Instant), Problem> {
        let at = self.polled().await?;
        Ok((at - self.started, at))
    }

    /// Waits until it asks for an event.
    ///
    /// # Errors
    /// When it ends or reports an error instead.
    pub async fn polled(&mut self) -> Result<Instant, Problem> {
        match self.next().await? {
            Happened::Polled(at) => Ok(at),
            other => Err(self.problem(&other.instead_of("a poll"))),
        }
    }

    /// Hands it an event; when that was, how long after its start it replied, and what.
    ///
    /// # Errors
    /// When it ends or reports an error instead.
    pub async fn invoke(&mut self, event: Bytes) -> Result<Replied, Problem> {
        let given = Instant::now();
        self.events.send(event).await?;
        match self.next().await? {
            Happened::Replied(at, body) => Ok(Replied {
                since_start: at - self.started,
                took: at - given,
                body,
            }),
            other => Err(self.problem(&other.instead_of("a reply"))),
        }
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn vitals(&self) -> Result<Vitals, Problem> {
        Vitals::of(self.child.id().ok_or("it has ended")?)
    }

    /// Kills it, and waits until it is gone, so that its end costs nothing of what is measured next.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> Result<(), Problem> {
        Ok(self.child.kill().await?)
    }

    /// Ends it so that what it runs in may still write what it has counted.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn end(mut self) -> Result<(), Problem> {
        let pid = self.child.id().ok_or("it has ended")?.to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(_ended) => Ok(()),
            Err(_elapsed) => Err(self.problem("it does not end")),
        }
    }

    async fn next(&mut self) -> Result<Happened, Problem> {
        let what = tokio::select! {
            // What it said before it ended counts.
            biased;
            Some(happened) = self.happened.recv() => return Ok(happened),
            status = self.child.wait() => format!("it ended with {}", status?),
            _elapsed = tokio::time::timeout(PATIENCE, std::future::pending::<()>()) => "it says nothing".to_owned(),
        };
        Err(self.problem(&what))
    }

    fn problem(&self, what: &str) -> Problem {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        format!("{what}; its log:\n{log}").into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended.
        self.child.start_kill().ok();
        self.api.abort();
    }
}

/// A reply.
pub struct Replied {
    /// Since the process was started.
    pub since_start: Duration,
    /// Since it was handed the event.
    pub took: Duration,
    /// What it said.
    pub body: Bytes,
}

/// In a control group: a shell enters it, waits for a line, and becomes the program.
fn command(program: &Program, group: Option<&Path>) -> Result<Command, Problem> {
    let (first, rest) = program.command.split_first().ok_or("no command")?;
    let mut command = match group {
        None => Command::new(first),
        Some(group) => {
            let mut shell = Command::new("/bin/sh");
            let script = r#"echo $$ > "$0" && read -r _ && exec "$@""#;
            shell.args(["-c", script]).arg(group.join("cgroup.procs")).arg(first);
            shell
        }
    };
    command.args(rest);
    Ok(command)
}

async fn begin(mut command: Command, group: Option<&Path>) -> Result<(Child, Instant), Problem> {
    let Some(group) = group else {
        let started = Instant::now();
        return Ok((command.stdin(Stdio::null()).spawn()?, started));
    };
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let mut line = child.stdin.take().ok_or("no standard input")?;
    let until = Instant::now() + PATIENCE;
    while fs::read_to_string(group.join("cgroup.procs"))?.is_empty() {
        if Instant::now() > until {
            return Err("the shell does not enter its control group".into());
        }
        tokio::task::yield_now().await;
    }
    let started = Instant::now();
    line.write_all(b"go\n").await?;
    Ok((child, started))
}
