//! The processes of one function: started on demand up to a limit, kept warm, replaced when they end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::error::{InitFailure, InvokeError};
use super::ledger::Ledger;
use super::lineage::{HOPS_MAX, Hops, Lineage};
use super::log::{LogLine, LogSink};
use super::process::{NotReady, Outcome, Process};
use super::runner::ProgramLine;
use super::runtime_api::Reply;
use super::tally::Tallies;
use crate::clock;
use crate::interference::{Interference, Invocation, InvocationPlan, ProcessCounts};

pub(crate) struct FunctionSpec {
    pub(crate) binary: Arc<str>,
    pub(crate) arn: String,
    pub(crate) timeout: Duration,
    /// `RecursiveLoop: Allow`.
    pub(crate) loop_allowed: bool,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) line: ProgramLine,
}

impl FunctionSpec {
    pub(super) fn init_failure(&self, error_type: impl Into<String>) -> InitFailure {
        InitFailure {
            function: self.binary.to_string(),
            error_type: error_type.into(),
        }
    }
}

/// A failed start, and the time before which no other start is tried.
struct Backoff {
    failure: InitFailure,
    pause: Duration,
    until: Instant,
}

/// How many processes are tried for one invocation, if each process ends before it takes the invocation. Also how many
/// starts are tried in a row, if each process is killed.
const ATTEMPTS_MAX: u8 = 3;
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Pool {
    spec: Arc<FunctionSpec>,
    permits: Semaphore,
    idle: Mutex<Vec<Arc<Process>>>,
    all: Mutex<Vec<Arc<Process>>>,
    backoff: Mutex<Option<Backoff>>,
    log: LogSink,
    ledger: Arc<Ledger>,
    shutdown: watch::Receiver<bool>,
    interference: Option<InvocationPlan>,
    tallies: Tallies,
    hops: Mutex<Hops>,
}

impl Pool {
    pub(crate) fn new(
        spec: FunctionSpec,
        processes_max: usize,
        log: LogSink,
        ledger: Arc<Ledger>,
        shutdown: watch::Receiver<bool>,
        interference: Option<InvocationPlan>,
    ) -> Self {
        Self {
            spec: Arc::new(spec),
            permits: Semaphore::new(processes_max.max(1)),
            idle: Mutex::default(),
            all: Mutex::default(),
            backoff: Mutex::default(),
            log,
            ledger,
            shutdown,
            interference,
            tallies: Tallies::default(),
            hops: Mutex::default(),
        }
    }

    /// Runs one invocation. Waits for a free process if all are busy, and logs failures as Lambda does.
    pub(super) async fn invoke(&self, payload: Bytes, lineage: Lineage) -> Result<Bytes, InvokeError> {
        self.run(payload, lineage).await.inspect_err(|error| self.note(error))
    }

    async fn run(&self, payload: Bytes, mut lineage: Lineage) -> Result<Bytes, InvokeError> {
        self.enter(&mut lineage)?;
        let _permit = self.permits.acquire().await.or(Err(InvokeError::ShuttingDown))?;
        let interference = self.interference();
        let mut attempts_left = ATTEMPTS_MAX;
        loop {
            let process = self.process().await?;
            if interference == Interference::KillBefore {
                self.tallies.killed_before.one();
                return Err(self.kill_one(&process).await);
            }
            let started_ms = clock::now_ms();
            let outcome = process.invoke(&self.spec, payload.clone(), &lineage).await;
            attempts_left -= 1;
            match outcome {
                // The process ended before it saw the invocation and has done nothing, so another process can run the
                // invocation.
                Outcome::Exited { taken: false, .. } if attempts_left > 0 => continue,
                _ => self.ledger.invoked(process.pid, started_ms, clock::now_ms()),
            }
            match outcome {
                Outcome::Reply(_) if interference == Interference::KillAfter => {
                    self.tallies.killed_after.one();
                    return Err(self.kill_one(&process).await);
                }
                Outcome::Reply(reply) => {
                    lock(&self.idle).push(process);
                    return self.result(reply);
                }
                Outcome::TimedOut => return Err(self.timed_out()),
                Outcome::Exited { status, .. } => return Err(self.exited(status)),
            }
        }
    }

    /// Counts the invocation in its chain, and refuses it if Lambda would detect a loop.
    fn enter(&self, lineage: &mut Lineage) -> Result<(), InvokeError> {
        let hop = lineage.enter(&self.spec.binary);
        let stopped = hop > HOPS_MAX && !self.spec.loop_allowed;
        let mut hops = lock(&self.hops);
        hops.dropped += u64::from(stopped);
        if stopped {
            return Err(InvokeError::Loop { function: self.name() });
        }
        hops.most = hops.most.max(hop);
        Ok(())
    }

    pub(super) fn hops(&self) -> Hops {
        *lock(&self.hops)
    }

    fn interference(&self) -> Interference {
        let Some(plan) = &self.interference else {
            return Interference::Go;
        };
        plan(&Invocation {
            function: self.name(),
            ordinal: self.tallies.invocations.one(),
        })
    }

    /// Kills the process that ran the invocation, or was about to get it. The invocation fails.
    async fn kill_one(&self, process: &Process) -> InvokeError {
        self.count_kill(process);
        self.exited(process.end().await)
    }

    fn count_kill(&self, process: &Process) {
        if process.kill() {
            self.tallies.killed.one();
        }
    }

    /// Starts one process unless a warm one exists.
    pub(super) async fn prewarm(&self) -> Result<(), InvokeError> {
        let _permit = self.permits.acquire().await.or(Err(InvokeError::ShuttingDown))?;
        let process = self.process().await.inspect_err(|error| self.note(error))?;
        lock(&self.idle).push(process);
        Ok(())
    }

    /// Kills every process, including those that are still starting. Running invocations fail.
    pub(super) async fn kill(&self) {
        let processes = self.take_all();
        // Signals all processes before it waits for one, because the caller may be cancelled when the first process
        // ends.
        processes.iter().for_each(|process| self.count_kill(process));
        for process in processes {
            process.end().await;
        }
    }

    /// Running invocations fail.
    pub(super) async fn end(&self) {
        for process in self.take_all() {
            process.end().await;
        }
    }

    fn take_all(&self) -> Vec<Arc<Process>> {
        lock(&self.idle).clear();
        std::mem::take(&mut *lock(&self.all))
    }

    pub(super) fn counts(&self) -> ProcessCounts {
        ProcessCounts {
            running: lock(&self.all).iter().filter(|process| !process.has_exited()).count(),
            spawned: self.tallies.spawned.total(),
            killed: self.tallies.killed.total(),
        }
    }

    /// Counts of deliberately killed processes: before they saw the invocation, and after they replied.
    pub(super) fn interferences(&self) -> (u64, u64) {
        (self.tallies.killed_before.total(), self.tallies.killed_after.total())
    }

    /// Refuses further invocations.
    pub(super) fn close(&self) {
        self.permits.close();
    }

    /// The last failed start, if no start has succeeded since.
    pub(super) fn init_failure(&self) -> Option<InitFailure> {
        lock(&self.backoff).as_ref().map(|backoff| backoff.failure.clone())
    }

    /// The remaining pause before the next start.
    pub(super) fn pause_left(&self) -> Option<Duration> {
        lock(&self.backoff)
            .as_ref()
            .map(|backoff| backoff.until.saturating_duration_since(Instant::now()))
    }

    /// A warm process, the most recently used first, or else a new process.
    async fn process(&self) -> Result<Arc<Process>, InvokeError> {
        if *self.shutdown.borrow() {
            return Err(InvokeError::ShuttingDown);
        }
        let warm = || lock(&self.idle).pop();
        while let Some(process) = warm() {
            if process.is_usable() {
                return Ok(process);
            }
        }
        self.start().await
    }

    async fn start(&self) -> Result<Arc<Process>, InvokeError> {
        if let Some(backoff) = lock(&self.backoff)
            .as_ref()
            .filter(|backoff| Instant::now() < backoff.until)
        {
            return Err(backoff.failure.clone().into());
        }
        for _ in 0..ATTEMPTS_MAX {
            match self.start_once().await {
                Ok(process) => {
                    lock(&self.backoff).take();
                    self.ledger.started(&self.spec.binary, process.pid);
                    return Ok(process);
                }
                Err(_) if *self.shutdown.borrow() => return Err(InvokeError::ShuttingDown),
                // A deliberate kill is not the function's failure, so the next start need not wait.
                Err(NotReady { killed: true, .. }) => {}
                Err(NotReady { failure, .. }) => {
                    self.back_off(&failure);
                    return Err(failure.into());
                }
            }
        }
        Err(self.exited("a kill during each start".to_owned()))
    }

    /// Starts one process. The process joins `all` before it is ready, so that it can be killed while it starts.
    async fn start_once(&self) -> Result<Arc<Process>, NotReady> {
        let process = match Process::start(&self.spec, &self.log, self.shutdown.clone()).await {
            Ok(process) => Arc::new(process),
            Err(failure) => return Err(NotReady { failure, killed: false }),
        };
        self.tallies.spawned.one();
        {
            let mut all = lock(&self.all);
            all.retain(|process| !process.has_exited());
            all.push(process.clone());
        }
        process.ready(&self.spec).await?;
        Ok(process)
    }

    fn back_off(&self, failure: &InitFailure) {
        let mut backoff = lock(&self.backoff);
        let pause = backoff
            .as_ref()
            .map_or(PAUSE_FIRST, |last| (last.pause * 2).min(PAUSE_MAX));
        *backoff = Some(Backoff {
            failure: failure.clone(),
            pause,
            until: Instant::now() + pause,
        });
    }

    fn result(&self, reply: Reply) -> Result<Bytes, InvokeError> {
        match reply {
            Reply::Response(bytes) => Ok(bytes),
            Reply::Error { error_type } => Err(InvokeError::Function {
                function: self.name(),
                error_type,
            }),
            Reply::TooLarge => Err(InvokeError::ResponseTooLarge { function: self.name() }),
        }
    }

    fn exited(&self, status: String) -> InvokeError {
        let function = self.name();
        InvokeError::Exited { function, status }
    }

    fn timed_out(&self) -> InvokeError {
        InvokeError::TimedOut {
            function: self.name(),
            after_secs: self.spec.timeout.as_secs(),
        }
    }

    fn note(&self, error: &InvokeError) {
        (self.log)(LogLine {
            function: self.name(),
            pid: 0,
            text: error.to_string(),
        });
    }

    fn name(&self) -> String {
        self.spec.binary.to_string()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
