//! The operator who runs a command, for the access log.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use clap::Args;
use shared::aws::Aws;
use shared::config::Env;
use shared::domain::{OperatorArn, Timing};
use shared::store::Table;

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
