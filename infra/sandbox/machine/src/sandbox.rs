//! The whole stack on one machine: stand-in, embedded AWS and host.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sandbox_aws::{Aws, AwsOptions};
use sandbox_host::cloudwatch::MetricSink;
use sandbox_host::template::{Stack, TemplateError, Throttle};
use sandbox_host::{Host, HostOptions, Issuer, IssuerError, LogSink, Runner, StartError};
use sandbox_metriport::{FaultPlan, StandIn, StandInOptions};
use serde_json::{Map, Value};
use shared::clock;
use shared::metriport::{Client, ClientOptions, WebhookSettings, http_client};

use crate::app::App;
use crate::faults::Faults;
use crate::privileges::{Privilege, Privileges};
use crate::stack::{self, Parameters, Secrets};

/// URL of the app's page to which the identity page returns.
pub const IDENTITY_RETURN: &str = "https://app.example.test/ias/identity/return";
/// URL of the app's page to which the AAL2 page returns.
pub const AAL2_RETURN: &str = "https://app.example.test/ias/aal2/return";

/// Version, SHA-256 and URL of the notice to which the sandbox's persons consent. The hash is that of the line "A
/// notice for the invented persons of the sandbox."
pub const NOTICE: [&str; 3] = [
    "sandbox-1",
    "4034111d9c49eaf420eefb1aa756e0d924dce20495017316c291dcbea1f305cb",
    "https://app.example.test/notice",
];

/// The API's path for webhooks.
pub const WEBHOOK_PATH: &str = "/v1/webhooks/metriport";

/// Issuer of the sandbox's tokens.
pub const ISSUER: &str = "https://issuer.sandbox.example.test";
/// Audience of the sandbox's tokens.
pub const AUDIENCE: &str = "individual-access-sandbox";
/// Lifetime of the sandbox's tokens.
pub const TOKEN_SECS: u64 = 24 * 3600;

/// Bound demographics: each field, and the claim that must agree with it.
pub(crate) const DEMOGRAPHICS_CLAIMS: [(&str, &str); 3] = [
    ("firstName", "given_name"),
    ("lastName", "family_name"),
    ("dob", "birthdate"),
];

/// The claims of a token that agrees with these demographics.
#[must_use]
pub fn demographics_claims(demographics: &Value) -> Map<String, Value> {
    let claim = |(field, claim): (&str, &str)| Some((claim.to_owned(), demographics.get(field)?.clone()));
    DEMOGRAPHICS_CLAIMS.into_iter().filter_map(claim).collect()
}

const CALL_TIMEOUT: Duration = Duration::from_secs(25);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Options of a sandbox.
pub struct SandboxOptions {
    /// Port of the API; 0 takes a free port.
    pub port: u16,
    /// Folder for the state; `None` keeps it in memory.
    pub data_dir: Option<PathBuf>,
    /// The stand-in for Metriport.
    pub stand_in: StandInOptions,
    /// Divides the functions' durations and the queues' delays. The stand-in has its own scale.
    pub time_scale: u32,
    /// Starts the functions.
    pub runner: Runner,
    /// Additional environment variables of every function.
    pub extra_env: Vec<(String, String)>,
    /// URLs that hosted pages may return to, besides [`IDENTITY_RETURN`] and [`AAL2_RETURN`].
    pub redirects: Vec<String>,
    /// Web origins that may call the API and read records from a browser: the value of the parameter `CorsOrigins`.
    pub origins: Vec<String>,
    /// Accept only demographics that agree with the caller's token ([`demographics_claims`]), as the template
    /// recommends.
    pub bind_demographics: bool,
    /// Limit each person to their share of places, slots and calls, as the template does.
    pub person_shares: bool,
    /// Apply the API's throttles from the template, with seconds that `time_scale` shortens. `false` lets a test send
    /// more requests than the throttles admit.
    pub throttled: bool,
    /// Version, SHA-256 and URL of the notice to which persons consent; `None` leaves consent to the app.
    pub notice: Option<[String; 3]>,
    /// Observes every call to AWS.
    pub observer: Option<sandbox_aws::Observer>,
    /// Receives the weight of every call to AWS.
    pub meter: Option<sandbox_aws::Meter>,
    /// Receives every line that the functions write.
    pub log: LogSink,
    /// Receives the metrics in the functions' log lines, as CloudWatch would.
    pub metrics: Option<MetricSink>,
    /// Start one process of each function before the first invocation.
    pub prewarm: bool,
    /// Do the operator's work after a first deployment: store the API key, register the webhook, store its key. With
    /// `false`, the secrets are as the template makes them, and a function starts only at its first invocation.
    pub set_up: bool,
    /// Divides the intervals of schedules; 0 stops them.
    pub schedule_scale: u32,
    /// Maximum number of processes of one function at once. Further invocations wait.
    pub processes_max: usize,
    /// Plans that decide about faults.
    pub faults: Faults,
}

impl SandboxOptions {
    /// A sandbox in memory whose functions are started by `runner`.
    #[must_use]
    pub fn new(runner: Runner) -> Self {
        Self {
            port: 0,
            data_dir: None,
            stand_in: StandInOptions::default(),
            time_scale: 1,
            runner,
            extra_env: Vec::new(),
            redirects: Vec::new(),
            origins: Vec::new(),
            bind_demographics: false,
            person_shares: true,
            throttled: true,
            notice: Some(NOTICE.map(str::to_owned)),
            observer: None,
            meter: None,
            log: Arc::new(|_| {}),
            metrics: None,
            prewarm: true,
            set_up: true,
            schedule_scale: 1,
            processes_max: 4,
            faults: Faults::default(),
        }
    }
}

/// The reason why a sandbox did not start, or did not shut down cleanly.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The template cannot be used.
    #[error("template: {0}")]
    Template(String),
    /// The embedded AWS failed.
    #[error("AWS: {0}")]
    Aws(#[from] sandbox_aws::Error),
    /// The stand-in failed.
    #[error("stand-in: {0}")]
    StandIn(String),
    /// The host did not start.
    #[error("host: {0}")]
    Host(#[from] StartError),
    /// The issuer of tokens failed.
    #[error("issuer: {0}")]
    Issuer(#[from] IssuerError),
    /// A secret could not be stored.
    #[error("secret: {0}")]
    Secret(String),
    /// The webhook could not be registered.
    #[error("webhook registration: {0}")]
    Webhook(String),
    /// Functions tried actions that their policies do not grant.
    #[error("refused by policies: {}", listed(.0))]
    Refused(BTreeSet<Privilege>),
}

fn listed(privileges: &BTreeSet<Privilege>) -> String {
    let listed: Vec<_> = privileges.iter().map(Privilege::to_string).collect();
    listed.join("; ")
}

impl From<TemplateError> for SandboxError {
    fn from(error: TemplateError) -> Self {
        Self::Template(error.to_string())
    }
}

/// A running sandbox.
pub struct Sandbox {
    aws: Aws,
    stand_in: StandIn,
    host: Host,
    issuer: Issuer,
    privileges: Arc<Privileges>,
    throttle: Option<Throttle>,
}

impl Sandbox {
    /// Starts everything and, with `set_up`, registers the webhook.
    ///
    /// # Errors
    /// Fails if a part does not start.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let mut redirects = vec![IDENTITY_RETURN.to_owned(), AAL2_RETURN.to_owned()];
        redirects.extend(options.redirects);
        let journal = options.data_dir.as_ref().map(|folder| folder.join("stand-in.jsonl"));
        let issuer = Issuer::new(ISSUER, AUDIENCE)?;
        let privileges = Privileges::new(Arc::clone(&options.log));
        // The embedded AWS starts before the stand-in, because it creates and locks the data directory.
        let aws = Aws::start(AwsOptions {
            data_dir: options.data_dir,
            region: stack::REGION.to_owned(),
            observer: options.observer,
            meter: options.meter,
            authorizer: Some(privileges.authorizer()),
            interceptor: options.faults.aws,
            time_scale: options.time_scale,
        })
        .await?;
        let limits = stack::limits(&options.stand_in);
        let daily_quota = options.stand_in.daily_quota;
        let stand_in_options = StandInOptions {
            redirect_allowlist: redirects.clone(),
            journal,
            faults: FaultPlan {
                calls: options.faults.upstream,
                webhooks: options.faults.webhooks,
            },
            ..options.stand_in
        };
        let stand_in = StandIn::start(stand_in_options)
            .await
            .map_err(|e| SandboxError::StandIn(e.to_string()))?;
        let bindings = stack::bindings(&Parameters {
            metriport: stand_in.base_url(),
            facility: &stand_in.facility_id(),
            issuer: ISSUER,
            audience: AUDIENCE,
            redirects: &redirects,
            origins: &options.origins,
            limits,
            daily_quota,
            bind_demographics: options.bind_demographics,
            person_shares: options.person_shares,
            notice: options.notice.as_ref(),
            link_host: stand_in.base_url().trim_start_matches("http://").to_owned(),
        });
        let mut stack = Stack::read(stack::TEMPLATE, &bindings)?;
        stack.api = stack.api.map(|api| api.in_scaled_time(options.time_scale));
        let throttle = stack.api.as_ref().and_then(|api| api.default_throttle);
        let throttle = throttle.filter(|_| options.throttled);
        let webhook_key = match options.set_up {
            true => stand_in.webhook_key(),
            false => clock::new_id().simple().to_string(),
        };
        let secrets = Secrets {
            api_key: options.set_up.then(|| stand_in.api_key().to_owned()),
            webhook_keys: serde_json::json!({ "previous": "", "current": webhook_key }).to_string(),
            owner_key: format!("{}{}", clock::new_id().simple(), clock::new_id().simple()),
        };
        let bindings = stack::make(&aws, &stack, bindings, &secrets).await?;
        privileges.enact(&stack, &bindings)?;
        let endpoint = aws.endpoint(sandbox_aws::Service::Sqs);
        let mut host_options = HostOptions::new(stack, bindings, options.runner, endpoint, issuer.clone());
        host_options.aws_env = aws.env();
        host_options.extra_env = options.extra_env;
        host_options
            .extra_env
            .push(("TIME_SCALE".to_owned(), options.time_scale.max(1).to_string()));
        host_options.port = options.port;
        host_options.throttled = options.throttled;
        host_options.prewarm = options.prewarm && options.set_up;
        host_options.schedule_scale = options.schedule_scale;
        host_options.processes_max = options.processes_max;
        host_options.log = options.log;
        host_options.metrics = options.metrics;
        host_options.interference = options.faults.invocations;
        host_options.killer = options.faults.killer;
        let host = Host::start(host_options).await?;
        let sandbox = Self {
            aws,
            stand_in,
            host,
            issuer,
            privileges,
            throttle,
        };
        if options.set_up {
            sandbox.register_webhook().await?;
        }
        Ok(sandbox)
    }

    /// Registers the webhook as an operator would.
    async fn register_webhook(&self) -> Result<(), SandboxError> {
        let refuse = |what: &dyn std::fmt::Display| SandboxError::Webhook(what.to_string());
        let url = format!("{}{WEBHOOK_PATH}", self.host.base_url());
        let url = url.parse().map_err(|error: url::ParseError| refuse(&error))?;
        let client = self.metriport_client().map_err(|error| refuse(&error))?;
        client.set_webhook_url(&url).await.map_err(|error| refuse(&error))?;
        Ok(())
    }

    /// A client of the stand-in, with the account's own key.
    ///
    /// # Errors
    /// Fails if the client cannot be created.
    pub fn metriport_client(&self) -> Result<Client, String> {
        let base_url = self.stand_in.base_url().parse();
        let base_url = base_url.map_err(|error: url::ParseError| error.to_string())?;
        let options = ClientOptions {
            base_url,
            api_key: self.stand_in.api_key().into(),
            http: http_client(CONNECT_TIMEOUT, CALL_TIMEOUT).map_err(|error| error.to_string())?,
            request_timeout: CALL_TIMEOUT,
            user_agent: format!("individual-access/{} (sandbox)", env!("CARGO_PKG_VERSION")),
        };
        Client::new(options).map_err(|error| error.to_string())
    }

    /// A token of the sandbox's own issuer.
    ///
    /// # Errors
    /// Fails if the token cannot be signed.
    pub fn token(&self, subject: &str, claims: &Map<String, Value>) -> Result<String, IssuerError> {
        let now = clock::now().millis() / 1000;
        self.issuer
            .token(subject, claims, TOKEN_SECS, u64::try_from(now).unwrap_or_default())
    }

    /// The app of one person.
    ///
    /// # Errors
    /// Fails if the token cannot be signed or the client cannot be created.
    pub fn app(&self, subject: &str) -> Result<App, SandboxError> {
        let token = self.token(subject, &Map::new())?;
        App::new(self.host.base_url(), &token).map_err(|error| SandboxError::StandIn(error.to_string()))
    }

    /// The embedded AWS.
    #[must_use]
    pub const fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The stand-in for Metriport.
    #[must_use]
    pub const fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// The host of the functions.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The throttle of all callers of the API together, in real seconds; `None` if the sandbox does not throttle.
    #[must_use]
    pub const fn throttle(&self) -> Option<Throttle> {
        self.throttle
    }

    /// The privileges that functions have, and those that they used.
    #[must_use]
    pub fn privileges(&self) -> &Privileges {
        &self.privileges
    }

    /// Stops everything, and leaves no process or server behind.
    ///
    /// # Errors
    /// Fails if queue messages cannot be stored in the data directory. It also fails if a function was refused a
    /// privilege and [`Privileges::take_refused`] has not reported it, because in AWS the function's call would fail.
    pub async fn shutdown(self) -> Result<(), SandboxError> {
        self.host.shutdown().await;
        self.stand_in.shutdown().await;
        self.aws.shutdown().await?;
        let refused = self.privileges.take_refused();
        match refused.is_empty() {
            true => Ok(()),
            false => Err(SandboxError::Refused(refused)),
        }
    }
}
