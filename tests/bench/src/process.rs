//! One process of a function or a yardstick, served by its own Lambda Runtime API (docs.aws.amazon.com, "Using the
//! Lambda runtime API for custom runtimes").

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use shared::clock;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::Problem;
use crate::usage::Usage;

pub type Variables = BTreeMap<String, String>;

/// Time limit of an event in milliseconds: the longest that Lambda allows.
const LIFE_MS: i64 = 900_000;

/// A process that waits for an event, killed when dropped.
pub struct Process {
    child: Child,
    started: Instant,
    events: mpsc::Sender<Bytes>,
    steps: mpsc::UnboundedReceiver<Step>,
    _api: JoinSet<std::io::Result<()>>,
}

/// An action of the process, with its time.
#[derive(Debug)]
enum Step {
    Polled(Instant),
    Replied(Instant, Bytes),
    Failed(Bytes),
}

impl Process {
    /// Starts a program with these variables in addition to this process's own, and waits for its first poll. Returns
    /// the time from the start to that poll.
    pub async fn start(program: &Path, variables: &Variables) -> Result<(Self, Duration), Problem> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = listener.local_addr()?.to_string();
        let (events, inbox) = mpsc::channel(1);
        let (outbox, steps) = mpsc::unbounded_channel();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(replied))
            .fallback(failed)
            .with_state(Arc::new(RuntimeApi {
                events: Mutex::new(inbox),
                steps: outbox,
            }));
        let mut api = JoinSet::new();
        // Without this, small replies wait for the peer's acknowledgement. A failure is harmless.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        api.spawn(axum::serve(listener, router).into_future());
        let mut command = Command::new(program);
        command
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", host)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let started = Instant::now();
        let mut process = Self {
            child: command.spawn()?,
            started,
            events,
            steps,
            _api: api,
        };
        let polled = process.polled().await?;
        Ok((process, polled - started))
    }

    /// Waits until the process polls for an event.
    pub async fn polled(&mut self) -> Result<Instant, Problem> {
        match self.step().await? {
            Step::Polled(at) => Ok(at),
            other => Err(format!("expected a poll, got {other:?}").into()),
        }
    }

    /// Sends an event to the process. Returns the reply, and the time from the process's start to the reply.
    pub async fn invoke(&mut self, event: &Bytes) -> Result<(Duration, Bytes), Problem> {
        self.events.send(event.clone()).await?;
        match self.step().await? {
            Step::Replied(at, reply) => Ok((at - self.started, reply)),
            other => Err(format!("expected a reply, got {other:?}").into()),
        }
    }

    pub fn usage(&self) -> Result<Usage, Problem> {
        Usage::of(self.child.id().ok_or("the process has ended")?)
    }

    /// Kills the process and waits for its end, so that the end does not disturb the next measurement.
    pub async fn kill(mut self) -> Result<(), Problem> {
        Ok(self.child.kill().await?)
    }

    async fn step(&mut self) -> Result<Step, Problem> {
        tokio::select! {
            // Steps that the process reported before its end come first.
            biased;
            Some(step) = self.steps.recv() => match step {
                Step::Failed(error) => Err(String::from_utf8_lossy(&error).into()),
                Step::Polled(_) | Step::Replied(..) => Ok(step),
            },
            status = self.child.wait() => Err(format!("the process ended with {}", status?).into()),
        }
    }
}

struct RuntimeApi {
    events: Mutex<mpsc::Receiver<Bytes>>,
    steps: mpsc::UnboundedSender<Step>,
}

impl RuntimeApi {
    fn tell(&self, step: Step) {
        // The receiver is gone once the process is dropped.
        self.steps.send(step).ok();
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    api.tell(Step::Polled(Instant::now()));
    let Some(event) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline_ms = (clock::now().millis() + LIFE_MS).to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", &deadline_ms),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:bench",
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        ),
        ("content-type", "application/json"),
    ];
    (headers, event).into_response()
}

async fn replied(State(api): State<Arc<RuntimeApi>>, reply: Bytes) -> StatusCode {
    api.tell(Step::Replied(Instant::now(), reply));
    StatusCode::ACCEPTED
}

async fn failed(State(api): State<Arc<RuntimeApi>>, error: Bytes) -> StatusCode {
    api.tell(Step::Failed(error));
    StatusCode::ACCEPTED
}
