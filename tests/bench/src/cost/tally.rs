//! What is counted while the sandbox runs: calls to AWS with their weights, invocations, lines of log, metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sandbox_aws::{Service, Weight};
use sandbox_host::is_event_source;
use sandbox_machine::{Sandbox, SandboxOptions};

use super::template::Template;
use crate::Problem;

/// The functions' access key ids begin with this and go on; whoever sets the sandbox up has it alone.
const FUNCTIONS: &str = "SANDBOX";
/// SQS counts a request for each of these.
const CHUNK_BYTES: u64 = 64 * 1024;
/// CloudWatch Logs adds so much to each line (docs.aws.amazon.com, CloudWatch Logs API reference, `PutLogEvents`).
const LINE_BYTES: u64 = 26;

/// Calls of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Calls {
    pub(super) count: u64,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) read_units: f64,
    pub(super) write_units: f64,
    /// Requests as SQS bills them.
    pub(super) chunks: u64,
}

/// Everything so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) calls: BTreeMap<(Service, String), Calls>,
    pub(super) log_bytes: u64,
    /// Metrics, each by name and dimensions, with how many values it has had.
    pub(super) metrics: BTreeMap<String, u64>,
    pub(super) invocations: u64,
    pub(super) gb_seconds: f64,
    pub(super) webhooks: u64,
}

/// Counts, from everywhere.
#[derive(Clone, Default)]
pub(super) struct Counter(Arc<Mutex<Tally>>);

impl Counter {
    /// Lets a sandbox that is started with these options be counted.
    pub(super) fn watch(&self, options: &mut SandboxOptions) {
        let counter = self.clone();
        options.meter = Some(Arc::new(move |weight| counter.weigh(weight)));
        let counter = self.clone();
        options.log = Arc::new(move |line| {
            let bytes = u64::try_from(line.text.len()).unwrap_or(u64::MAX);
            counter.change(|tally| tally.log_bytes += bytes + LINE_BYTES);
        });
        let counter = self.clone();
        options.metrics = Some(Arc::new(move |line| {
            let names = line.read.unwrap_or_default().into_iter();
            let names = names.map(|datum| format!("{} {:?}", datum.name, datum.dimensions));
            counter.change(|tally| names.for_each(|name| *tally.metrics.entry(name).or_insert(0) += 1));
        }));
    }

    fn change(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn weigh(&self, weight: &Weight) {
        let caller = weight.call.access_key_id.as_deref().unwrap_or_default();
        let is_ours = caller.len() > FUNCTIONS.len() && caller.starts_with(FUNCTIONS);
        // The host asks its queues as often as it likes. What Lambda's pollers ask in vain is counted with what an idle
        // stack costs.
        let in_vain = is_event_source(caller) && weight.call.operation == "ReceiveMessage" && weight.messages == 0;
        if !is_ours || in_vain {
            return;
        }
        let key = (weight.call.service, weight.call.operation.clone());
        let bytes = weight.request_bytes.max(weight.response_bytes);
        self.change(|tally| {
            let calls = tally.calls.entry(key).or_default();
            calls.count += 1;
            calls.request_bytes += weight.request_bytes;
            calls.response_bytes += weight.response_bytes;
            calls.read_units += weight.read_units;
            calls.write_units += weight.write_units;
            if weight.call.service == Service::Sqs {
                calls.chunks += bytes.div_ceil(CHUNK_BYTES).max(1);
            }
        });
    }

    /// Everything so far, with what the sandbox itself has noted.
    pub(super) fn read(&self, sandbox: &Sandbox, template: &Template) -> Result<Tally, Problem> {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for process in sandbox.host().process_table() {
            let gb = template.memory_gb(&process.function)?;
            for (begun, ended) in &process.invocations {
                // Billed by the millisecond, rounded up; both ends are known to the millisecond.
                let millis = u32::try_from(ended.saturating_sub(*begun).max(1))?;
                tally.invocations += 1;
                tally.gb_seconds += gb * f64::from(millis) / 1000.0;
            }
        }
        tally.webhooks = u64::try_from(sandbox.stand_in().deliveries().len())?;
        Ok(tally)
    }
}

impl Tally {
    /// What came between.
    pub(super) fn since(&self, before: &Self) -> Self {
        let calls = self.calls.iter().map(|(key, now)| {
            let then = before.calls.get(key).copied().unwrap_or_default();
            let came = Calls {
                count: now.count - then.count,
                request_bytes: now.request_bytes - then.request_bytes,
                response_bytes: now.response_bytes - then.response_bytes,
                read_units: now.read_units - then.read_units,
                write_units: now.write_units - then.write_units,
                chunks: now.chunks - then.chunks,
            };
            (key.clone(), came)
        });
        Self {
            calls: calls.filter(|(_, came)| came.count > 0).collect(),
            log_bytes: self.log_bytes - before.log_bytes,
            metrics: self
                .metrics
                .iter()
                .map(|(name, values)| (name.clone(), values - before.metrics.get(name).copied().unwrap_or(0)))
                .filter(|(_, values)| *values > 0)
                .collect(),
            invocations: self.invocations - before.invocations,
            gb_seconds: self.gb_seconds - before.gb_seconds,
            webhooks: self.webhooks - before.webhooks,
        }
    }

    /// The sum over the calls of a service.
    pub(super) fn sum(&self, service: Service, of: impl Fn(&str, &Calls) -> f64) -> f64 {
        let calls = self.calls.iter().filter(|((called, _), _)| *called == service);
        calls.map(|((_, operation), calls)| of(operation, calls)).sum()
    }

    /// How many calls of each kind. Secrets are not among them: they are read when a process starts, and when one does
    /// is no matter of a pull.
    pub(super) fn counts(&self) -> BTreeMap<(Service, String), u64> {
        let calls = self.calls.iter();
        let calls = calls.filter(|((service, _), _)| *service != Service::SecretsManager);
        calls.map(|(key, calls)| (key.clone(), calls.count)).collect()
    }
}
