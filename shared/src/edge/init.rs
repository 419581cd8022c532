//! Starts a function: reads its configuration, makes its clients and fetches its secrets. A missing or malformed value
//! stops the function here, with an error that names the value, and not at the first request.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use secrecy::ExposeSecret;

use crate::aws::Aws;
use crate::clock::SystemClock;
use crate::config::{ConfigError, Env};
use crate::deployment::Deployment;
use crate::domain::FacilityId;
use crate::edge::budget::{CallerBudget, DayBudget, PersonBudget, RateBudget};
use crate::metrics::Metrics;
use crate::metriport::{self, ClientOptions, ClientOptionsError, HttpClientError};
use crate::owner::{OwnerKey, OwnerKeyError};
use crate::queue::{AccountWorkQueue, AdvanceQueue, DeadLetterQueue, FetchQueue, SourceQueue, WebhookEventQueue};
use crate::records::{Bucket, LinkClient, LinkPolicy, RecordsError};
use crate::seals::SealBucket;
use crate::secrets::{self, SecretError, StoredApiKey};
use crate::store::Table;
use crate::telemetry;

/// Time for one upstream call while a person waits: three calls fit into the 29 seconds that API Gateway gives a
/// function.
pub const INTERACTIVE: Duration = Duration::from_secs(9);
/// Time for one upstream call when no person waits. Metriport's gateway gives up a little later, after about 29
/// seconds.
pub const BACKGROUND: Duration = Duration::from_secs(25);
const UPSTREAM_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A variable is missing or malformed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The owner key is too short.
    #[error("secret of OWNER_KEY_SECRET: {0}")]
    OwnerKey(#[from] OwnerKeyError),
    /// The Metriport client refuses its options.
    #[error("Metriport client: {0}")]
    Metriport(#[from] ClientOptionsError),
    /// The HTTP client cannot be made.
    #[error("HTTP client: {0}")]
    Http(#[from] HttpClientError),
    /// The client for record links cannot be made.
    #[error(transparent)]
    Links(#[from] RecordsError),
}

impl InitError {
    /// Logs why a function does not start, because the runtime itself reports the error only to Lambda.
    #[must_use]
    pub fn log_and_return(self) -> Self {
        tracing::error!(context = %self, "init failed");
        self
    }
}

/// A function that is starting.
pub struct Init {
    /// The function's variables.
    pub env: Env,
    /// The deployment it belongs to.
    pub deployment: Deployment,
    /// The function's metrics.
    pub metrics: Metrics,
    /// The function's name.
    function: String,
    aws: Aws,
}

impl Init {
    /// Sets up logging and metrics, and reads the variables that every function needs. `module` is the function's
    /// crate, whose name with hyphens is the function's name.
    ///
    /// # Errors
    /// When a variable is missing or malformed.
    pub fn read(env: Env, module: &str) -> Result<Self, InitError> {
        telemetry::init(&env, module);
        Self::started(env, module.replace('_', "-")).map_err(InitError::log_and_return)
    }

    fn started(env: Env, function: String) -> Result<Self, InitError> {
        let deployment = Deployment::read(&env)?;
        let aws = Aws::trusting(&env, &deployment.roots)?;
        let metrics = Metrics::to_stdout(&deployment.stage);
        Ok(Self {
            env,
            deployment,
            metrics,
            function,
            aws,
        })
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> SystemClock {
        SystemClock {
            timing: self.deployment.timing,
        }
    }

    /// The table.
    ///
    /// # Errors
    /// When `TABLE_NAME` is missing.
    pub fn table(&self) -> Result<Table, InitError> {
        Ok(Table::read(&self.aws.dynamodb(), &self.env)?.with_metrics(self.metrics.clone()))
    }

    /// The table, for a function that writes entries of the access log.
    ///
    /// # Errors
    /// When `TABLE_NAME` is missing, or `ACCESS_LOG_RETENTION_DAYS` is missing or malformed.
    pub fn logging_table(&self) -> Result<Table, InitError> {
        let timing = self.deployment.timing;
        Ok(self.table()?.with_log(&self.env, &self.function, timing)?)
    }

    /// The rate budget.
    ///
    /// # Errors
    /// When `METRIPORT_LIMITS` or `METRIPORT_DAILY_QUOTA` is missing or malformed.
    pub fn rate_budget(&self, table: &Table) -> Result<RateBudget, InitError> {
        Ok(RateBudget::read(
            table,
            &self.env,
            self.deployment.timing,
            &self.metrics,
        )?)
    }

    /// The budget of calls that a person waits for.
    ///
    /// # Errors
    /// When `METRIPORT_LIMITS`, `METRIPORT_DAILY_QUOTA`, `PERSON_BURST` or `PERSON_SHARE_PERCENT` is missing or
    /// malformed.
    pub fn caller_budget(&self, table: &Table) -> Result<CallerBudget, InitError> {
        let timing = self.deployment.timing;
        Ok(CallerBudget::read(table, &self.env, timing, &self.metrics)?)
    }

    /// The shares of persons, for a function that makes no upstream calls.
    ///
    /// # Errors
    /// As [`Init::caller_budget`].
    pub fn person_budget(&self, table: &Table) -> Result<PersonBudget, InitError> {
        let timing = self.deployment.timing;
        Ok(PersonBudget::read(table, &self.env, timing, &self.metrics)?)
    }

    /// The calls of the day, for a function whose calls have no limit per minute.
    ///
    /// # Errors
    /// When `METRIPORT_DAILY_QUOTA` is missing or malformed.
    pub fn day_budget(&self, table: &Table) -> Result<DayBudget, InitError> {
        Ok(DayBudget::read(table, &self.env, &self.metrics)?)
    }

    /// The bucket.
    ///
    /// # Errors
    /// When `RECORDS_BUCKET` is missing.
    pub fn bucket(&self) -> Result<Bucket, InitError> {
        Ok(Bucket::read(&self.aws.s3(), &self.env)?)
    }

    /// The bucket of seals.
    ///
    /// # Errors
    /// When `SEALS_BUCKET` is missing.
    pub fn seals(&self) -> Result<SealBucket, InitError> {
        Ok(SealBucket::read(&self.aws.s3(), &self.env)?)
    }

    /// The key that signs seals.
    ///
    /// # Errors
    /// When `SEAL_KEY_ID` is missing.
    #[cfg(feature = "kms")]
    pub fn seal_key(&self) -> Result<crate::seals::SealKey, InitError> {
        Ok(crate::seals::SealKey::read(self.aws.kms(), &self.env)?)
    }

    /// `STACK_NAME`: the name of the stack, as seals and exports of the access log state it.
    ///
    /// # Errors
    /// When the variable is missing.
    pub fn stack_name(&self) -> Result<String, InitError> {
        Ok(self.env.required("STACK_NAME")?.to_owned())
    }

    /// `FACILITY_ID`: the facility of patients.
    ///
    /// # Errors
    /// When the variable is missing or malformed.
    pub fn facility(&self) -> Result<FacilityId, InitError> {
        const FACILITY: &str = "FACILITY_ID";
        let facility = FacilityId::parse(self.env.required(FACILITY)?);
        let malformed = ConfigError {
            name: FACILITY,
            problem: "not a well-formed id",
        };
        Ok(facility.map_err(|_not_an_id| malformed)?)
    }

    /// The queue `run-advance`.
    ///
    /// # Errors
    /// When its variable is missing.
    pub fn advance_queue(&self) -> Result<AdvanceQueue, InitError> {
        Ok(AdvanceQueue::read(&self.aws.sqs(), &self.env)?.in_time(self.deployment.timing))
    }

    /// The queue `record-fetch`.
    ///
    /// # Errors
    /// When its variable is missing.
    pub fn fetch_queue(&self) -> Result<FetchQueue, InitError> {
        Ok(FetchQueue::read(&self.aws.sqs(), &self.env)?)
    }

    /// The queue `account-work`.
    ///
    /// # Errors
    /// When its variable is missing.
    pub fn account_work_queue(&self) -> Result<AccountWorkQueue, InitError> {
        Ok(AccountWorkQueue::read(&self.aws.sqs(), &self.env)?)
    }

    /// The queue `webhook-events`.
    ///
    /// # Errors
    /// When its variable is missing.
    pub fn webhook_event_queue(&self) -> Result<WebhookEventQueue, InitError> {
        Ok(WebhookEventQueue::read(&self.aws.sqs(), &self.env)?)
    }

    /// The dead-letter queue of the queue that this function consumes.
    ///
    /// # Errors
    /// When its variable is missing.
    pub fn dead_letters(&self, source: SourceQueue) -> Result<DeadLetterQueue, InitError> {
        Ok(DeadLetterQueue::read(&self.aws.sqs(), &self.env, source)?.with_metrics(self.metrics.clone()))
    }

    fn tls(&self) -> Result<ClientConfig, HttpClientError> {
        Ok(metriport::tls_config_trusting(&self.deployment.roots)?)
    }

    /// The client for record links.
    ///
    /// # Errors
    /// When `RECORD_LINK_HOSTS` is missing or malformed, or TLS cannot be set up.
    pub fn link_client(&self) -> Result<LinkClient, InitError> {
        let policy = LinkPolicy::read(&self.env, &self.deployment.metriport)?;
        Ok(LinkClient::new(policy, self.tls()?)?)
    }

    /// The Secrets Manager client, for a function that reads a secret more than once.
    #[must_use]
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        self.aws.secrets()
    }

    /// The owner key.
    ///
    /// # Errors
    /// When the secret cannot be read or is too short.
    pub async fn owner_key(&self) -> Result<OwnerKey, InitError> {
        let secret = secrets::text(&self.aws.secrets(), &self.env, "OWNER_KEY_SECRET").await?;
        Ok(OwnerKey::parse(secret.expose_secret())?)
    }

    /// The Metriport client, with a timeout per call: [`INTERACTIVE`] or [`BACKGROUND`]. When Metriport refuses the API
    /// key, the client reads the key again.
    ///
    /// # Errors
    /// When the API key cannot be read or the client cannot be made.
    pub async fn metriport(&self, request_timeout: Duration) -> Result<metriport::Client, InitError> {
        let stored = StoredApiKey::new(self.aws.secrets(), self.env.clone());
        let api_key = stored.read().await?;
        let function = self.env.optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or("local");
        let client = metriport::Client::new(ClientOptions {
            base_url: self.deployment.metriport.clone(),
            api_key,
            http: metriport::http_client_over(self.tls()?, UPSTREAM_CONNECT_TIMEOUT, request_timeout)?,
            request_timeout,
            user_agent: format!("individual-access/{} ({function})", env!("CARGO_PKG_VERSION")),
        })?;
        let client = client.with_key_from(Arc::new(stored), self.deployment.timing.secret_gap());
        Ok(client.with_metrics(self.metrics.clone()))
    }
}
