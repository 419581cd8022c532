//! `ias account`: the account at Metriport and the secrets of a deployment. What a deployment is set up with, looked
//! after by, and has its keys changed by.
//!
//! The commands know a deployment from outside: the secrets of its stack, its API, and Metriport's settings. One of
//! them writes to its table. They work on a stack in AWS as on an emulator, by the variables that AWS's own tools read.
//! Each says what it did, can be repeated, and neither takes a secret as an argument nor shows one.

mod api_key;
mod client;
mod concurrency;
mod facility;
mod finding;
mod issuer;
mod redirects;
mod release_patient;
mod rotate;
pub(crate) mod routes;
mod secrets;
mod segment;
mod status;
mod table;
mod webhook;

use clap::{Args, Subcommand};
use shared::config::Env;
use url::Url;

use api_key::StoreApiKeyArgs;
use facility::FacilityArgs;
use issuer::CheckIssuerArgs;
use redirects::RedirectsArgs;
use release_patient::ReleasePatientArgs;
use rotate::RotateArgs;
use status::StatusArgs;
use webhook::RegisterWebhookArgs;

pub(crate) use client::TOKEN;
pub use client::{TokenInput, client};
pub use rotate::{Rotated, clear_and_set, rotate_webhook_key};
pub use secrets::{Kept, StackSecrets};

/// Options of `account`.
#[derive(Debug, Clone, Args)]
pub struct AccountArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AccountCommand,
}

/// What to do with the account.
#[derive(Debug, Clone, Subcommand)]
pub enum AccountCommand {
    /// Look over the whole: secrets, registration, deliveries, the API. Ends with an error if something is wrong.
    Status(StatusArgs),
    /// Read the issuer of the app's tokens as API Gateway reads it. Run it before each deployment; it needs no stack.
    CheckIssuer(CheckIssuerArgs),
    /// List the account's facilities, or make one. Needs no stack: a stack needs the id.
    Facility(FacilityArgs),
    /// Store Metriport's API key in the stack's secret, after trying it.
    StoreApiKey(StoreApiKeyArgs),
    /// Register the webhook URL, store the key that signs what comes there, and see Metriport's ping answered.
    RegisterWebhook(RegisterWebhookArgs),
    /// Check the URLs that hosted pages may return to, and say what has to be registered by hand.
    Redirects(RedirectsArgs),
    /// Change a key: of the webhook, which Metriport makes and uses at once, or of the API.
    Rotate(RotateArgs),
    /// Unlink a patient from the wrong person. Without --confirm, only print what would change.
    ReleasePatient(ReleasePatientArgs),
}

/// Which deployment.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// Name of the stack.
    #[arg(long, env = "STACK_NAME", default_value = "ias", value_name = "NAME")]
    pub(crate) stack: String,
    #[command(flatten)]
    pub(crate) metriport: Metriport,
}

/// Which Metriport.
#[derive(Debug, Clone, Args)]
pub(crate) struct Metriport {
    /// Metriport's API: https://api.sandbox.metriport.com, https://api.metriport.com, or a stand-in on this machine.
    #[arg(long = "metriport", env = "METRIPORT_BASE_URL", value_name = "METRIPORT_BASE_URL")]
    pub(crate) base_url: Url,
}

impl Place {
    /// The secrets of the stack.
    fn secrets(&self) -> Result<StackSecrets, String> {
        StackSecrets::of(&Env::of_process(), &self.stack)
    }

    /// A client of the account with the key that the stack has.
    async fn client(&self, secrets: &StackSecrets) -> Result<shared::metriport::Client, String> {
        client(&self.metriport.base_url, secrets.read(Kept::ApiKey).await?)
    }
}

/// Runs the command.
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
    }
}
