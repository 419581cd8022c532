//! The operator of the sandbox releases the records that `--keep-patients` gave other Patients. Otherwise the records
//! would stay quarantined, and no test could compare the pulled record with the given one.

use sandbox_machine::Sandbox;
use shared::aws::Aws;
use shared::clock;
use shared::config::Env;
use shared::domain::log::Actor;
use shared::domain::quarantine::{QuarantineState, ReleaseReason};
use shared::domain::{OperatorArn, Timing};
use shared::store::{EndQuarantine as _, ReadQuarantines as _, ReadRoot as _, Table};

/// An access key id of no function, so no policy restricts the calls.
const VARIABLES: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "OPERATOR"),
    ("TABLE_NAME", "ias-Table"),
    ("ACCESS_LOG_RETENTION_DAYS", "2192"),
];
const ARN: &str = "arn:aws:iam::123456789012:user/operator";

/// Releases the quarantined records of every person of the sandbox, as the same person's.
pub(super) async fn release_records(sandbox: &Sandbox) -> Result<(), String> {
    let variables = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = Env::from_vars(sandbox.aws().env().into_iter().chain(variables));
    let aws = Aws::read(&env).map_err(|error| error.to_string())?;
    let table = Table::read(&aws.dynamodb(), &env).and_then(|table| table.with_log(&env, "pull", Timing::default()));
    let table = table.map_err(|error| error.to_string())?;
    let arn = OperatorArn::parse(ARN.to_owned()).map_err(|error| error.to_string())?;
    let (actor, why) = (Actor::Operator { arn }, ReleaseReason::SamePerson.as_str());
    for owner in table.quarantined_persons().await.map_err(|error| error.to_string())? {
        let root = table.root(&owner).await.map_err(|error| error.to_string())?;
        let now = clock::now();
        if let Some(next) = root.end_quarantine(QuarantineState::Released, now) {
            let released = table.release_records(&owner, &next, &actor, why, now).await;
            released.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
