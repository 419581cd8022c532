//! One operating system process of one function: its start, its invocations (one at a time) and its end.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::error::InitFailure;
use super::lineage::Lineage;
use super::log::{LogSink, forward};
use super::pool::FunctionSpec;
use super::runtime_api::{Job, Mailbox, Reply, Stage, router};
use crate::clock;

/// The time that Lambda gives a function to initialise.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// A started process. It ends when it is killed, when the host shuts down, or on its own.
pub(super) struct Process {
    pub(super) pid: u32,
    jobs: mpsc::Sender<Job>,
    mailbox: Arc<Mailbox>,
    kill: watch::Sender<bool>,
}

pub(super) enum Outcome {
    Reply(Reply),
    TimedOut,
    /// The process ended; `taken` if it had received the invocation.
    Exited {
        status: String,
        taken: bool,
    },
}

/// Why a process never asked for an invocation.
pub(super) struct NotReady {
    pub(super) failure: InitFailure,
    /// The process was killed deliberately, so the function did not fail.
    pub(super) killed: bool,
}

impl Process {
    pub(super) async fn start(
        spec: &Arc<FunctionSpec>,
        log: &LogSink,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, InitFailure> {
        match Self::spawn(spec, log, shutdown).await {
            Ok(process) => Ok(process),
            // Lambda's error type for a bootstrap that cannot be executed.
            Err(_) => Err(spec.init_failure("Runtime.InvalidEntrypoint")),
        }
    }

    /// Waits until the process asks for its first invocation. Ends a process that fails or takes too long.
    pub(super) async fn ready(&self, spec: &FunctionSpec) -> Result<(), NotReady> {
        let mut stage = self.mailbox.stage.subscribe();
        let reached = tokio::time::timeout(INIT_LIMIT, stage.wait_for(|stage| *stage != Stage::Starting)).await;
        let error_type = match reached.map(|reached| reached.map(|stage| stage.clone())) {
            Ok(Ok(Stage::Ready)) => return Ok(()),
            Ok(Ok(
                Stage::InitFailed { error_type }
                | Stage::Exited {
                    init_error: Some(error_type),
                    ..
                },
            )) => error_type,
            Ok(_) => "Runtime.ExitError".to_owned(),
            Err(_) => "Sandbox.Timedout".to_owned(),
        };
        let killed = *self.kill.borrow();
        self.end().await;
        let failure = spec.init_failure(error_type);
        Err(NotReady { failure, killed })
    }

    async fn spawn(spec: &Arc<FunctionSpec>, log: &LogSink, shutdown: watch::Receiver<bool>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut child = Command::new(&spec.line.program)
            .args(&spec.line.args)
            .env_clear()
            .envs(&spec.environment)
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .env(
                "AWS_LAMBDA_LOG_STREAM_NAME",
                format!("sandbox/[$LATEST]{}", clock::new_id().simple()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        forward_output(&mut child, spec, pid, log);
        let (jobs, inbox) = mpsc::channel(1);
        let mailbox = Arc::new(Mailbox::new(inbox));
        let kill = watch::Sender::new(false);
        tokio::spawn(supervise(child, listener, mailbox.clone(), kill.subscribe(), shutdown));
        Ok(Self {
            pid,
            jobs,
            mailbox,
            kill,
        })
    }

    pub(super) fn has_exited(&self) -> bool {
        matches!(
            *self.mailbox.stage.borrow(),
            Stage::Exited { .. } | Stage::InitFailed { .. }
        )
    }

    /// Whether the process is alive and has not been signalled to end.
    pub(super) fn is_usable(&self) -> bool {
        !self.has_exited() && !*self.kill.borrow()
    }

    /// Signals the process to end, without waiting. Returns `false` if it had ended or was already signalled.
    pub(super) fn kill(&self) -> bool {
        let lived = !self.has_exited();
        lived && !self.kill.send_replace(true)
    }

    /// Kills the process, waits for its end, and returns its status.
    pub(super) async fn end(&self) -> String {
        self.kill.send_replace(true);
        self.exited().await
    }

    /// Hands one invocation to the process and waits for its end. Kills the process after the function's timeout.
    pub(super) async fn invoke(&self, spec: &FunctionSpec, payload: Bytes, lineage: &Lineage) -> Outcome {
        let (reply, mut replied) = oneshot::channel();
        let job = job(spec, payload, lineage, reply);
        let deadline = Instant::now() + spec.timeout;
        if self.jobs.send(job).await.is_err() {
            return self.exit().await;
        }
        tokio::select! {
            // A reply that has arrived counts, even if the process ended or timed out right after it.
            biased;
            reply = &mut replied => match reply {
                Ok(reply) => Outcome::Reply(reply),
                Err(_) => Outcome::Reply(Reply::Error { error_type: "Runtime.NoResponse".to_owned() }),
            },
            outcome = self.exit() => outcome,
            () = tokio::time::sleep_until(deadline) => {
                self.end().await;
                Outcome::TimedOut
            }
        }
    }

    async fn exit(&self) -> Outcome {
        let status = self.exited().await;
        Outcome::Exited {
            status,
            taken: self.mailbox.abandon(),
        }
    }

    async fn exited(&self) -> String {
        let mut stage = self.mailbox.stage.subscribe();
        loop {
            if let Stage::Exited { status, .. } = &*stage.borrow_and_update() {
                return status.clone();
            }
            if stage.changed().await.is_err() {
                return "an unknown status".to_owned();
            }
        }
    }
}

fn job(spec: &FunctionSpec, payload: Bytes, lineage: &Lineage, reply: oneshot::Sender<Reply>) -> Job {
    let timeout_ms = u64::try_from(spec.timeout.as_millis()).unwrap_or(u64::MAX);
    let now_ms = clock::now_ms();
    let trace = clock::new_id().simple().to_string();
    let (unique, parent) = (trace.get(..24).unwrap_or_default(), trace.get(16..).unwrap_or_default());
    Job {
        request_id: clock::new_id().to_string(),
        deadline_ms: now_ms.saturating_add(timeout_ms),
        function_arn: spec.arn.clone(),
        trace_id: format!(
            "Root=1-{:08x}-{unique};Parent={parent};Sampled=0;{}",
            now_ms / 1_000,
            lineage.field()
        ),
        payload,
        reply,
    }
}

fn forward_output(child: &mut Child, spec: &FunctionSpec, pid: u32, log: &LogSink) {
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(forward(stdout, spec.binary.clone(), pid, log.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(forward(stderr, spec.binary.clone(), pid, log.clone()));
    }
}

/// Owns the child: serves its Runtime API until the child ends. Kills the child on a signal, or when the signal's
/// sender is dropped.
async fn supervise(
    mut child: Child,
    listener: TcpListener,
    mailbox: Arc<Mailbox>,
    mut kill: watch::Receiver<bool>,
    mut shutdown: watch::Receiver<bool>,
) {
    let api = tokio::spawn(axum::serve(listener, router(mailbox.clone())).into_future());
    let status = tokio::select! {
        status = child.wait() => status,
        () = raised(&mut kill) => kill_child(&mut child).await,
        () = raised(&mut shutdown) => kill_child(&mut child).await,
    };
    api.abort();
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    mailbox.exited(status);
}

/// Waits for a flag. A dropped sender counts as a raised flag.
async fn raised(flag: &mut watch::Receiver<bool>) {
    flag.wait_for(|raised| *raised).await.ok();
}

async fn kill_child(child: &mut Child) -> io::Result<ExitStatus> {
    // `start_kill` fails only if the child has ended; `wait` then returns its status.
    child.start_kill().ok();
    child.wait().await
}
