//! The API under trial, and tokens for it with arbitrary claims.

use std::sync::Arc;

use sandbox_host::{Issuer, Runner};
use sandbox_machine::app::App;
use sandbox_machine::sandbox::{AUDIENCE, ISSUER, TOKEN_SECS, demographics_claims};
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{CallInfo, Delays, Failure, Interceptor, Operation, PerMinute, StandInOptions};
use serde_json::{Map, Value, json};
use shared::clock;

use crate::verified::demographics;

/// The claim with the external id: not `sub`, so that two persons can have one id.
const EXTERNAL_ID_CLAIM: &str = "member";
/// The stand-in's delay of each call about a patient. The number of these calls then decides how long a link takes.
const PATIENT_CALL_MS: u64 = 200;
/// How long the stand-in takes for a record, so that the records of a flood wait for each other.
const CONSOLIDATED_MS: u64 = 3_000;
/// Patient writes a minute that the stand-in allows. Links then wait for the stand-in's answers, and not for the rate
/// budget.
const PATIENT_WRITES: u32 = 1_000;

/// An API that takes tokens of the sandbox's issuer.
pub(super) struct Target {
    base_url: String,
    issuer: Issuer,
    /// The number of the trial's first person. It comes from the clock, because persons of an earlier trial may still
    /// exist.
    first: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) subject: String,
    pub(super) demographics: Value,
}

impl Target {
    /// The API at this URL.
    pub(super) fn at(base_url: &str) -> Result<Self, String> {
        let seconds = clock::now().millis() / 1_000 % 1_000_000;
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            issuer: Issuer::new(ISSUER, AUDIENCE).map_err(|error| error.to_string())?,
            first: usize::try_from(seconds).unwrap_or_default(),
        })
    }

    /// A person with unique demographics.
    pub(super) fn person(&self, number: usize) -> Person {
        let number = self.first + number;
        Person {
            subject: format!("trial-{number}"),
            demographics: demographics(number),
        }
    }

    /// The app of a person whose token is complete, except for these claims.
    pub(super) fn app(&self, person: &Person, otherwise: &Value) -> Result<App, String> {
        let mut claims = complete(person);
        for (name, value) in otherwise.as_object().into_iter().flatten() {
            claims.insert(name.clone(), value.clone());
        }
        let token = self.issuer.token(&person.subject, &claims, TOKEN_SECS, now_secs());
        let token = token.map_err(|error| error.to_string())?;
        App::new(&self.base_url, &token).map_err(|error| error.to_string())
    }
}

/// The claims of a complete token, besides those that the issuer always adds.
fn complete(person: &Person) -> Map<String, Value> {
    let mut claims = demographics_claims(&person.demographics);
    claims.insert(EXTERNAL_ID_CLAIM.to_owned(), json!(person.subject));
    claims
}

pub(super) fn now_secs() -> u64 {
    u64::try_from(clock::now().millis() / 1_000).unwrap_or_default()
}

/// A sandbox whose deployment has every optional check on.
pub(super) async fn start(runner: Runner) -> Result<Sandbox, String> {
    let mut options = SandboxOptions::new(runner);
    let external_id = ("EXTERNAL_ID_CLAIM".to_owned(), EXTERNAL_ID_CLAIM.to_owned());
    options.extra_env.push(external_id);
    options.bind_demographics = true;
    options.throttled = false;
    options.stand_in = StandInOptions {
        auto_approve: true,
        delays: Delays {
            consolidated_ms: CONSOLIDATED_MS,
            ..Delays::default()
        },
        limits: PerMinute {
            patient: PATIENT_WRITES,
            ..PerMinute::default()
        },
        ..StandInOptions::default()
    };
    options.faults.upstream = Some(Arc::new(SlowPatients));
    Sandbox::start(options).await.map_err(|error| error.to_string())
}

/// Delays calls about patients.
struct SlowPatients;

impl Interceptor for SlowPatients {
    fn decide(&self, call: &CallInfo) -> Option<Failure> {
        let about_patients = matches!(
            call.operation,
            Operation::FindPatient | Operation::CreatePatient | Operation::UpdatePatient
        );
        about_patients.then_some(Failure::HangFor(PATIENT_CALL_MS))
    }
}
