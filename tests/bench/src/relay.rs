//! The sandbox starts a relay in the place of a function. The relay passes each event to the measured programs, and
//! returns the function's reply. So every event, and all state that the function reads, comes from a real pull.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use clap::ValueEnum;
use lambda_runtime::{LambdaEvent, service_fn};
use sandbox_aws::QueueSpec;
use sandbox_host::Runner;
use sandbox_machine::{Sandbox, SandboxOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::builds::Builds;
use crate::process::{Process, Variables};
use crate::tls::Front;
use crate::usage::Usage;
use crate::{Args, Part, Problem, cold, stream, webhook};

/// A queue without a consumer, for the yardsticks' messages, which must not reach a function.
const QUEUE: &str = "bench";
/// The access key id of calls that are not a function's. The sandbox treats them as calls of people, so functions'
/// policies do not apply.
pub const OPERATOR: &str = "BENCH";
/// The prefix of the lines in which a relay reports its failure.
const FAILED: &str = "relay: ";

/// The measured program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The function, as it is deployed.
    Function,
    /// The floor: the function's clients, built as directly as possible.
    Floor,
    /// The usual way to write the function.
    Usual,
}

/// One start of a program, with its first event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// The function in whose place the program ran.
    pub function: String,
    pub kind: Kind,
    /// From the program's start to its first poll, in ms.
    pub init_ms: f64,
    /// From the program's start to its first reply, in ms.
    pub first_ms: f64,
    /// Usage at the first poll.
    pub polled: Usage,
    /// Usage at the first reply.
    pub replied: Usage,
}

/// A relay; the sandbox starts and ends it.
pub struct Relay {
    /// The function that the relay replaces.
    pub function: String,
    part: Part,
    builds: Builds,
    front: Option<Front>,
    results: File,
    events: AtomicUsize,
}

/// Serves events of `function`: as a relay if the part measures the function, otherwise as the function itself.
pub fn serve(args: &Args, function: &str) -> ExitCode {
    let is_measured = match args.part {
        Part::Cold => true,
        Part::Webhook => function == "webhook-intake",
        Part::Stream => function == "record-fetch",
        Part::Pipeline | Part::Cost | Part::Touched | Part::All => false,
    };
    let Some(results) = args.results.as_ref().filter(|_| is_measured) else {
        return sandbox_machine::functions::run(function);
    };
    let serving = async {
        let relay = &Relay {
            function: function.to_owned(),
            part: args.part,
            builds: Builds::of(&args.profile)?,
            // The part `stream` transfers its records in plain HTTP.
            front: match args.part {
                Part::Stream => None,
                _ => Some(Front::start(servers()).await?),
            },
            results: File::options().append(true).open(results)?,
            events: AtomicUsize::new(0),
        };
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
            relay.handle(&event.payload).await
        }))
        .await
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let served = runtime
        .map_err(Problem::from)
        .and_then(|runtime| runtime.block_on(serving));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            print(&format!("{FAILED}{function}: {problem}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the relay's log, and the command's output")]
fn print(line: &str) {
    eprintln!("{line}");
}

/// The variables that the sandbox gives to the function.
#[expect(clippy::disallowed_methods, reason = "the variables are passed on unchanged")]
fn own_variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars()
}

/// Host and port of AWS's services and of Metriport.
fn servers() -> Vec<String> {
    let is_endpoint = |name: &str| name.starts_with("AWS_ENDPOINT_URL_") || name == "METRIPORT_BASE_URL";
    let endpoints = own_variables().filter(|(name, _)| is_endpoint(name));
    endpoints.map(|(_, url)| url.replace("http://", "")).collect()
}

impl Relay {
    /// Handles an event under the lock of the results' file, so that only one relay measures at a time. The blocking
    /// lock is safe, because a relay has one event at a time.
    async fn handle(&self, event: &Value) -> Result<Value, Problem> {
        self.results.lock()?;
        let event = match &self.front {
            // The event of `record-fetch` holds a link to a record, which must lead through the TLS listener. Other
            // events are signed, or hold no link that a function follows.
            Some(front) if self.function == "record-fetch" => front.secure(&event.to_string()),
            _ => event.to_string(),
        };
        let reply = match self.part {
            Part::Cold => cold::relay(self, &event.into()).await,
            Part::Webhook => webhook::relay(self, &event.into()).await,
            _ => stream::relay(self, &event.into()).await,
        };
        self.results.unlock()?;
        let reply = reply.inspect_err(|problem| print(&format!("{FAILED}{}: {problem}", self.function)))?;
        Ok(serde_json::from_slice(&reply)?)
    }

    /// Returns 0 at the first call, and one more at each further call.
    pub fn turn(&self) -> usize {
        self.events.fetch_add(1, Ordering::Relaxed)
    }

    /// Starts a program, waits for its first poll, and returns the time between in ms. With `apart`, the program calls
    /// AWS under `OPERATOR`, and sends its messages to the queue without a consumer.
    pub async fn start(&self, kind: Kind, apart: bool) -> Result<(Process, f64), Problem> {
        let program = match kind {
            Kind::Function => self.builds.function(&self.function),
            Kind::Floor => self.builds.floor(&self.function),
            Kind::Usual => self.builds.usual(),
        };
        let (process, init) = Process::start(&program, &self.variables(apart)).await?;
        Ok((process, init.as_secs_f64() * 1e3))
    }

    fn variables(&self, apart: bool) -> Variables {
        let mut variables: Variables = own_variables().collect();
        if let Some(front) = &self.front {
            variables.values_mut().for_each(|value| *value = front.secure(value));
            let roots = [("EXTRA_ROOTS_FILE", front.root()), ("SSL_CERT_FILE", front.all_roots())];
            variables.extend(roots.map(|(name, path)| (name.to_owned(), path.display().to_string())));
        }
        if apart {
            variables.insert("AWS_ACCESS_KEY_ID".to_owned(), OPERATOR.to_owned());
            variables.insert("YARDSTICK_CALLS".to_owned(), cold::calls(&self.function).to_owned());
            let queues = variables.iter_mut().filter(|(name, _)| name.ends_with("_QUEUE_URL"));
            for (_, url) in queues {
                let account = url.rsplit_once('/').map_or("", |(account, _)| account);
                *url = format!("{account}/{QUEUE}");
            }
        }
        variables
    }

    /// Starts a program, sends it one event, and kills it.
    pub async fn run(&self, kind: Kind, event: &Bytes) -> Result<(Run, Bytes), Problem> {
        let (mut process, init_ms) = self.start(kind, kind != Kind::Function).await?;
        let polled = process.usage()?;
        let (first, reply) = process.invoke(event).await?;
        let replied = process.usage()?;
        process.kill().await?;
        let run = Run {
            function: self.function.clone(),
            kind,
            init_ms,
            first_ms: first.as_secs_f64() * 1e3,
            polled,
            replied,
        };
        Ok((run, reply))
    }

    /// Writes a measurement.
    pub fn note(&self, measurement: &impl Serialize) -> Result<(), Problem> {
        let line = serde_json::to_string(measurement)? + "\n";
        Ok((&self.results).write_all(line.as_bytes())?)
    }
}

/// A sandbox whose functions are relays.
pub struct Measurement {
    pub sandbox: Sandbox,
    results: NamedTempFile,
}

impl Measurement {
    pub async fn start(part: Part, args: &Args, mut options: SandboxOptions) -> Result<Self, Problem> {
        let results = NamedTempFile::new()?;
        let part = part.to_possible_value().ok_or("the part has no name")?;
        let path = results
            .path()
            .to_str()
            .ok_or("the path of the temporary file is not UTF-8")?;
        let relay = [part.get_name(), "--profile", &args.profile, "--results", path];
        options.runner = Runner::SelfExec {
            exe: std::env::current_exe()?,
            args: relay.map(str::to_owned).to_vec(),
        };
        options.log = Arc::new(|line| {
            if line.text.starts_with(FAILED) {
                print(&line.text);
            }
        });
        let sandbox = Sandbox::start(options).await?;
        let queue = QueueSpec {
            name: QUEUE.to_owned(),
            visibility_timeout_secs: 30,
            delay_secs: 0,
            retention_secs: 3600,
            redrive: None,
        };
        sandbox.aws().create_queue(queue).await?;
        Ok(Self { sandbox, results })
    }

    /// Ends the sandbox, and returns all measurements of its relays.
    pub async fn end<T: DeserializeOwned>(self) -> Result<Vec<T>, Problem> {
        self.sandbox.shutdown().await?;
        let lines = BufReader::new(self.results.reopen()?).lines();
        lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
    }
}
