//! Counts of a running sandbox: calls to AWS with their weights, invocations, lines of log, metrics.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use sandbox_aws::{Service, Weight};
use sandbox_host::template::{Bindings, Stack};
use sandbox_host::{access_key_id, is_event_source};
use sandbox_machine::{Sandbox, SandboxOptions};
use shared::clock;

use crate::{Problem, root};

/// Bytes that CloudWatch Logs adds to each line (docs.aws.amazon.com, CloudWatch Logs API reference, `PutLogEvents`).
const LINE_BYTES: usize = 26;

/// The counts of a span of time.
#[derive(Debug, Default)]
pub struct Tally {
    pub calls: Vec<Weight>,
    pub log_bytes: usize,
    /// Metrics by name and dimensions.
    pub metrics: BTreeSet<String>,
    pub invocations: f64,
    pub gb_seconds: f64,
    pub webhooks: f64,
}

impl Tally {
    /// The sum over the calls of a service whose operation passes `is_meant`.
    pub fn sum(&self, service: Service, is_meant: impl Fn(&str) -> bool, figure: impl Fn(&Weight) -> f64) -> f64 {
        let calls = self.calls.iter();
        let calls = calls.filter(|weight| weight.call.service == service && is_meant(&weight.call.operation));
        calls.map(figure).sum()
    }
}

#[derive(Clone)]
pub struct Counter {
    tally: Arc<Mutex<Tally>>,
    stack: Arc<Stack>,
}

impl Counter {
    /// Adds a counter to these options. It counts for the sandbox that starts with them.
    pub fn watch(options: &mut SandboxOptions) -> Result<Self, Problem> {
        // These parameters have no default. Their values do not matter, because only the functions' memory is read.
        let parameters = [
            "FacilityId",
            "JwtIssuer",
            "JwtAudience",
            "RedirectAllowlist",
            "RecordLinkHosts",
        ];
        let bindings = Bindings::new("us-east-1", "000000000000", "ias");
        let bindings = parameters.iter().fold(bindings, |bindings, name| {
            bindings.with_parameter(*name, "https://app.example.test")
        });
        let template = std::fs::read_to_string(root().join("template.yaml"))?;
        let counter = Self {
            tally: Arc::default(),
            stack: Arc::new(Stack::read(&template, &bindings)?),
        };
        let [calls, lines, data] = [&counter; 3].map(Self::clone);
        options.meter = Some(Arc::new(move |weight| calls.weigh(weight)));
        options.log = Arc::new(move |line| lines.change(|tally| tally.log_bytes += line.text.len() + LINE_BYTES));
        options.metrics = Some(Arc::new(move |line| {
            let names = line.read.unwrap_or_default().into_iter();
            let names = names.map(|datum| format!("{} {:?}", datum.name, datum.dimensions));
            data.change(|tally| tally.metrics.extend(names));
        }));
        Ok(counter)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn weigh(&self, weight: &Weight) {
        let caller = weight.call.access_key_id.as_deref().unwrap_or_default();
        let prefix = access_key_id("");
        let is_function = caller.starts_with(&prefix) && caller != prefix;
        // Empty polls are left out, because the host polls at another rate than Lambda. The bill of the idle stack
        // contains Lambda's empty polls.
        let is_empty = is_event_source(caller) && weight.call.operation == "ReceiveMessage" && weight.messages == 0;
        if is_function && !is_empty {
            self.change(|tally| tally.calls.push(weight.clone()));
        }
    }

    /// Takes the counts since the last call. They lack the figures of invocations, which `during` adds.
    pub fn take(&self) -> Tally {
        self.change(std::mem::take)
    }

    /// Runs some work, and returns the counts that it causes.
    pub async fn during<T>(
        &self,
        sandbox: &Sandbox,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<Tally, Problem> {
        let begun_ms = u64::try_from(clock::now().millis())?;
        self.take();
        work.await?;
        let mut tally = self.take();
        for process in sandbox.host().process_table() {
            let function = self.stack.function(&process.function).ok_or("an unknown function")?;
            let gb = function.memory_mb as f64 / 1024.0;
            let invocations = process.invocations.iter().filter(|(begun, _)| *begun >= begun_ms);
            for (begun, ended) in invocations {
                tally.invocations += 1.0;
                tally.webhooks += f64::from(process.function == "webhook-intake");
                // Lambda bills each millisecond that has begun.
                tally.gb_seconds += gb * ended.saturating_sub(*begun).max(1) as f64 / 1000.0;
            }
        }
        Ok(tally)
    }
}
