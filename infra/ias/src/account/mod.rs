//! `ias account` sets up the Metriport account and the secrets of a deployment, checks them, and changes their keys.
//!
//! The commands reach a deployment from outside: through its stack's secrets, its API and Metriport's settings. Only
//! `release-patient`, `touched`, `quarantine` and `hold` use the stack's table, and only `quarantine` its bucket. The
//! variables of AWS's own tools direct the commands to AWS or to an emulator. Each command reports its actions and can
//! be repeated. The commands neither take a secret as an argument nor print a secret.

mod api_key;
mod bucket;
mod client;
mod concurrency;
mod facility;
mod finding;
mod hold;
mod issuer;
mod operator;
mod quarantine;
mod redirects;
mod release_patient;
mod rotate;
pub(crate) mod routes;
mod seal_key;
mod secrets;
mod segment;
mod status;
mod table;
mod touched;
mod webhook;

use clap::{Args, Subcommand};
use shared::config::Env;
use url::Url;

use api_key::StoreApiKeyArgs;
use facility::FacilityArgs;
use hold::HoldArgs;
use issuer::CheckIssuerArgs;
use quarantine::QuarantineArgs;
use redirects::RedirectsArgs;
use release_patient::ReleasePatientArgs;
use rotate::RotateArgs;
use seal_key::SealKeyArgs;
use status::StatusArgs;
use touched::TouchedArgs;
use webhook::RegisterWebhookArgs;

pub(crate) use client::TOKEN;
pub use client::{TokenInput, client};
pub use rotate::{Rotated, clear_and_set, rotate_webhook_key};
pub use secrets::{StackSecret, StackSecrets};

/// Options of `account`.
#[derive(Debug, Clone, Args)]
pub struct AccountArgs {
    /// The command to run.
    #[command(subcommand)]
    pub command: AccountCommand,
}

/// Commands on the account.
#[derive(Debug, Clone, Subcommand)]
pub enum AccountCommand {
    /// Check the whole deployment: secrets, registration, deliveries, the API. Fails if one of the checks fails.
    Status(StatusArgs),
    /// Read the issuer of the app's tokens as API Gateway reads it. Run this before each deployment; it needs no stack.
    CheckIssuer(CheckIssuerArgs),
    /// List the account's facilities, or create one. Run this before the first deployment: a stack needs the id.
    Facility(FacilityArgs),
    /// Check Metriport's API key and store it in the stack's secret.
    StoreApiKey(StoreApiKeyArgs),
    /// Register the webhook URL, store the key that signs its deliveries, and confirm that Metriport's ping is
    /// answered.
    RegisterWebhook(RegisterWebhookArgs),
    /// Check the URLs that hosted pages may return to, and print how to register them by hand.
    Redirects(RedirectsArgs),
    /// Change a key: the webhook key, which Metriport makes and uses at once, or the API key.
    Rotate(RotateArgs),
    /// Unlink a patient from the wrong person. Without --confirm, only print what would change.
    ReleasePatient(ReleasePatientArgs),
    /// Print the public key that verifies the seals of the access log. Keep it outside the account.
    SealKey(SealKeyArgs),
    /// List the persons who have entries of the access log within a span of time, for a notice of a breach.
    Touched(TouchedArgs),
    /// List and show quarantines; release or delete their records.
    Quarantine(QuarantineArgs),
    /// Put a person's data on legal hold, so that they are not erased, or end the hold.
    Hold(HoldArgs),
}

/// The deployment.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeploymentArgs {
    /// Name of the stack.
    #[arg(long, env = "STACK_NAME", default_value = "ias", value_name = "NAME")]
    pub(crate) stack: String,
    #[command(flatten)]
    pub(crate) metriport: Metriport,
}

/// The Metriport API.
#[derive(Debug, Clone, Args)]
pub(crate) struct Metriport {
    /// Metriport's API: https://api.sandbox.metriport.com, https://api.metriport.com, or a stand-in on this machine.
    #[arg(long = "metriport", env = "METRIPORT_BASE_URL", value_name = "METRIPORT_BASE_URL")]
    pub(crate) base_url: Url,
}

impl DeploymentArgs {
    fn secrets(&self) -> Result<StackSecrets, String> {
        StackSecrets::of(&Env::of_process(), &self.stack)
    }

    /// A client with the API key that the stack stores.
    async fn client(&self, secrets: &StackSecrets) -> Result<shared::metriport::Client, String> {
        client(&self.metriport.base_url, secrets.read(StackSecret::ApiKey).await?)
    }
}

pub(crate) async fn account(args: &AccountArgs) -> Result<(), String> {
    match &args.command {
        AccountCommand::Status(args) => status::status(args).await,
        AccountCommand::CheckIssuer(args) => issuer::check_issuer(args).await,
        AccountCommand::Facility(args) => facility::facility(args).await,
        AccountCommand::StoreApiKey(args) => api_key::store(args).await,
        AccountCommand::RegisterWebhook(args) => webhook::register_webhook(args).await,
        AccountCommand::Redirects(args) => redirects::redirects(args),
        AccountCommand::Rotate(args) => rotate::rotate(args).await,
        AccountCommand::ReleasePatient(args) => release_patient::release_patient(args).await,
        AccountCommand::SealKey(args) => seal_key::seal_key(args).await,
        AccountCommand::Touched(args) => touched::touched(args).await,
        AccountCommand::Quarantine(args) => quarantine::quarantine(args).await,
        AccountCommand::Hold(args) => hold::hold(args).await,
    }
}
