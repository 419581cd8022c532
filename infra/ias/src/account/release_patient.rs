//! `ias account release-patient` unlinks a Metriport patient from the wrong person. The command cannot know that the
//! person is the wrong one; the operator must check that.
//!
//! The command refuses while Metriport has the patient under the linked person's external id: the person's next request
//! would link the patient again. It writes only with `--confirm`, and then prints one line with the patient, the owner,
//! the stack, the time and the operator. The access log gets an entry.

use clap::Args;
use shared::clock;
use shared::config::Env;
use shared::domain::log::Actor;
use shared::domain::patient::PatientSlot;
use shared::domain::{OwnerId, PatientId, Time};
use shared::metriport::Client;
use shared::store::{AcceptPull, Condition, Correlate, ReadPatient, ReleasePatient, StoreError, Table};

use super::client::render_error;
use super::operator::LogArgs;
use super::{DeploymentArgs, operator, table};
use crate::report::{say, say_line};

/// Options of `account release-patient`.
#[derive(Debug, Clone, Args)]
pub struct ReleasePatientArgs {
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// Metriport's id of the patient.
    #[arg(long, value_name = "ID", value_parser = patient)]
    patient: PatientId,
    /// Name of the stack's table, if the stack's name does not identify it.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Release the patient. Without it, the command only prints what it would change.
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    log: LogArgs,
}

fn patient(text: &str) -> Result<PatientId, String> {
    PatientId::parse(text).map_err(|error| error.to_string())
}

struct Linked {
    owner: OwnerId,
    slot: PatientSlot,
    open_until: Option<Time>,
}

pub(super) async fn release_patient(args: &ReleasePatientArgs) -> Result<(), String> {
    let env = Env::of_process();
    let table = table::find(&env, &args.deployment.stack, args.table.as_deref()).await?;
    let table = args.log.table(table, "release-patient")?;
    let linked = read(&table, &args.patient).await?;
    let account = args.deployment.client(&args.deployment.secrets()?).await?;
    check_upstream(&account, &args.patient, &linked.slot).await?;
    let now = clock::now();
    if let Some(until) = linked.open_until.filter(|until| now < *until) {
        return Err(format!(
            "a pull of the patient is open and ends by {until}: wait for its end"
        ));
    }
    let (patient, owner) = (args.patient.as_str(), linked.owner.as_str());
    if !args.confirm {
        say_line(&format!("The patient {patient} is linked to the person {owner}."));
        say("Nothing was changed. With --confirm, the command removes this link.");
        return Ok(());
    }
    let (arn, stack) = (operator::arn(&env).await?, &args.deployment.stack);
    let by = arn.as_str().to_owned();
    let released = table
        .release_patient(
            &linked.owner,
            &linked.slot,
            &args.patient,
            &Actor::Operator { arn },
            now,
        )
        .await;
    released.map_err(|error| reason(&error))?;
    say_line(&format!(
        "released patient={patient} owner={owner} stack={stack} at={now} by={by}"
    ));
    Ok(())
}

async fn read(table: &Table, patient: &PatientId) -> Result<Linked, String> {
    let owner = table.by_patient(patient).await.map_err(|error| error.to_string())?;
    let owner = owner.ok_or("no person is linked to this patient")?;
    let slot = table.patient(&owner).await.map_err(|error| error.to_string())?;
    let open_until = table.locked_until(patient).await.map_err(|error| error.to_string())?;
    Ok(Linked {
        owner,
        slot,
        open_until,
    })
}

/// Fails while Metriport still knows the patient by the external id of the linked person.
async fn check_upstream(account: &Client, patient: &PatientId, slot: &PatientSlot) -> Result<(), String> {
    let Some(link) = slot.link.as_ref().filter(|link| link.patient == *patient) else {
        return Ok(());
    };
    let known = match account.get_patient(patient).await {
        Err(error) if error.kind().is_absence() => return Ok(()),
        known => known.map_err(|error| render_error(&error))?,
    };
    match known.verify(&link.external_id) {
        Err(_another) => Ok(()),
        Ok(_) => Err(String::from(
            "the patient at Metriport still has the external id of this person, whose next request would link it \
             again: first delete the patient there, or set the external id of the right person",
        )),
    }
}

fn reason(error: &StoreError) -> String {
    let conditions = [
        (Condition::PatientAsRead, "the person's link changed during the command"),
        (Condition::PatientOurs, "the patient is no longer linked to this person"),
        (Condition::NoOpenPull, "a pull of the patient is open"),
        (Condition::NotErasing, "the person is being erased"),
        (
            Condition::NoOpenConsolidated,
            "a consolidated query of the patient is open",
        ),
    ];
    let lacking = conditions.iter().find(|(condition, _)| error.lacks(*condition));
    match lacking {
        Some((_, reason)) => format!("the patient was not released: {reason}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_condition_is_named_as_the_reason() {
        let lacking = StoreError::Conflict(vec![Condition::NoOpenConsolidated]);
        assert!(reason(&lacking).ends_with("a consolidated query of the patient is open"));
        assert!(reason(&StoreError::Unavailable("x".to_owned())).contains("unavailable"));
    }
}
