//! `ias account hold`: an operator puts a person's data on legal hold, so that nothing of them is erased, or ends the
//! hold. The person's request for erasure is refused with `legal_hold` meanwhile.

use clap::{Args, Subcommand};
use shared::clock;
use shared::domain::log::Access;
use shared::store::{Condition, ReadPatient, ReadRoot, StoreError, WriteHold};

use super::operator::PersonArgs;
use crate::report::say_line;

/// Options of `account hold`.
#[derive(Debug, Clone, Args)]
pub struct HoldArgs {
    /// The command to run.
    #[command(subcommand)]
    pub command: HoldCommand,
}

/// Commands on legal holds.
#[derive(Debug, Clone, Subcommand)]
pub enum HoldCommand {
    /// Put the person's data on hold.
    Begin(PersonArgs),
    /// End the hold.
    End(PersonArgs),
}

pub(super) async fn hold(args: &HoldArgs) -> Result<(), String> {
    let (of, begins) = match &args.command {
        HoldCommand::Begin(of) => (of, true),
        HoldCommand::End(of) => (of, false),
    };
    let (operator, owner) = (of.open("hold").await?, &of.owner);
    let (root, now) = (operator.table.root(owner).await.map_err(explain)?, clock::now());
    let slot = operator.table.patient(owner).await.map_err(explain)?;
    if root.version == 0 && slot.version == 0 {
        return Err("nothing is stored under this owner id".to_owned());
    }
    if root.erasure.is_some() {
        return Err("this person is being erased, so it is too late for a hold".to_owned());
    }
    let next = root.hold(begins.then_some(now)).ok_or(match begins {
        true => "the person's data are on hold already",
        false => "the person's data are not on hold",
    })?;
    let (what, word) = match begins {
        true => (Access::HoldBegun, "begun"),
        false => (Access::HoldEnded, "ended"),
    };
    let written = operator.table.put_hold(owner, &next, what, &operator.actor, now).await;
    written.map_err(explain)?;
    say_line(&format!("hold {word} owner={} at={now}", owner.as_str()));
    Ok(())
}

fn explain(error: StoreError) -> String {
    match error.lacks(Condition::RootAsRead) {
        true => "the person's consent, quarantine or hold changed during the command: run it again".to_owned(),
        false => error.to_string(),
    }
}
