//! Records the calls of the functions, step by step.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use sandbox_aws::{Call, Observer, Service};
use sandbox_host::access_key_id;
use sandbox_machine::functions::FUNCTION_NAMES;

use crate::harness::TestApp;

/// Every call of a function to AWS so far.
#[derive(Default)]
pub struct Recorder(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Recorder {
    /// Records the calls of functions, except reads of secrets.
    pub fn observer(&self) -> Observer {
        let (calls, keys) = (
            Arc::clone(&self.0),
            FUNCTION_NAMES.map(|name| (access_key_id(name), name)),
        );
        Arc::new(move |call: &Call| {
            let caller = keys.iter().find(|(key, _)| call.access_key_id.as_ref() == Some(key));
            if let Some((_, function)) = caller.filter(|_| call.service != Service::SecretsManager) {
                calls.lock().unwrap().push((function, call.operation.clone()));
            }
        })
    }

    /// An empty list of steps.
    pub fn steps<'a>(&self, app: &'a TestApp) -> Steps<'a> {
        Steps {
            app,
            calls: Arc::clone(&self.0),
            text: String::new(),
        }
    }
}

/// The steps so far, each with its calls.
pub struct Steps<'a> {
    app: &'a TestApp,
    calls: Arc<Mutex<Vec<(&'static str, String)>>>,
    text: String,
}

impl Steps<'_> {
    /// Runs a step, and waits for its immediate consequences.
    pub async fn step(&mut self, name: &str, work: impl AsyncFnOnce()) {
        let (before, upstream_before) = (self.calls.lock().unwrap().len(), self.app.stand_in().calls().len());
        work().await;
        self.app.drain().await;
        let (calls, upstream) = (
            self.calls.lock().unwrap()[before..].to_vec(),
            self.upstream(upstream_before),
        );
        writeln!(self.text, "{name}").unwrap();
        for function in FUNCTION_NAMES {
            let aws = of(function, &calls).into_iter();
            let upstream = of(function, &upstream)
                .into_iter()
                .map(|call| format!("Metriport {call}"));
            let made: Vec<_> = aws.chain(upstream).collect();
            if !made.is_empty() {
                writeln!(self.text, "    {function}: {}", made.join(", ")).unwrap();
            }
        }
    }

    /// The functions' calls to the stand-in from call number `since` on. Calls of a browser are left out.
    fn upstream(&self, since: usize) -> Vec<(&'static str, String)> {
        let calls = self.app.stand_in().calls().split_off(since);
        let of_function = |call: sandbox_metriport::Call| {
            let by = |function: &&&str| call.user_agent.ends_with(&format!("({function})"));
            let function = match call.route {
                // `record-fetch` downloads a file without its name in the user agent.
                route if route.starts_with("/files") => "record-fetch",
                _ => FUNCTION_NAMES.iter().find(by)?,
            };
            Some((function, format!("{} {}", call.method, call.route)))
        };
        calls.into_iter().filter_map(of_function).collect()
    }

    /// Fails the test if the steps made other calls than expected, and prints the difference.
    pub fn compare(self, expected: &str) {
        let (expected, made) = (by_step(expected), by_step(&self.text));
        let mut differing = String::new();
        for (name, _) in expected
            .iter()
            .chain(made.iter().filter(|(name, _)| !expected.iter().any(|(n, _)| n == name)))
        {
            let lines = |steps: &[(String, Vec<String>)]| {
                let step = steps.iter().find(|(other, _)| other == name);
                step.map(|(_, lines)| lines.clone()).unwrap_or_default()
            };
            let (should, does) = (lines(&expected), lines(&made));
            if should != does {
                writeln!(differing, "{name}").unwrap();
                for line in should.iter().filter(|line| !does.contains(line)) {
                    writeln!(differing, "  - {line}").unwrap();
                }
                for line in does.iter().filter(|line| !should.contains(line)) {
                    writeln!(differing, "  + {line}").unwrap();
                }
            }
        }
        assert!(
            differing.is_empty(),
            "other calls (+) than expected (-):\n{differing}\nall of them:\n{}",
            self.text
        );
    }
}

/// The calls of each step: the lines indented under its name.
fn by_step(text: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("    "), steps.last_mut()) {
            (Some(calls), Some((_, lines))) => lines.push(calls.to_owned()),
            _ => steps.push((line.to_owned(), Vec::new())),
        }
    }
    steps
}

/// The calls of one function, each kind with its count.
fn of(function: &str, calls: &[(&'static str, String)]) -> Vec<String> {
    let mut counts = BTreeMap::new();
    for (_, call) in calls.iter().filter(|(by, _)| *by == function) {
        *counts.entry(call).or_insert(0) += 1;
    }
    counts
        .into_iter()
        .map(|(call, count)| {
            if count == 1 {
                call.clone()
            } else {
                format!("{count} {call}")
            }
        })
        .collect()
}
