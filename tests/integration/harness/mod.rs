//! A running sandbox with verbs for an app, a person and an operator. A verb that waits polls a condition, and fails
//! after a bound.

mod cloud;
mod metrics;
mod person;
mod pulling;
mod refusing;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_host::cloudwatch::MetricLine;
use sandbox_host::{ProcessSpan, Runner};
use sandbox_machine::pace::{followed, stretched};
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{Delays, StandIn, StandInOptions};
use shared::domain::Timing;

pub use cloud::QUEUES;
pub use person::{Passed, Person};
pub use refusing::{pointers, refused, retry_after};

/// Longest wait for a condition on a machine that can follow the requested time scale.
pub const BOUND: Duration = Duration::from_secs(60);

/// A running sandbox, with its functions' log and metrics.
pub struct TestApp {
    sandbox: Sandbox,
    time_scale: u32,
    log: Arc<Mutex<Vec<String>>>,
    metrics: Arc<Mutex<Vec<MetricLine>>>,
}

impl TestApp {
    /// A sandbox with short delays in the stand-in.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A sandbox with changed options. Time runs at `time_scale`, or slower if this machine cannot follow.
    pub async fn with(change: impl FnOnce(&mut SandboxOptions)) -> Self {
        let exe = PathBuf::from(env!("CARGO_BIN_EXE_ias"));
        let mut options = SandboxOptions::new(Runner::SelfExec {
            exe,
            args: vec!["function".to_owned()],
        });
        options.stand_in = StandInOptions {
            delays: Delays::all(60),
            ..StandInOptions::default()
        };
        options.schedule_scale = 0;
        options.throttled = false;
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        options.log = Arc::new(move |line| {
            if line.text.starts_with("refused by the policy") {
                tell(&line.text);
            }
            sink.lock().unwrap().push(format!("{}: {}", line.function, line.text));
        });
        let metrics = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&metrics);
        options.metrics = Some(Arc::new(move |line| sink.lock().unwrap().push(line)));
        change(&mut options);
        let time_scale = followed(options.time_scale);
        if options.stand_in.time_scale == options.time_scale {
            options.stand_in.time_scale = time_scale;
        }
        options.time_scale = time_scale;
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        Self {
            sandbox,
            time_scale,
            log,
            metrics,
        }
    }

    /// A duration of the functions at this time scale.
    pub fn scaled(&self, duration: Duration) -> Duration {
        duration / self.time_scale
    }

    /// The functions' durations.
    pub fn timing(&self) -> Timing {
        Timing::scaled(self.time_scale)
    }

    /// A person whose first name selects the persona, and who has consented to the notice in force.
    pub async fn person(&self, subject: &str, first_name: &str) -> Person {
        let person = self.newcomer(subject, first_name);
        person.give_consent().await;
        person
    }

    /// A person who has not consented.
    pub fn newcomer(&self, subject: &str, first_name: &str) -> Person {
        Person::new(&self.sandbox, subject, first_name)
    }

    /// The sandbox.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The sandbox, for a test whose shutdown fails.
    pub fn into_sandbox(self) -> Sandbox {
        self.sandbox
    }

    /// The stand-in for Metriport.
    pub fn stand_in(&self) -> &StandIn {
        self.sandbox.stand_in()
    }

    /// Every line that the functions have written.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Invokes `reconcile` once, as the schedule would.
    pub async fn reconcile(&self) {
        self.sandbox
            .host()
            .invoke_schedule("reconcile")
            .await
            .expect("the reconciler runs");
    }

    /// Invokes `log-seal` once, as the schedule would. Returns how many days it sealed, or its failure.
    pub async fn seal(&self) -> Result<u64, String> {
        let invoked = self.sandbox.host().invoke_schedule("log-seal").await;
        let reply = invoked.map_err(|error| error.to_string())?;
        Ok(reply["sealed"].as_u64().expect("a number"))
    }

    /// A function's processes since the start.
    pub fn processes(&self, function: &str) -> Vec<ProcessSpan> {
        self.sandbox
            .host()
            .process_table()
            .into_iter()
            .filter(|span| span.function == function)
            .collect()
    }

    /// Whether two invocations of a function ran at the same time, in different processes.
    pub fn overlapped(&self, function: &str) -> bool {
        let processes = self.processes(function);
        let overlap = |a: &ProcessSpan, b: &ProcessSpan| {
            a.invocations
                .iter()
                .any(|(start, end)| b.invocations.iter().any(|(s, e)| start < e && s < end))
        };
        processes
            .iter()
            .enumerate()
            .any(|(index, a)| processes.iter().skip(index + 1).any(|b| overlap(a, b)))
    }

    /// Waits until the functions have processed all messages. Delayed messages may remain.
    pub async fn drain(&self) {
        let host = self.sandbox.host();
        let queues = self.sandbox.aws().queues();
        until("the queues are worked off", async || {
            let idle = |name: &str| !is_dead_letters(name);
            let depths = queues.depths();
            let busy = depths
                .iter()
                .any(|(name, depth)| idle(name) && depth.visible + depth.in_flight > 0);
            (!busy && host.in_flight() == 0).then_some(())
        })
        .await;
    }

    /// The number of dead letters.
    pub fn dead_letters(&self) -> usize {
        let depths = self.sandbox.aws().queues().depths();
        assert_eq!(
            depths.keys().filter(|name| is_dead_letters(name)).count(),
            4,
            "every queue has its dead letters"
        );
        let dead = depths.iter().filter(|(name, _)| is_dead_letters(name));
        dead.map(|(_, depth)| depth.visible + depth.in_flight + depth.delayed)
            .sum()
    }

    /// Drains and shuts down; fails if a dead letter is left.
    pub async fn end(self) {
        self.drain().await;
        assert_eq!(
            self.dead_letters(),
            0,
            "dead letters; the functions said:\n{}",
            self.log().join("\n")
        );
        self.stop().await;
    }

    /// Shuts down even if functions did not start.
    pub async fn break_off(self) {
        self.sandbox.shutdown().await.expect("the sandbox ends");
    }

    /// Shuts down even if messages are left.
    pub async fn stop(self) {
        // Fails on metrics that CloudWatch would drop silently.
        self.data();
        assert!(
            self.sandbox.host().init_failures().is_empty(),
            "functions that did not start"
        );
        self.sandbox.shutdown().await.expect("the sandbox ends");
    }
}

/// Prints a call that the policy refused. Otherwise the test might fail with a timeout only.
#[expect(clippy::print_stderr, reason = "the output of a failing test")]
fn tell(text: &str) {
    eprintln!("{text}");
}

fn is_dead_letters(queue: &str) -> bool {
    queue.ends_with("DeadLetters")
}

/// Polls until there is a value. Fails after [`BOUND`], or later on a slow machine.
pub async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut asking = pin!(async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    });
    if let Ok(answer) = tokio::time::timeout(BOUND, &mut asking).await {
        return answer;
    }
    let bound = stretched(BOUND);
    match tokio::time::timeout(bound - BOUND, asking).await {
        Ok(answer) => answer,
        Err(_elapsed) => panic!("timed out after {bound:?} while waiting until {what}"),
    }
}
