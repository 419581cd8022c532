//! Options of a stand-in.

use std::path::PathBuf;
use std::time::Duration;

use sandbox_fhir::NetworkRecord;

use crate::interceptor::FaultPlan;
use crate::limits::PerMinute;
use crate::personas::Persona;
use crate::variants::Variants;

/// Factor by which [`Persona::SlowSource`] lengthens the lab's delay.
pub(crate) const SLOW_FACTOR: u32 = 8;

/// Delays in milliseconds, before `time_scale` divides them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// From a finished proofing to its webhook.
    pub identity_webhook_ms: u64,
    /// From the start of a network query to the end of its HIE source.
    pub hie_ms: u64,
    /// From the start of a network query to the end of its pharmacy source.
    pub pharmacy_ms: u64,
    /// From the start of a network query to the end of its lab source.
    pub lab_ms: u64,
    /// From the start of a consolidated query to its end.
    pub consolidated_ms: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            identity_webhook_ms: 200,
            hie_ms: 1200,
            pharmacy_ms: 1800,
            lab_ms: 2500,
            consolidated_ms: 500,
        }
    }
}

impl Delays {
    /// The same delay for everything; tests use a short one.
    #[must_use]
    pub const fn all(ms: u64) -> Self {
        Self {
            identity_webhook_ms: ms,
            hie_ms: ms,
            pharmacy_ms: ms,
            lab_ms: ms,
            consolidated_ms: ms,
        }
    }
}

/// A wait that the stand-in imposes. A measurement can subtract it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// From a finished proofing to its webhook.
    IdentityWebhook,
    /// From the start of a network query with all three sources to its end.
    NetworkQuery,
    /// One consolidated query.
    ConsolidatedQuery,
    /// A whole pull: the network query, then the consolidated query.
    Pull,
}

/// Options of a stand-in. The default checks AAL2 sessions, applies the per-minute limits, and asks the person for
/// codes.
#[derive(Debug, Clone)]
pub struct StandInOptions {
    /// TCP port on 127.0.0.1; 0 takes a free port.
    pub port: u16,
    /// Seed of every id, token, key and sample record.
    pub seed: u64,
    /// Delays of events.
    pub delays: Delays,
    /// Divides delays, lifetimes and the windows of rate limits.
    pub time_scale: u32,
    /// The record of every patient, instead of a sample record.
    pub record: Option<NetworkRecord>,
    /// Whether a Patient made from the demographics replaces those in `record`, as Metriport does. With `false`, every
    /// resource is delivered byte for byte, and the Patients are not the person.
    pub replace_patient: bool,
    /// URLs that hosted pages may return to, compared exactly. An empty list refuses every session and challenge.
    pub redirect_allowlist: Vec<String>,
    /// Automatic mode: whether opening a hosted page completes it.
    pub auto_approve: bool,
    /// Whether a query's AAL2 session is checked; `false` accepts any text.
    pub check_aal2: bool,
    /// Whether an AAL2 session serves only one query.
    pub aal2_single_use: bool,
    /// Whether the per-minute limits apply.
    pub rate_limits: bool,
    /// The per-minute limits.
    pub limits: PerMinute,
    /// Whether each source of a network query also has its own limit, whose refusals are entries of `errors`.
    pub per_source_rate_limits: bool,
    /// Lifetime of an AAL2 session in seconds.
    pub aal2_ttl_secs: u64,
    /// Lifetime of the URLs of identity sessions and challenges in seconds.
    pub session_ttl_secs: u64,
    /// Lifetime of record links in seconds.
    pub link_ttl_secs: u64,
    /// Whether HIE queries send `network-query.hie.first-data-ready` halfway.
    pub data_ready_events: bool,
    /// Whether a source that fails sends a webhook with `status: failed`, as Metriport documents. Its public code does
    /// not send this webhook.
    pub failure_events: bool,
    /// Forms that are sent besides those of the documentation's examples.
    pub variants: Variants,
    /// Whether an empty webhook URL clears the URL and the key, so that the next URL gets another key.
    pub clearing_makes_key: bool,
    /// Calls per UTC day, with all keys together; the gateway refuses further calls.
    pub daily_quota: Option<u32>,
    /// Patients per account; Metriport's sandbox has 20.
    pub patient_cap: Option<u32>,
    /// File that keeps the state over restarts, including the seed; `None` keeps the state in memory.
    pub journal: Option<PathBuf>,
    /// Plans that decide about faults.
    pub faults: FaultPlan,
}

impl Default for StandInOptions {
    fn default() -> Self {
        Self {
            port: 0,
            seed: 1,
            delays: Delays::default(),
            time_scale: 1,
            record: None,
            replace_patient: true,
            redirect_allowlist: Vec::new(),
            auto_approve: false,
            check_aal2: true,
            aal2_single_use: true,
            rate_limits: true,
            limits: PerMinute::default(),
            per_source_rate_limits: false,
            aal2_ttl_secs: 5 * 60,
            session_ttl_secs: 20 * 60,
            link_ttl_secs: 180,
            data_ready_events: false,
            failure_events: false,
            variants: Variants::Never,
            clearing_makes_key: false,
            daily_quota: None,
            patient_cap: None,
            journal: None,
            faults: FaultPlan::default(),
        }
    }
}

impl StandInOptions {
    pub(crate) fn delay(&self, ms: u64) -> Duration {
        Duration::from_millis(ms) / self.time_scale.max(1)
    }

    pub(crate) fn session_ttl(&self) -> Duration {
        self.delay(self.session_ttl_secs.saturating_mul(1000))
    }

    pub(crate) fn aal2_ttl(&self) -> Duration {
        self.delay(self.aal2_ttl_secs.saturating_mul(1000))
    }

    pub(crate) fn link_ttl(&self) -> Duration {
        self.delay(self.link_ttl_secs.saturating_mul(1000))
    }

    /// The wait imposed on a patient of this persona, in milliseconds of real time.
    #[must_use]
    pub fn wait_ms(&self, wait: Wait, persona: Persona) -> u64 {
        let delays = &self.delays;
        let lab_ms = delays.lab_ms * u64::from(if persona == Persona::SlowSource { SLOW_FACTOR } else { 1 });
        let query_ms = match persona {
            Persona::SandboxSources => delays.hie_ms,
            _ => delays.hie_ms.max(delays.pharmacy_ms).max(lab_ms),
        };
        let ms = match wait {
            Wait::IdentityWebhook => delays.identity_webhook_ms,
            Wait::NetworkQuery => query_ms,
            Wait::ConsolidatedQuery => delays.consolidated_ms,
            Wait::Pull => query_ms + delays.consolidated_ms,
        };
        u64::try_from(self.delay(ms).as_millis()).unwrap_or(u64::MAX)
    }
}
