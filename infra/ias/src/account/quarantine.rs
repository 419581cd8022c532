//! `ias account quarantine`: an operator lists quarantines, looks at one, and ends it. Records may be another person's,
//! so the commands show ids, times and codes, and nothing of a record. Each command but `purge` without `--confirm`
//! leaves an entry in the access log, before or with its effect.

mod checklist;
mod purge;

use clap::{Args, Subcommand};
use shared::clock;
use shared::domain::OwnerId;
use shared::domain::log::Access;
use shared::domain::person_root::PersonRoot;
use shared::domain::quarantine::{Quarantine, QuarantineState, ReleaseReason};
use shared::store::{Condition, EndQuarantine, NoteAccess, NoteCommand, ReadQuarantines, ReadRoot, StoreError};

use super::operator::{OperatorTable, PersonArgs, StackArgs};
use crate::report::{say, say_line};

use purge::PurgeArgs;

/// The command's name in entries of the access log.
const QUARANTINE: &str = "quarantine";

/// Options of `account quarantine`.
#[derive(Debug, Clone, Args)]
pub struct QuarantineArgs {
    /// The command to run.
    #[command(subcommand)]
    pub command: QuarantineCommand,
}

/// Commands on quarantines.
#[derive(Debug, Clone, Subcommand)]
pub enum QuarantineCommand {
    /// List the persons whose records are quarantined, the earliest deadline first.
    List(StackArgs),
    /// Show the ids and codes of a person's quarantine, and what to do.
    Show(PersonArgs),
    /// Show the records to the person again. Check first that they are the person's.
    Release(ReleaseArgs),
    /// Delete the quarantined records, with their objects. Without --confirm, only print what would be deleted.
    Purge(PurgeArgs),
}

/// Options of `account quarantine release`.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    of: PersonArgs,
    /// Why: person_confirmed, same_person, responder_confirmed or reported_by_mistake.
    #[arg(long, value_name = "REASON", value_parser = release_reason)]
    reason: ReleaseReason,
    /// The version that `show` printed.
    #[arg(long, value_name = "N")]
    version: u64,
}

fn release_reason(text: &str) -> Result<ReleaseReason, String> {
    let codes: Vec<&str> = ReleaseReason::ALL.iter().map(|reason| reason.as_str()).collect();
    ReleaseReason::parse(text).ok_or_else(|| format!("expected one of {}", codes.join(", ")))
}

impl OperatorTable {
    /// The person's root and its active quarantine.
    async fn read_active(&self, owner: &OwnerId) -> Result<(PersonRoot, Quarantine), String> {
        let root = self.table.root(owner).await.map_err(explain)?;
        let active = root.active_quarantine().cloned();
        let quarantine = active.ok_or("this person has no active quarantine")?;
        Ok((root, quarantine))
    }

    async fn note(&self, owner: &OwnerId, what: Access, result: Option<&str>) -> Result<(), String> {
        let noted = self.table.note_access(owner, what, &self.actor, result, clock::now());
        noted.await.map_err(explain)
    }
}

pub(super) async fn quarantine(args: &QuarantineArgs) -> Result<(), String> {
    match &args.command {
        QuarantineCommand::List(args) => list(args).await,
        QuarantineCommand::Show(args) => checklist::show(args).await,
        QuarantineCommand::Release(args) => release(args).await,
        QuarantineCommand::Purge(args) => purge::purge(args).await,
    }
}

async fn list(args: &StackArgs) -> Result<(), String> {
    let operator = args.open(QUARANTINE).await?;
    let (table, now) = (&operator.table, clock::now());
    let noted = table.note_command(Access::QuarantineShown, &operator.actor, now).await;
    noted.map_err(explain)?;
    let owners = table.quarantined_persons().await.map_err(explain)?;
    let (mut count, mut overdue) = (0, 0);
    for owner in owners {
        // The index can still list a quarantine that has just ended.
        let root = table.root(&owner).await.map_err(explain)?;
        let Some(quarantine) = root.active_quarantine() else {
            continue;
        };
        count += 1;
        overdue += usize::from(quarantine.purge_by < now);
        say_line(&render_line(&owner, quarantine));
    }
    say(&format!("quarantines={count} overdue={overdue}"));
    Ok(())
}

/// Fails if the root has changed since the operator saw it. It may have causes that the operator does not know.
fn check_version(root: &PersonRoot, seen: u64) -> Result<(), String> {
    match root.version == seen {
        true => Ok(()),
        false => Err(format!(
            "the quarantine or the consent changed after version {seen}: run `show` again"
        )),
    }
}

async fn release(args: &ReleaseArgs) -> Result<(), String> {
    let (operator, owner) = (args.of.open(QUARANTINE).await?, &args.of.owner);
    let (root, _) = operator.read_active(owner).await?;
    check_version(&root, args.version)?;
    let now = clock::now();
    let next = root.end_quarantine(QuarantineState::Released, now);
    let next = next.ok_or("this person has no active quarantine")?;
    let why = args.reason.as_str();
    let released = operator
        .table
        .release_records(owner, &next, &operator.actor, why, now)
        .await;
    released.map_err(explain)?;
    say_line(&format!("released owner={} reason={why} at={now}", owner.as_str()));
    Ok(())
}

/// One quarantine: ids, times and codes.
fn render_line(owner: &OwnerId, quarantine: &Quarantine) -> String {
    let reasons: Vec<&str> = quarantine.reasons.iter().map(|reason| reason.as_str()).collect();
    let pull = quarantine.pull.map_or_else(|| "-".to_owned(), |pull| pull.to_string());
    format!(
        "owner={} network_query={pull} quarantined_at={} purge_by={} reasons={}",
        owner.as_str(),
        quarantine.at,
        quarantine.purge_by,
        reasons.join(",")
    )
}

fn explain(error: StoreError) -> String {
    let conditions = [
        (Condition::RootAsRead, "the quarantine changed during the command"),
        (Condition::PullAsRead, "a pull changed during the command"),
        (Condition::RecordAsRead, "a record changed during the command"),
    ];
    let lacking = conditions.iter().find(|(condition, _)| error.lacks(*condition));
    match lacking {
        Some((_, reason)) => format!("{reason}: run the command again"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_takes_only_a_reason_of_the_list() {
        for known in ReleaseReason::ALL {
            assert_eq!(release_reason(known.as_str()), Ok(*known));
        }
        for other in ["", "Nora is the same person", "same-person", "purged"] {
            assert!(release_reason(other).is_err(), "{other}");
        }
    }

    #[test]
    fn only_the_version_that_was_seen_is_ended() {
        let root = PersonRoot {
            version: 3,
            ..PersonRoot::default()
        };
        assert_eq!(check_version(&root, 3), Ok(()));
        for other in [0, 2, 4] {
            assert!(check_version(&root, other).is_err_and(|reason| reason.contains("`show` again")));
        }
    }

    #[test]
    fn changed_quarantine_is_named_as_the_reason() {
        let lacking = StoreError::Conflict(vec![Condition::RootAsRead]);
        assert!(explain(lacking).starts_with("the quarantine changed"));
        assert!(explain(StoreError::Unavailable("x".to_owned())).contains("unavailable"));
    }
}
