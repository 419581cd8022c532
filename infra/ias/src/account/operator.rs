//! The operator who runs a command, for the access log, and the stack and the person that the command names.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use clap::Args;
use shared::aws::Aws;
use shared::config::Env;
use shared::domain::log::Actor;
use shared::domain::{OperatorArn, OwnerId, Timing};
use shared::store::Table;

use super::table;

/// Options of a command that leaves an entry in the access log.
#[derive(Debug, Clone, Args)]
pub(super) struct LogArgs {
    /// The stack's parameter AccessLogRetentionDays, for the command's own entry.
    #[arg(long, env = "ACCESS_LOG_RETENTION_DAYS", default_value_t = 2192, value_name = "DAYS")]
    log_retention_days: u16,
    /// Divides the day of the log, as in a sandbox.
    #[arg(long, env = "TIME_SCALE", default_value_t = 1, hide = true)]
    time_scale: u32,
}

impl LogArgs {
    pub(super) fn timing(&self) -> Timing {
        Timing::scaled(self.time_scale.max(1))
    }

    /// The table, with an access log whose entries name `command`.
    pub(super) fn table(&self, table: Table, command: &str) -> Result<Table, String> {
        let days = (
            "ACCESS_LOG_RETENTION_DAYS".to_owned(),
            self.log_retention_days.to_string(),
        );
        let table = table.with_log(&Env::from_vars([days]), command, self.timing());
        table.map_err(|error| error.to_string())
    }
}

/// The stack and its table.
#[derive(Debug, Clone, Args)]
pub struct StackArgs {
    /// Name of the stack.
    #[arg(long, env = "STACK_NAME", default_value = "ias", value_name = "NAME")]
    pub(super) stack: String,
    /// Name of the stack's table, if the stack's name does not identify it.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    #[command(flatten)]
    log: LogArgs,
}

/// A person, by the id that `list` prints.
#[derive(Debug, Clone, Args)]
pub struct PersonArgs {
    /// The person's owner id.
    #[arg(long, value_name = "OWNER", value_parser = parse_owner)]
    pub(super) owner: OwnerId,
    #[command(flatten)]
    pub(super) at: StackArgs,
}

fn parse_owner(text: &str) -> Result<OwnerId, String> {
    OwnerId::parse(text).map_err(|error| error.to_string())
}

/// The table of the command, and its operator.
pub(super) struct OperatorTable {
    pub(super) env: Env,
    pub(super) table: Table,
    pub(super) actor: Actor,
    pub(super) timing: Timing,
}

impl StackArgs {
    /// The table, whose entries of the access log name the command.
    pub(super) async fn open(&self, command: &str) -> Result<OperatorTable, String> {
        let env = Env::of_process();
        let table = table::find(&env, &self.stack, self.table.as_deref()).await?;
        Ok(OperatorTable {
            table: self.log.table(table, command)?,
            actor: Actor::Operator { arn: arn(&env).await? },
            timing: self.log.timing(),
            env,
        })
    }
}

impl PersonArgs {
    pub(super) async fn open(&self, command: &str) -> Result<OperatorTable, String> {
        self.at.open(command).await
    }
}

/// The operator, as STS names the owner of the credentials (docs.aws.amazon.com, STS API reference,
/// "GetCallerIdentity"). The call needs no permission.
pub(super) async fn arn(env: &Env) -> Result<OperatorArn, String> {
    let sts = Aws::read(env).map_err(|error| error.to_string())?.sts();
    let identity = sts.get_caller_identity().send().await.map_err(|error| {
        let code = error.code().unwrap_or("STS does not answer");
        format!("asking STS whose credentials these are: {code}")
    })?;
    OperatorArn::parse(identity.arn.unwrap_or_default()).map_err(|error| error.to_string())
}
